"""The gate of the selection as a conversation: what is read and used, what else should be, and why.

The papers and data sets of a run as numbered rows: the numbers stay the same while the selection changes.

One paper or data set in words: all that is known of it, or why it is used or not.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from rich.console import RenderableType
from rich.text import Text

from bioresearcher.cli.session.approval_dialogue import ApprovalDialogue, Typed, Verb, verbs_of
from bioresearcher.cli.session.layout import Sheet
from bioresearcher.errors import InputError
from bioresearcher.papers.injection import suspicion
from bioresearcher.papers.mining import normalise
from bioresearcher.report.markdown import queries
from bioresearcher.report.sections import section
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.paper import Paper, PaperAnswers, ScreenedPaper, SearchRound
from bioresearcher.schemas.run import Decision
from bioresearcher.sources.datasets.describe import is_data_file
from bioresearcher.sources.literature.bibliography import is_bibliography
from bioresearcher.stages.screen import matching, named_id, queries_for
from bioresearcher.text.format import STAMPS, count_of, md, md_table
from bioresearcher.text.visible import one_line, visible


@dataclass(frozen=True, slots=True)
class Candidate:
    """A paper or data set that was found.

    Attributes:
        used: Whether it is part of the selection as it is now.
        where: Year, journal and source of a paper, year of a data set.
        stamp: What was published against it; empty for nothing.
        grade: Score and similarity of a paper, verdict and samples of a data set.
    """

    number: int
    id: str
    kind: Literal["paper", "data set"]
    title: str
    where: str
    used: bool
    stamp: str
    grade: str
    why: str


@dataclass(frozen=True)
class Known:
    """What the run folder holds about the selection."""

    papers: Mapping[str, Paper]
    screened: Mapping[str, ScreenedPaper]
    datasets: Mapping[str, Dataset]
    checks: Mapping[str, DatasetCheck]

    @classmethod
    def load(cls, folder: RunFolder) -> Known:
        """Read it."""
        return cls(
            papers={p.id: p for p in folder.read_all(Paper, "papers")},
            screened={s.paper_id: s for s in folder.read_list(ScreenedPaper, "screening.json")},
            datasets={d.id: d for d in folder.read_all(Dataset, "datasets")},
            checks={c.dataset_id: c for c in folder.read_list(DatasetCheck, "checks.json")},
        )


def rows_of(question: Mapping[str, Any], known: Known) -> list[Candidate]:
    """A row for each paper that was screened and each data set that was looked at; what was added comes last.

    Their order, and with it their numbers, does not depend on what is used.
    """
    used = {*question["papers"], *question["datasets"]}
    added = dict.fromkeys(question.get("added", ()))
    first = [i for i in (*known.screened, *known.checks) if i not in added]
    ids = [i for i in (*first, *added) if i in known.papers or i in known.checks]
    return [_row(number, i, known, used) for number, i in enumerate(ids, 1)]


def _row(number: int, item: str, known: Known, used: Collection[str]) -> Candidate:
    paper = known.papers.get(item)
    if paper is not None:
        screened = known.screened.get(item)
        return Candidate(
            number=number,
            id=item,
            kind="paper",
            title=one_line(paper.title, 300),
            where=", ".join(filter(None, (str(paper.year or "n.d."), paper.journal, f"from {paper.source}"))),
            used=item in used,
            stamp=STAMPS.get(paper.status, ""),
            grade=f"{screened.score}/5 · {screened.relevance:.2f}" if screened else "",
            why=one_line(screened.reason, 160) if screened else "",
        )
    check, dataset = known.checks[item], known.datasets.get(item)
    said = "; ".join(check.reasons) or "nothing speaks against it"
    return Candidate(
        number=number,
        id=item,
        kind="data set",
        title=one_line(dataset.title if dataset else "", 300),
        where=_published(dataset),
        used=item in used,
        stamp="" if check.relevant else "does not look relevant",
        grade=check.verdict + (f" · {dataset.n_samples} samples" if dataset and dataset.n_samples else ""),
        why=one_line(said, 160),
    )


def _published(dataset: Dataset | None) -> str:
    return dataset.remote.published[:4] if dataset and dataset.remote and dataset.remote.published else "own"


def table(rows: Sequence[Candidate], heading: str) -> Sheet:
    """The rows under a heading, as a table or, in a narrow terminal, as a list."""
    stamps = [f"**{r.stamp}** " if r.stamp else "" for r in rows]
    names = [f"{r.number} {md(r.id)} {stamp}{md(r.title)}" for r, stamp in zip(rows, stamps, strict=True)]
    cells = [(name, md(r.where), md(r.grade), md(r.why)) for name, r in zip(names, rows, strict=True)]
    lines = md_table(("No. and id", "Where", "Fit", "Why"), cells) if rows else ()
    return Sheet("\n".join((f"# {heading}: {len(rows)}", "", *lines)))


def named(rows: Sequence[Candidate], items: Sequence[str]) -> tuple[list[Candidate], list[str]]:
    """The rows that are meant by numbers or ids, and the words that mean none."""
    by_name = {row.id.casefold(): row for row in rows} | {str(row.number): row for row in rows}
    found = {word: by_name.get(word.casefold().lstrip("#")) for word in items}
    meant = list(dict.fromkeys(row for row in found.values() if row is not None))
    return meant, [word for word, row in found.items() if row is None]


MOST_ABSTRACT = 3_000
MOST_QUERIES = 8


def about(row: Candidate, known: Known, folder: RunFolder) -> Iterator[RenderableType]:
    """The paper or data set in full, as its source describes it."""
    paper, dataset = known.papers.get(row.id), known.datasets.get(row.id)
    if paper is not None:
        yield Sheet(section(folder, "papers", row.id))
        yield from _source(paper)
    elif dataset is not None:
        yield Sheet(section(folder, "datasets", row.id))
        yield from _at_source(dataset)
    yield f"{row.number} {row.id} is {'used' if row.used else 'not used'}: {row.why}"


def _source(paper: Paper) -> Iterator[str]:
    if paper.publication_types:
        yield one_line(", ".join(paper.publication_types[:5]), 400)
    if paper.path:
        yield f"file: {visible(paper.path)}"
    reason = suspicion(f"{paper.title}\n{paper.abstract}")
    if reason:
        yield f"its title or abstract {reason}: such sentences are withheld from readers"
    yield visible(paper.abstract[:MOST_ABSTRACT]) or "It has no abstract."


def _at_source(dataset: Dataset) -> Iterator[str]:
    if dataset.remote is not None:
        yield one_line(f"{dataset.remote.published} {dataset.remote.summary}", 1_200)
        yield from (one_line(f"groups: {g}", 300) for g in dataset.remote.groups)
        if dataset.remote.files and not dataset.files:
            yield f"{count_of(len(dataset.remote.files), 'file')} at the source, fetched when it is used"


def reasons(row: Candidate, known: Known, folder: RunFolder) -> Iterator[RenderableType]:
    """Why it is used or not: who decided, the closed answers, and what found it."""
    yield Text(f"{row.number} {row.id}: {'used' if row.used else 'not used'}", style="bold")
    screened, check = known.screened.get(row.id), known.checks.get(row.id)
    if screened is not None:
        yield one_line(f"{screened.reason} (decided by: {screened.decided_by}; judged: {screened.origin})", 600)
        if screened.answers is not None:
            yield from _answers(screened.answers)
        yield f"score {screened.score} of 5, similarity to the objective {screened.relevance:.2f}"
        yield from _found_by(row.id, folder)
    if check is not None:
        yield one_line(f"{check.verdict}, {'relevant' if check.relevant else 'does not look relevant'}", 200)
        yield from (one_line(f"- {reason}", 400) for reason in check.reasons)
        dataset = known.datasets.get(row.id)
        if dataset is not None and dataset.remote is not None:
            yield from (one_line(f"found by: {said}", 300) for said in dataset.remote.found_by)


def _answers(answers: PaperAnswers) -> Iterator[str]:
    asked = {
        "about the same condition": answers.same_condition,
        "pursues the same question": answers.same_question,
        "has a method that can be reused": answers.usable_method,
        "uses the kind of data at hand": answers.fits_data,
        "helps to meet a requirement": answers.meets_requirement,
    }
    yield "; ".join(f"{what}: {'yes' if yes else 'no'}" for what, yes in asked.items())
    if answers.quote:
        yield f"“{one_line(answers.quote, 300)}”"


def _found_by(item: str, folder: RunFolder) -> Iterator[str]:
    rows = [row for _, row in queries(folder.read_list(SearchRound, "search.json")) if item in row.found]
    for row in rows[:MOST_QUERIES]:
        yield one_line(f"found by {row.source}: {row.query}", 300)
    if len(rows) > MOST_QUERIES:
        yield f"and by {len(rows) - MOST_QUERIES} more queries"


PROMPT: Final = "selection> "
MOST_LEFT_OUT: Final = 5
"""Papers and data sets left out that are shown unless all are asked for."""
VERBS: Final = verbs_of(
    Verb("list", "rest", "what is selected, and the best of what is not; list all: everything", "list [all]"),
    Verb("show", "items", "a paper or data set in full", "show 3"),
    Verb("why", "items", "why it is read or not, and what found it", "why 3"),
    Verb("drop", "items", "take it out", "drop 3 5-7"),
    Verb("keep", "items", "take it in", "keep 3"),
    Verb("add", "rest", "add one that is not in the list", "add PMID:…|PMC…|doi:…|GSE…|FILE"),
    Verb("done", "nothing", "read these and go on (also yes)"),
    Verb("no", "rest", "decline: the run ends here", "no [why]"),
    Verb("help", "nothing", "this list"),
    table="list",
    yes="done",
    y="done",
    ok="done",
    n="no",
    remove="drop",
    take="keep",
)


async def converse(talk: ApprovalDialogue) -> Decision | None:
    """The person's next answer: a change of the selection, or the word that closes the gate."""
    known = Known.load(talk.context.folder)
    rows = rows_of(talk.question, known)
    if talk.begin():
        show_selection(talk, rows, everything=False)
    doubted = _doubted(talk, rows)
    for row in doubted:
        if await _wants_retracted(talk, row):
            return talk.decision(f"keep {row.id}", add=(row.id,), confirmed=(row.id,))
    while True:
        answer = await talk.ask(PROMPT, VERBS)
        if answer is None:
            return None
        decision = await _answered(talk, *answer, rows, known)
        if decision is not None:
            return decision


def show_selection(talk: ApprovalDialogue, rows: Sequence[Candidate], *, everything: bool) -> None:
    """The selection in tables, and how to change it."""
    talk.say(table([r for r in rows if r.used and r.kind == "paper"], "Papers to read"))
    talk.say(table([r for r in rows if r.used and r.kind == "data set"], "Data sets to use"))
    out = sorted((r for r in rows if not r.used), key=lambda r: not (r.stamp and r.kind == "paper"))
    if out:
        some = out if everything else out[:MOST_LEFT_OUT]
        heading = "Not used" if len(some) == len(out) else f"Not used ({len(out)} in all: list all), the first"
        talk.say(table(some, heading))
    talk.say("show 3, why 3, drop 3, keep 3, add PMID:…, done, no; help says more.")


def _doubted(talk: ApprovalDialogue, rows: Sequence[Candidate]) -> list[Candidate]:
    """Retracted papers that the last answer added: they are used only if the person says so once more."""
    last = talk.question.get("last", ())
    return [r for r in rows if r.id in last and not r.used and r.stamp == "RETRACTED"]


async def _wants_retracted(talk: ApprovalDialogue, row: Candidate) -> bool:
    talk.say(f"{row.id} is RETRACTED: {row.why}")
    if await talk.confirmed(f"Use {row.id} all the same? Type yes to use it: "):
        return True
    talk.say(f"{row.id} stays out.")
    return False


async def _answered(
    talk: ApprovalDialogue, line: str, typed: Typed, rows: Sequence[Candidate], known: Known
) -> Decision | None:
    """The decision that a line means; None when it only asks to be shown something, or cannot be done."""
    if typed.verb == "done":
        return talk.decision(line, approved=True)
    if typed.verb == "no":
        return talk.decision(line, approved=False, comment=typed.text[:500])
    if typed.verb == "list":
        show_selection(talk, rows, everything=typed.text.casefold() == "all")
        return None
    if typed.verb == "add":
        return await _added(talk, line, typed.text, rows, known)
    meant, strange = named(rows, typed.items)
    for word in strange:
        talk.say(f"There is no {one_line(word, 40)} in the list (1 to {len(rows)}).")
    if typed.verb in {"show", "why"}:
        tell = about if typed.verb == "show" else reasons
        talk.say(*(part for row in meant for part in tell(row, known, talk.context.folder)))
        return None
    if strange or not meant:
        return None
    return await _changed(talk, line, meant, into=typed.verb == "keep")


async def _changed(talk: ApprovalDialogue, line: str, meant: Sequence[Candidate], *, into: bool) -> Decision | None:
    """Take papers and data sets in or out; None when nothing changes."""
    rows = [r for r in meant if r.used != into]
    for row in meant:
        if row.used == into:
            talk.say(f"{row.id} is {'already selected' if into else 'not selected anyway'}.")
    confirmed = []
    for row in [r for r in rows if into and r.stamp == "RETRACTED"]:
        if await _wants_retracted(talk, row):
            confirmed.append(row.id)
        else:
            rows.remove(row)
    if not rows:
        return None
    ids = tuple(r.id for r in rows)
    talk.say(f"{', '.join(ids)}: {'taken in' if into else 'taken out'}.")
    return talk.decision(line, **{"add" if into else "drop": ids}, confirmed=tuple(confirmed))


async def _added(
    talk: ApprovalDialogue, line: str, text: str, rows: Sequence[Candidate], known: Known
) -> Decision | None:
    """Take in what is not in the list: identifiers are looked up, files are read."""
    if not text:
        talk.say("Say what: add PMID:…|PMC…|doi:…|GSE…|FILE (add data FILE or add paper FILE where both are possible)")
        return None
    given: list[str] = []
    there: list[str] = []
    for word in _pieces(text):
        try:
            name = given_as(word)
            meant = () if ":/" in name else matching([name], list(known.papers.values()), known.checks).ids
        except InputError as error:
            talk.say(str(error))
            return None
        there += meant
        given += [] if meant else [name]
    if there:
        found = [r for r in rows if r.id in there]
        if given:
            talk.say(f"Not yet in the list, please add in a line of their own: {one_line(', '.join(given), 200)}")
        return await _changed(talk, line, found, into=True)
    talk.say(f"Looking for {count_of(len(given), 'addition')} …")
    return talk.decision(line, given=tuple(given))


def _pieces(text: str) -> list[str]:
    """A path with blanks as it is, when it exists; else words."""
    kind, _, rest = text.partition(" ")
    if _there((rest if kind in {"data", "paper"} else text).strip("\"'")) is not None:
        return [text]
    if kind in {"data", "paper"} and rest:
        return [f"{kind} {word}" for word in rest.split()]
    return text.replace(",", " ").split()


def given_as(word: str) -> str:
    """What a decision records for something that is to be added: an identifier, `paper:<path>` or `data:<path>`.

    Raises:
        InputError: It is neither an identifier nor a file or folder.
    """
    kind, _, rest = word.partition(" ")
    text = (rest if kind in {"data", "paper"} and rest else word).strip().strip("\"'")
    path = _there(text)
    if path is not None:
        kind = kind if kind in {"data", "paper"} and rest else _kind(path)
        return f"{kind}:{path}"
    if text.startswith(("/", "./", "../", "~")) or kind in {"data", "paper"}:
        raise InputError(f"{text} does not exist.", hint="Give a file or folder with papers or data.")
    accession = normalise(text)
    if accession:
        return accession
    if not queries_for([text]):
        name = named_id(text, "add")
        raise InputError(
            f"add {name}: this is neither a file nor an identifier.", hint="Use PMID:…, PMC…, doi:…, GSE…."
        )
    return text


def _there(text: str) -> Path | None:
    """The file or folder of this name; None when there is none, or there can be none."""
    try:
        path = Path(text).expanduser()
        return path.resolve() if text and path.exists() else None
    except (OSError, ValueError, RuntimeError):  # too long, a null character, an unknown user's home
        return None


def _kind(path: Path) -> str:
    """Whether a file or folder is read as papers or as data."""
    if path.is_file():
        return "data" if is_data_file(path) and not is_bibliography(path) else "paper"
    inside = [p for p in path.iterdir() if p.is_file() and not p.name.startswith(".")]
    tables = [p for p in inside if is_data_file(p)]
    described = any(path.glob("*/dataset.toml"))
    return "data" if (path / "dataset.toml").exists() or described or len(tables) * 2 > len(inside) else "paper"
