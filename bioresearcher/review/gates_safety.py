"""Gates on safety: people, animals, hazards, agents, and signs of possible misuse.

No single word decides: each gate weighs a sign against signs that the matter was dealt with, and what looks
like misuse needs several independent signs before it is more than a note.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from bioresearcher.review.gate import Gate, Hit, View, quote_match
from bioresearcher.review.vocabulary import words
from bioresearcher.text.format import listing

_RECORDS = words(
    "medical records?", "biobanks?", r"patient registr\w+", "volunteers?", "participants?", r"recruit\w*",
    "hospitals?",
    r"prospective(?:ly)? (?:collect|enrol|cohort|stud)\w*", "collect (?:blood|tissue)",
)  # fmt: skip
_MATERIAL = words(
    r"(?:patient|human|tumou?r) (?:tissue|samples?|specimens?|blood|biops\w+)",
    "(?:frozen|paraffin|ffpe) (?:samples?|sections?|tissues?|specimens?)", "患者",
)  # fmt: skip
_ETHICS = words(
    "consent\\w*", r"ethic\w*", "irb", r"institutional review", r"helsinki", r"de-?identif\w*",
    r"anonymi[sz]\w*",
    r"(?:gwas|association|published|public(?:ly available)?|only|the) summary statistics (?:of|from)",
    r"gwas summary statistics", r"(?:public|only) aggregate data", r"pseudonymi[sz]\w*", "gdpr", "hipaa",
    "伦理", "知情同意",
)  # fmt: skip
_ANIMAL = words(
    "mice", "mouse model*", "xenograft*", "rats", "zebrafish", "rabbits?", "in vivo", "animal experiments?", "小鼠"
)
_ANIMAL_OK = words(
    "iacuc",
    r"animal (?:care|ethics|welfare|use)\w*",
    "3rs",
    "arrive",
    r"humane endpoint\w*",
    r"(?<!no )ethics (?:committee|approval|licen[cs]e)",
    r"ethically approved",
    r"anaesth\w*",
    r"anesth\w*",
)
_HAZARD = words(
    "formaldehyde", "paraformaldehyde", "phenol", "chloroform", "trizol", r"(?:β|beta)-?mercaptoethanol",
    "ethidium bromide", "xylene", "acrylamide", "liquid nitrogen", "radioactive", r"radiolabel\w*",
    "cyanide", "sodium azide", 
    "trifluoroacetic acid", "iodoacetamide", "acetonitrile", "dithiothreitol", "hydrochloric acid", "methanol",
)  # fmt: skip
_HAZARD_OK = words(
    r"fume (?:hood|cupboard)",
    "ppe",
    "gloves",
    r"protective (?:equipment|clothing)",
    r"hazardous waste",
    "goggles",
    r"safety \w+",
)
_BIO = words(
    r"lentivir\w*",
    r"retrovir\w*",
    r"adenovir\w*",
    "aav",
    r"(?:infectious )?virus(?:es)?",
    r"viral vectors?",
    "pathogens?",
    r"mycobacteri\w*",
    "toxins?",
)
_BIO_HANDLED = words(
    r"culture|infect\w*|transduc\w*|inoculat\w*|propagat\w*|produce[sd]?|packag\w*|titrat\w*|inject\w*|passage\w*"
)
_BIO_OK = words(r"bsl-?\s?\d", r"biosafety", r"containment", r"class ii cabinet", "decontaminat\\w*")
_IDENTIFYING = words(
    r"patient names?",
    r"date of birth",
    r"medical record numbers?",
    "mrn",
    r"home address\w*",
    r"social security\w*",
    r"(?:tele)?phone numbers?",
    r"full names?",
    r"(?:patients?|participants?|persons?|donors?)(?:'s?|’s?)? names?",
    r"names? (?:and|,) (?:\w+ )?address\w*",
    r"(?:social|health|national) (?:security|insurance|identity|identification)(?: numbers?)?",
    r"e-?mail address\w*",
    r"passport numbers?",
)

_DUAL_USE: dict[str, re.Pattern[str]] = {
    "an agent of concern": words(
        "h5n1", "h7n9", "sars-?cov(?:-?2)?", "mers-?cov", "smallpox", r"variola\w*", "ebola\\w*",
        "marburg virus", "nipah", r"yersinia pestis", r"bacillus anthracis", "anthrax", r"botulinum\w*",
        "ricin", "abrin", r"francisella\w*", "1918 influenza", "highly pathogenic",
    ),
    "more harm": words(
        r"gain[- ]of[- ]function",
        r"(?:enhanc|increas|improv)\w* (?:\w+ ){0,3}(?:virulence|transmissibility|lethality|pathogenicity"
        r"|infectivity)",
        r"host range", r"airborne transmission", r"more (?:virulent|lethal|transmissible)",
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
        r"aerosoli[sz]\w*", r"serial(?:ly)? passag\w*", r"large-scale production", r"weaponi\w*",
    ),
}  # fmt: skip


_TAKEN = re.compile(
    r"\b(?:collect|take|draw|obtain|biops|samples? of)\w*\s[^.;\n]{0,80}?\b(?:from|of)\s+(?:\w+\s+){0,4}?"
    r"(?:patients|persons|participants|donors|volunteers|subjects|children|adults|women|men)\b",
    re.I,
)


def consent(view: View) -> Iterator[Hit]:
    """Human material or patient data without a word on consent, ethics approval or identifiability."""
    found = next((m for s in view.steps if (m := _RECORDS.search(s.full))), None)
    for cue in (_MATERIAL, _TAKEN):
        found = found or next((m for s in view.steps if s.step.kind == "wet" and (m := cue.search(s.full))), None)
    if found and not _ETHICS.search(view.text):
        message = (
            f"uses human material or patient data and says nothing of ethics approval or consent: {quote_match(found)}"
        )
        yield Hit(
            "protocol", message, "Name the approval and consent, or state that the data are public and de-identified."
        )
    for s in view.steps:
        named = _IDENTIFYING.search(s.full)
        if named:
            yield Hit(
                s.location,
                f"handles data that identify people: {quote_match(named)}",
                "Leave them out or pseudonymise.",
            )


def animals(view: View) -> Iterator[Hit]:
    """Animal experiments without approval or humane endpoints."""
    found = next((m for s in view.steps if s.step.kind == "wet" and (m := _ANIMAL.search(s.full))), None)
    if found and not _ANIMAL_OK.search(view.text):
        message = f"uses animals and names no approval or humane endpoint: {quote_match(found)}"
        yield Hit("protocol", message, "Name the approval, the numbers per group, and humane endpoints.")


def hazards(view: View) -> Iterator[Hit]:
    """Hazardous chemicals without a word on protection."""
    for s in view.steps:
        found = _HAZARD.search(s.full) if s.step.kind == "wet" else None
        if found and not _HAZARD_OK.search(view.part_texts[s.part_index]):
            yield Hit(
                s.location,
                f"uses a hazardous chemical: {quote_match(found)}",
                "Name the protection and the waste route.",
            )


def biosafety(view: View) -> Iterator[Hit]:
    """Infectious or toxic agents that are handled without a containment level."""
    for s in view.steps:
        found = _BIO.search(s.full) if s.step.kind == "wet" else None
        if found and _BIO_HANDLED.search(s.full) and not _BIO_OK.search(view.text):
            yield Hit(s.location, f"handles a biological agent: {quote_match(found)}", "Name the biosafety level.")
            return


def dual_use(view: View) -> Iterator[Hit]:
    """Independent signs that the work could do harm; a single sign is a note, two with an agent a warning."""
    signs = {name: m for name, pattern in _DUAL_USE.items() if (m := pattern.search(view.text))}
    agent = signs.get("an agent of concern")
    if agent is None and "more harm" not in signs:
        return
    first = agent or signs["more harm"]
    names = listing(signs)
    if len(signs) >= 2:
        message = f"{len(signs)} signs of research that could be misused ({names}): {quote_match(first)}"
        yield Hit(
            "protocol", message, "Have it reviewed by a biosafety or dual-use committee before any work.", "warning"
        )
    else:
        message = f"one sign of research that could be misused ({names}): {quote_match(first)}"
        yield Hit("protocol", message, "A person should look at this.", "note")


GATES: tuple[Gate, ...] = (
    Gate("G-SAF-01", "human material and data have approval", "warning", "completeness", consent, (), "protocol"),
    Gate("G-SAF-02", "animal work has approval", "warning", "completeness", animals, (), "protocol"),
    Gate("G-SAF-03", "hazardous chemicals come with protection", "note", "completeness", hazards),
    Gate(
        "G-SAF-04", "biological agents have a containment level", "warning", "completeness", biosafety, (), "protocol"
    ),
    Gate("G-SAF-05", "no signs of misuse", "warning", "correctness", dual_use, (), "protocol"),
)
