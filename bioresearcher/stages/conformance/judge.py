"""What makes an answer of a conformance check good enough: pure functions of the answer and what was asked.

They are stricter than a run, which drops what does not exist: here an invented id shows that the model makes things up.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from bioresearcher.library.quotes import locate
from bioresearcher.schemas.ask_design import DesignHeadingsInput, HeadingsDraft
from bioresearcher.schemas.ask_read import OutlinePaperInput, PaperOutline, PartDraft
from bioresearcher.schemas.ask_review import ProtocolScores
from bioresearcher.schemas.execution import Attempt, Outcome
from bioresearcher.schemas.review import METRICS
from bioresearcher.stages.conformance.material import LongPrompt
from bioresearcher.stages.design import check_headings
from bioresearcher.text.format import count_of, listing
from bioresearcher.text.visible import one_line

_WORD: Final = re.compile(r"\w+|[<>≤≥=±%]")
_FEWEST_WORDS: Final = 3
_DECISIVE: Final = ("G-HEAD-01", "G-HEAD-04")
"""No part at all, and dependencies on parts that are not there or come later."""


@dataclass(frozen=True)
class Judged:
    """What was found.

    Attributes:
        problem: Why the answer does not do; empty when it does.
        seen: What it was, in a few words.
        again: Whether it did only after a second try.
    """

    problem: str = ""
    seen: str = ""
    again: bool = False


def judge_outline(asked: OutlinePaperInput, answer: PaperOutline) -> Judged:
    """At least one part; every section named exists, and every part names one."""
    known = {s.number for s in asked.sections}
    named = {n for part in answer.parts for n in part.sections}
    if not answer.parts:
        return Judged("it found no part in a note that describes methods")
    if named - known:
        return Judged(f"it named sections that do not exist: {listing(map(str, sorted(named - known)))}")
    without = [part.title for part in answer.parts if not part.sections]
    if without:
        return Judged(f"it named no section for {listing(map(repr, without))}")
    return Judged(
        seen=f"{count_of(len(answer.parts), 'part')}, sections {listing(map(str, sorted(named)))} of {len(known)}"
    )


def judge_long(asked: LongPrompt, answer: PartDraft) -> Judged:
    """At least one quote stands in the passage in the middle of the prompt."""
    quotes = [q for step in answer.steps for q in (*step.quotes, *(r.quote for r in step.results))]
    found = [evidence for quote in quotes if (evidence := locate(asked.document, quote)) is not None]
    telling = [e for e in found if asked.telling.start <= e.start and e.end <= asked.telling.end]
    length = f"prompt of about {asked.tokens:,} tokens" + (f" (room for {asked.room:,})" if asked.room else "")
    if not telling:
        offered = f"it gave {count_of(len(quotes), 'quote')}, none of them from there" if quotes else "it gave no quote"
        return Judged(f"nothing of the passage in the middle came back: {offered}", length)
    return Judged(seen=f"{length}; {len(telling)} of {count_of(len(quotes), 'quote')} from the passage in its middle")


def judge_headings(asked: DesignHeadingsInput, answer: HeadingsDraft) -> Judged:
    """At least one part, built on earlier parts and on report parts that were listed."""
    known = {(k.paper_id, k.part_id) for k in asked.known}
    named = {(r.paper_id, r.part_id) for part in answer.parts for r in part.learns_from}
    findings = check_headings(answer)
    wrong = [f for f in findings if f.gate in _DECISIVE]
    if wrong:
        return Judged(f"{wrong[0].location}: {wrong[0].message}")
    if named - known:
        invented = (f"{paper} part {part}" for paper, part in sorted(named - known))
        return Judged(f"it learns from report parts that do not exist: {listing(invented)}")
    noted = "".join(f"; {f.gate} {f.message}" for f in findings[:2])
    return Judged(seen=f"{count_of(len(answer.parts), 'part')}, {len(named)} of {len(known)} report parts used{noted}")


def judge_attempt(attempt: Attempt, *, again: bool) -> Judged:
    """Verified: the code ran, wrote what was declared, and its output followed the data."""
    if attempt.outcome is Outcome.VERIFIED:
        return Judged(seen=f"its code ran in the sandbox ({attempt.sandbox}): {attempt.outcome.value}", again=again)
    tried = "its code and its repair of it" if again else "its code"
    return Judged(f"{tried} got no further than {attempt.outcome.value!r}: {attempt.message}")


def judge_scores(protocol_text: str, answer: ProtocolScores) -> Judged:
    """All five metrics, each with at least one quote that stands in the protocol."""
    missing = [name for name in METRICS if name not in answer.metrics]
    if missing:
        return Judged(f"no score for {listing(missing)}")
    text = _words(protocol_text)
    quotes = {name: answer.metrics[name].evidence for name in METRICS}
    found = {name: [q for q in quotes[name] if _stands_in(text, q)] for name in METRICS}
    without = [name for name in METRICS if not found[name]]
    if without:
        example = next((q for name in without for q in quotes[name]), "")
        said = f", e.g. “{one_line(example, 60)}”" if example else ""
        return Judged(f"the evidence for {listing(without)} does not stand in the protocol{said}")
    scores = "/".join(f"{answer.metrics[name].score:g}" for name in METRICS)
    total = sum(map(len, quotes.values()))
    return Judged(seen=f"scores {scores}; {sum(map(len, found.values()))} of {count_of(total, 'quote')} found")


def _stands_in(text: str, quote: str) -> bool:
    words = _words(quote)
    return words.count(" ") > _FEWEST_WORDS and words in text


def _words(text: str) -> str:
    """The words and comparison signs of a text, each with a space on both sides; Markdown's marks are no words."""
    same = unicodedata.normalize("NFKC", text).casefold().replace("_", " ")
    return " " + "".join(f"{word} " for word in _WORD.findall(same))
