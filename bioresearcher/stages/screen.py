"""Screening: papers named by id, duplicates, retraction status, and the decision which papers are read.

Fixed rules come first, then a cheap ranking, then closed questions about the promising papers.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bioresearcher.errors import AnswerError, InputError, OutsideError
from bioresearcher.llm.ask import ModelClient, ask
from bioresearcher.papers.identifiers import Identifiers, paper_id
from bioresearcher.papers.injection import redacted_record
from bioresearcher.papers.notices import NOTICE_WORDS, another_article, bind_notices
from bioresearcher.retrieval.bm25 import terms
from bioresearcher.schemas.ask_literature import ScreenPaperInput
from bioresearcher.schemas.base import Objective, Origin
from bioresearcher.schemas.paper import DecidedBy, Failure, Paper, PaperAnswers, ScreenedPaper, SearchQuery, StatusCheck
from bioresearcher.sources.protocols import StatusSource
from bioresearcher.stages.prompts import SCREEN_PAPER
from bioresearcher.text.normalise import stands_in

_PMID = re.compile(r"(?:PMID[: ]?)?([1-9]\d{0,8})", re.IGNORECASE)
_PMCID = re.compile(r"(?:PMCID[: ]?)?PMC ?\d{1,9}(?:\.\d+)?", re.IGNORECASE)
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{1,119}")


@dataclass(frozen=True, slots=True)
class Named:
    """Known ids that names refer to, and names that refer to none."""

    ids: tuple[str, ...]
    unknown: tuple[str, ...]


def named_id(text: str, option: str = "--include") -> str:
    """Return the id that a person typed, in this program's form.

    Accepted are `PMID:123`, `PMC123`, `doi:10.…`, an accession, or an id as it is shown.

    Raises:
        InputError: It cannot be an id.
    """
    said = text.strip()
    if match := _PMID.fullmatch(said):
        return f"PMID{match[1]}"
    if _PMCID.fullmatch(said):
        return str(Identifiers.of(pmcid=said).pmcid)
    doi = Identifiers.of(doi=said)
    if doi.doi:
        return paper_id(doi, "")
    if not _PLAIN.fullmatch(said):
        raise InputError(
            f"{option} {text!r:.80}: this is no id.", hint="Use PMID:123, PMC123, doi:10.…, GSE123, or an id as shown."
        )
    return said


def find_named(names: Iterable[str], papers: Sequence[Paper], datasets: Collection[str] = ()) -> Named:
    """Find the papers and data sets that names refer to by any of their identifiers."""
    by_name = {alias.casefold(): paper.id for paper in reversed(papers) for alias in _aliases(paper)}
    by_name |= {d.casefold(): d for d in datasets}
    found: dict[str, None] = {}
    unknown: dict[str, None] = {}
    for name in names:
        known = by_name.get(named_id(name).casefold()) or by_name.get(name.strip().casefold())
        (found if known else unknown)[known or name] = None
    return Named(tuple(found), tuple(unknown))


def not_known(names: Iterable[str], option: str) -> list[Failure]:
    """Return a failure for each name that refers to nothing."""
    return [
        Failure(
            item=name,
            stage="approve_selection",
            message=f"{option} {name}: no paper and no data set of this run has this id.",
            hint="The ids stand in the selection table, in screening.json and in checks.json.",
        )
        for name in names
    ]


def queries_for(names: Iterable[str], why: str = "--include") -> list[SearchQuery]:
    """Make queries that ask literature services for papers by id; names that are no paper's id give none."""
    found = []
    for name in names:
        said = name.strip()
        pmid, doi = _PMID.fullmatch(said), Identifiers.of(doi=said).doi
        query = f"{pmid[1]}[PMID]" if pmid else f'"{doi}"[DOI]' if doi else ""
        if _PMCID.fullmatch(said):
            query = f"{Identifiers.of(pmcid=said).pmcid}[PMCID]"
        if query:
            found.append(SearchQuery(query=query, purpose=f"{why} {said}"))
    return found


def _aliases(paper: Paper) -> list[str]:
    known = Identifiers.of(pmid=paper.pmid, pmcid=paper.pmcid, doi=paper.doi)
    one_by_one = (Identifiers(pmid=known.pmid), Identifiers(pmcid=known.pmcid), Identifiers(doi=known.doi))
    return [paper.id, *(paper_id(i, "") for i in one_by_one if i.keys())]


LEAST_TITLE = 5
"""Fewest words of a title that identifies a paper (`Editorial` and `Reply to the authors` do not)."""

_PREPRINT_DOI = re.compile(
    r"10\.(?:1101|64898|21203/rs|20944/preprints|48550/arxiv|26434/chemrxiv|31219/osf|22541/au)\b"
)
_PREPRINT_PLACE = re.compile(r"\b(?:bioRxiv|medRxiv|arXiv|Research Square|Preprints|ChemRxiv|SSRN)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Unique:
    """Papers without duplicates.

    Attributes:
        papers: In the order in which they were first found.
        called: Other ids under which they were found, with the id they are kept under.
        preprints: Ids of preprints, with the id of what was published of them.
    """

    papers: tuple[Paper, ...]
    called: dict[str, str] = field(default_factory=dict)
    preprints: dict[str, str] = field(default_factory=dict)


def unique(papers: Iterable[Paper]) -> Unique:
    """Merge duplicates; values that one source lacks are taken from another.

    Two are the same when they share a PMID, PMCID or DOI, or when their titles are the same and no identifier differs.
    The first one found keeps its id. A preprint stays a paper of its own, because its text may differ.
    """
    kept: list[Paper] = []
    place: dict[str, int] = {}
    called: dict[str, str] = {}
    for paper in papers:
        at = next((place[k] for k in _keys(paper) if k in place), None)
        if at is None:
            title = _title_key(paper)
            at = next((place[k] for k in (title,) if k in place and _may_be_one(kept[place[k]], paper)), None)
        if at is None:
            at = len(kept)
            kept.append(paper)
        else:
            if not another_article(kept[at], paper):  # else an identifier is wrong, which `check_status` tells
                kept[at] = _joined(kept[at], paper)
            if paper.id != kept[at].id:
                called[paper.id] = kept[at].id
        for key in (*_keys(kept[at]), *_keys(paper), _title_key(paper)):
            if key:
                place.setdefault(key, at)
    return Unique(tuple(bind_notices(kept)), called, _preprints(kept))


def is_preprint(paper: Paper) -> bool:
    """Return True if DOI, journal or publication type show that it appeared without peer review."""
    types = {t.casefold() for t in paper.publication_types}
    by_doi = bool(paper.doi and _PREPRINT_DOI.match(paper.doi))
    return "preprint" in types or by_doi or bool(paper.journal and _PREPRINT_PLACE.search(paper.journal))


def _keys(paper: Paper) -> tuple[str, ...]:
    return (f"id:{paper.id}", *Identifiers(pmid=paper.pmid, pmcid=paper.pmcid, doi=paper.doi).keys())


def _title_key(paper: Paper) -> str:
    stems = terms(paper.title)
    return f"title:{' '.join(stems)}" if len(stems) >= LEAST_TITLE else ""


def _may_be_one(one: Paper, other: Paper) -> bool:
    """Check whether two papers may be merged on title alone: no identifier differs, nor years by more than one."""
    pairs = ((one.pmid, other.pmid), (one.pmcid, other.pmcid), (one.doi, other.doi))
    if any(a and b and a != b for a, b in pairs) or is_preprint(one) != is_preprint(other):
        return False
    return not (one.year and other.year and abs(one.year - other.year) > 1)


def _joined(first: Paper, other: Paper) -> Paper:
    """Complete the first paper by the other: identifiers, abstract, types and the worse known status."""
    given = {
        name: getattr(other, name)
        for name in Paper.model_fields
        if not getattr(first, name) and getattr(other, name) and name not in {"id", "source", "path", "sha256", "kind"}
    }
    if not given.get("abstract") and len(other.abstract) > 2 * len(first.abstract):
        given["abstract"] = other.abstract
    return worse(first, other).model_copy(update={k: v for k, v in given.items() if k not in {"status", "notices"}})


def _preprints(papers: Sequence[Paper]) -> dict[str, str]:
    published = {_title_key(p): p.id for p in reversed(papers) if _title_key(p) and not is_preprint(p)}
    return {p.id: published[_title_key(p)] for p in papers if is_preprint(p) and _title_key(p) in published}


ORDER = ("retracted", "concern", "corrected", "ok", "unknown")
"""Worst first: it counts when sources disagree, and `unknown` counts least."""


async def check_status(
    sources: Sequence[StatusSource], papers: Sequence[Paper], stage: str
) -> tuple[list[Paper], list[StatusCheck], list[Failure]]:
    """Ask sources for the papers' retraction status: (papers, a row for each, sources that could not be asked).

    A status never improves: a notice that a source does not know of stays. The status of another article that a source
    has under the paper's identifier is not taken; it is a failure that names both.

    Args:
        sources: All of them are asked of all papers, side by side.
        papers: Papers with or without identifiers; the status of one without any stays unknown.
        stage: Name of the step, for the failures.
    """
    answers = await asyncio.gather(*(_ask(s, papers, stage) for s in sources))
    failures = [a for a in answers if isinstance(a, Failure)]
    asked = [(s.name, a) for s, a in zip(sources, answers, strict=True) if not isinstance(a, Failure)]
    checked, rows = [], []
    for paper in papers:
        now, said = paper, []
        for name, found in asked:
            record = found.get(paper.id)
            if record is not None and another_article(paper, record):
                failures.append(_mistaken(paper, record, name, stage))
            elif record is not None:
                said.append(name)
                now = worse(now, record)
        checked.append(now)
        rows.append(StatusCheck(paper_id=paper.id, before=paper.status, now=now.status, sources=tuple(said)))
    return checked, rows, failures


def _mistaken(paper: Paper, record: Paper, name: str, stage: str) -> Failure:
    """Return a failure for a paper whose identifier stands for another article."""
    known = f"PMID {paper.pmid}" if paper.pmid else f"DOI {paper.doi}"
    message = (
        f"{paper.id}: {name} has another article under {known}: “{record.title[:120]}” by {record.authors[0][:60]}; "
        "its status was not taken over."
    )
    return Failure(item=paper.id, stage=stage, message=message, hint="Correct the identifier of the paper.")


def worse(paper: Paper, found: Paper) -> Paper:
    """Return the paper with the worse of two states, and the notices of both."""
    status = min(paper.status, found.status, key=ORDER.index)
    notices = tuple(dict.fromkeys((*paper.notices, *found.notices)))
    return paper.model_copy(update={"status": status, "notices": notices})


async def _ask(source: StatusSource, papers: Sequence[Paper], stage: str) -> dict[str, Paper] | Failure:
    try:
        return {p.id: p for p in await source.recheck(papers)}
    except OutsideError as error:
        message = f"retraction status could not be asked of {source.name}: {error.message}"
        return Failure(item=source.name, stage=stage, message=message, hint=error.hint)


LEAST_SCORE = 3
"""Yes answers, of five, from which a paper that was found is read."""

NOTES: Mapping[str, str] = {
    "retracted": "RETRACTED",
    "concern": "There is an expression of concern about it",
    "corrected": "It was corrected after publication",
}


@dataclass(frozen=True, slots=True)
class ScreeningRules:
    """Rules on papers that do not depend on their subject.

    Attributes:
        since: First year of publication; None is any. A paper without a year passes.
        until: Last year of publication.
        languages: Codes such as `eng`; empty is any. A paper without a language passes.
        left_out_types: Publication types that are not evidence, compared without case.
        judged: Largest number of papers found that are judged, the closest to the objective; own papers are extra.
        limit: Largest number of papers read.
        include: Ids of papers that are used in any case.
        exclude: Ids of papers that are not used.
        preprints: Ids of preprints, with the id of what was published of them.
        taken_in: Reason recorded for the included ones.
        read_all: True if given papers are read whatever screening says of them.
    """

    since: int | None = None
    until: int | None = None
    languages: tuple[str, ...] = ()
    left_out_types: tuple[str, ...] = ()
    judged: int = 60
    limit: int = 20
    include: Collection[str] = ()
    exclude: Collection[str] = ()
    preprints: Mapping[str, str] = field(default_factory=dict)
    taken_in: str = "Taken in with --include"
    read_all: bool = False


async def screen_papers(
    caller: ModelClient,
    objective: Objective,
    papers: Sequence[Paper],
    relevance: Sequence[float],
    rules: ScreeningRules,
) -> tuple[ScreenedPaper, ...]:
    """Decide on each paper and give the reason, best first.

    Papers that a rule leaves out are not judged. Of the others the closest to the objective are judged, and own and
    included papers always. Own papers are kept, unless a model answers all five questions with no; others need three
    yes answers, or those on condition and question. At most `limit` are kept, included ones first.
    """
    by_id = {p.id: p for p in papers}
    close = dict(zip((p.id for p in papers), relevance, strict=True))
    ruled = {p.id: ruled_out(p, rules) for p in papers if p.id not in rules.include}
    out = {paper_id: why for paper_id, why in ruled.items() if why is not None}
    ranked = sorted((p for p in papers if p.id not in out), key=lambda p: (-close[p.id], p.id))
    found = [p for p in ranked if p.source != "own" and p.id not in rules.include]
    far = {p.id: n for n, p in enumerate(found, 1) if n > rules.judged}
    judged = await asyncio.gather(*(_screen(caller, objective, p, close[p.id]) for p in ranked if p.id not in far))
    order = sorted(judged, key=lambda s: (s.paper_id not in rules.include, -_rank(s), -s.relevance, s.paper_id))
    decided: list[ScreenedPaper] = []
    for row in order:
        keep, decided_by, said = _decision(row, by_id[row.paper_id], rules)
        if keep and sum(d.kept for d in decided) >= rules.limit and row.paper_id not in rules.include:
            keep, decided_by, said = False, "limit", f"Only the best {rules.limit} papers are read"
        update = {"kept": keep, "decided_by": decided_by, "reason": f"{said}. {row.reason}".strip()}
        decided.append(row.model_copy(update=update))
    for paper in ranked:
        if paper.id in far:
            said = f"Not judged: number {far[paper.id]} by similarity, and the closest {rules.judged} are judged."
            decided.append(_row(paper.id, close[paper.id], said, "offline", decided_by="distance"))
    decided += [_row(i, close[i], said, "offline", decided_by=rule) for i, (rule, said) in out.items()]
    return tuple(decided)


def ruled_out(paper: Paper, rules: ScreeningRules) -> tuple[DecidedBy, str] | None:
    """Return the rule that leaves a paper out, and why; None if none does. Own papers fall by status or as notices."""
    if paper.id in rules.exclude:
        return "person", "Taken out with --exclude."
    if paper.status == "retracted":
        said = f"It is retracted{_notice(paper)}: not used. --include {paper.id} would use it all the same."
        return "retraction", said
    if paper.notice_of:
        return "type", f"It is {NOTICE_WORDS[paper.notice_of[0].what]}, not a paper: not read for methods."
    if paper.source == "own":
        return None
    if paper.id in rules.preprints:
        return "preprint", f"A preprint of {rules.preprints[paper.id]}, which was found, too."
    left_out = {t.casefold() for t in rules.left_out_types}
    types = [t for t in paper.publication_types if t.casefold() in left_out]
    if types:
        return "type", f"Its publication type is {types[0]}."
    if rules.languages and paper.languages and not {*paper.languages} & {*rules.languages}:
        return "language", f"Its language is {', '.join(paper.languages)}; asked for: {', '.join(rules.languages)}."
    if paper.year and ((rules.since and paper.year < rules.since) or (rules.until and paper.year > rules.until)):
        return "year", f"It is of {paper.year}; asked for: {rules.since or 'any year'} to {rules.until or 'now'}."
    return None


def _notice(paper: Paper) -> str:
    notice = next((n for n in paper.notices if n.what == "retraction"), None)
    named = notice and (f"PMID {notice.pmid}" if notice.pmid else notice.doi)
    return f" ({named})" if named else ""


def _decision(row: ScreenedPaper, paper: Paper, rules: ScreeningRules) -> tuple[bool, DecidedBy, str]:
    decided_by: DecidedBy = "score"
    if paper.id in rules.include:
        keep, decided_by, why = True, "person", rules.taken_in
    elif paper.source == "own" and _irrelevant(row) and not rules.read_all:
        said = f"None of five questions was answered yes; --include {paper.id} or --read-all reads it"
        keep, decided_by, why = False, "set aside", f"Given by the researcher, and set aside. {said}"
    elif paper.source == "own":
        keep, decided_by, why = True, "own", "Given by the researcher"
    else:
        keep, why = _worth_reading(row), f"Score {row.score} of 5"
    note = NOTES.get(paper.status)
    return keep, decided_by, f"{note}{_notice(paper)}. {why}" if note else why


def _rank(row: ScreenedPaper) -> int:
    """Return the first sort key of a paper, before its similarity: a model's score.

    The rules' scores only decide whether a paper is read: on real judgements they order papers worse than the
    similarity alone does (`benchmarks/README.md`).
    """
    return LEAST_SCORE - (not _worth_reading(row)) if row.origin == "offline" else row.score


def _irrelevant(row: ScreenedPaper) -> bool:
    """Check for five answers of no by a model: the rules see shared words only, which is no ground to set aside."""
    return row.origin != "offline" and row.answers is not None and row.score == 0


def _worth_reading(row: ScreenedPaper) -> bool:
    """Check for three yes answers, or both that count most: the same condition and the same question."""
    about = row.answers is not None and row.answers.same_condition and row.answers.same_question
    return row.score >= LEAST_SCORE or about


async def _screen(caller: ModelClient, objective: Objective, paper: Paper, relevance: float) -> ScreenedPaper:
    """Screen one paper; one that could not be judged gets no point and the reason."""
    values = ScreenPaperInput(objective=objective, paper=redacted_record(paper), relevance=round(relevance, 3))
    try:
        answer = await ask(caller, SCREEN_PAPER, values)
    except AnswerError as error:
        return _row(paper.id, relevance, f"Not judged: {error.message}", caller.backend.origin)
    answers, reason = answer.value, answer.value.reason
    if answer.origin != "offline" and not stands_in(answers.quote, f"{paper.title}\n{paper.abstract}"):
        answers = answers.model_copy(update={"quote": ""})
        reason = f"{reason} (The words it rests on do not stand in title or abstract.)".strip()
    return _row(paper.id, relevance, reason, answer.origin, answers)


def _row(
    paper_id: str,
    relevance: float,
    reason: str,
    origin: Origin,
    answers: PaperAnswers | None = None,
    decided_by: DecidedBy = "score",
) -> ScreenedPaper:
    """Make the row of a paper that is not kept so far."""
    a = answers
    yes = (a.same_condition, a.same_question, a.usable_method, a.fits_data, a.meets_requirement) if a else ()
    return ScreenedPaper(
        paper_id=paper_id,
        score=sum(yes),
        relevance=round(relevance, 3),
        answers=answers,
        kept=False,
        decided_by=decided_by,
        reason=reason,
        origin=origin,
    )
