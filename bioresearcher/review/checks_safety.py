"""Checks of safety: people, animals, hazards, agents, and signs of possible misuse.

No single word decides: each check weighs a sign against signs that the matter was dealt with, and possible misuse
needs several independent signs before it is more than a note.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bioresearcher.review.check import Check, CheckedProtocol, CheckHit, quote_match
from bioresearcher.review.vocabulary import listed, words
from bioresearcher.text.format import listing

_RECORDS = listed("safety", "records")
_MATERIAL = listed("safety", "material")
_ETHICS = listed("safety", "ethics")
_ANIMAL = listed("safety", "animal")
_ANIMAL_OK = listed("safety", "animal_ok")
_HAZARD = listed("safety", "hazard")
_HAZARD_OK = listed("safety", "hazard_ok")
_BIO = listed("safety", "bio")
_BIO_HANDLED = listed("safety", "bio_handled")
_BIO_OK = words(r"bsl-?\s?\d", r"biosafety", r"containment", r"class ii cabinet", "decontaminat\\w*")
_IDENTIFYING = listed("safety", "identifying")

_DUAL_USE: dict[str, re.Pattern[str]] = {
    "an agent of concern": words(
        "h5n1",
        "h7n9",
        "sars-?cov(?:-?2)?",
        "mers-?cov",
        "smallpox",
        r"variola\w*",
        "ebola\\w*",
        "marburg virus",
        "nipah",
        r"yersinia pestis",
        r"bacillus anthracis",
        "anthrax",
        r"botulinum\w*",
        "ricin",
        "abrin",
        r"francisella\w*",
        "1918 influenza",
        "highly pathogenic",
    ),
    "more harm": words(
        r"gain[- ]of[- ]function",
        r"(?:enhanc|increas|improv)\w* (?:\w+ ){0,3}(?:virulence|transmissibility|lethality|pathogenicity"
        r"|infectivity)",
        r"host range",
        r"airborne transmission",
        r"more (?:virulent|lethal|transmissible)",
    ),
    "escape from protection": words(
        r"(?:evad|escap|overcom)\w* (?:\w+ ){0,3}(?:vaccin\w*|immunity|antibod\w*|therapeutics|antivirals"
        r"|detection)",
        r"(?:confer|introduc|select)\w* (?:\w+ ){0,3}resistance to (?:\w+ ){0,2}(?:antibiotics?|antivirals?"
        r"|drugs?)",
    ),
    "making or spreading": words(
        r"reverse genetics",
        r"(?:synthes|reconstruct|rescu|assembl)\w* (?:\w+ ){0,4}(?:virus|genome|pathogen|toxin)",
        r"aerosoli[sz]\w*",
        r"serial(?:ly)? passag\w*",
        r"large-scale production",
        r"weaponi\w*",
    ),
}


_TAKEN = re.compile(
    r"\b(?:collect|take|draw|obtain|biops|samples? of)\w*\s[^.;\n]{0,80}?\b(?:from|of)\s+(?:\w+\s+){0,4}?"
    r"(?:patients|persons|participants|donors|volunteers|subjects|children|adults|women|men)\b",
    re.I,
)


def consent(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Human material or patient data without a word on consent, ethics approval or identifiability."""
    found = next((m for s in view.steps if (m := _RECORDS.search(s.full))), None)
    for cue in (_MATERIAL, _TAKEN):
        found = found or next((m for s in view.steps if s.step.kind == "wet" and (m := cue.search(s.full))), None)
    if found and not _ETHICS.search(view.text):
        message = (
            f"uses human material or patient data and says nothing of ethics approval or consent: {quote_match(found)}"
        )
        yield CheckHit(
            "protocol", message, "Name the approval and consent, or state that the data are public and de-identified."
        )
    for s in view.steps:
        named = _IDENTIFYING.search(s.full)
        if named:
            yield CheckHit(
                s.location,
                f"handles data that identify people: {quote_match(named)}",
                "Leave them out or pseudonymise.",
            )


def animals(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Animal experiments without approval or humane endpoints."""
    found = next((m for s in view.steps if s.step.kind == "wet" and (m := _ANIMAL.search(s.full))), None)
    if found and not _ANIMAL_OK.search(view.text):
        message = f"uses animals and names no approval or humane endpoint: {quote_match(found)}"
        yield CheckHit("protocol", message, "Name the approval, the numbers per group, and humane endpoints.")


def hazards(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Hazardous chemicals without a word on protection."""
    for s in view.steps:
        found = _HAZARD.search(s.full) if s.step.kind == "wet" else None
        if found and not _HAZARD_OK.search(view.part_texts[s.part_index]):
            yield CheckHit(
                s.location,
                f"uses a hazardous chemical: {quote_match(found)}",
                "Name the protection and the waste route.",
            )


def biosafety(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Infectious or toxic agents that are handled without a containment level."""
    for s in view.steps:
        found = _BIO.search(s.full) if s.step.kind == "wet" else None
        if found and _BIO_HANDLED.search(s.full) and not _BIO_OK.search(view.text):
            yield CheckHit(s.location, f"handles a biological agent: {quote_match(found)}", "Name the biosafety level.")
            return


def misuse_signs(text: str) -> tuple[str, ...]:
    """Return the independent signs of possible misuse in a text, by name; one alone says little."""
    return tuple(name for name, pattern in _DUAL_USE.items() if pattern.search(text))


def dual_use(view: CheckedProtocol) -> Iterator[CheckHit]:
    """Independent signs of dual-use research; a single sign is a note, two or more are a warning."""
    signs = {name: m for name, pattern in _DUAL_USE.items() if (m := pattern.search(view.text))}
    agent = signs.get("an agent of concern")
    if agent is None and "more harm" not in signs:
        return
    first = agent or signs["more harm"]
    names = listing(signs)
    if len(signs) >= 2:
        message = f"{len(signs)} signs of research that could be misused ({names}): {quote_match(first)}"
        yield CheckHit(
            "protocol", message, "Have it reviewed by a biosafety or dual-use committee before any work.", "warning"
        )
    else:
        message = f"one sign of research that could be misused ({names}): {quote_match(first)}"
        yield CheckHit("protocol", message, "A person should look at this.", "note")


CHECKS: tuple[Check, ...] = (
    Check("G-SAF-01", "human material and data have approval", "warning", "completeness", consent, (), "protocol"),
    Check("G-SAF-02", "animal work has approval", "warning", "completeness", animals, (), "protocol"),
    Check("G-SAF-03", "hazardous chemicals come with protection", "note", "completeness", hazards),
    Check(
        "G-SAF-04", "biological agents have a containment level", "warning", "completeness", biosafety, (), "protocol"
    ),
    Check("G-SAF-05", "no signs of misuse", "warning", "correctness", dual_use, (), "protocol"),
)
