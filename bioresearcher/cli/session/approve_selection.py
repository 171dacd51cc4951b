"""The approval of the selection as a dialogue: which papers are read and which data sets used, and why.

Papers and data sets are numbered candidates; the numbers stay the same while the selection changes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from rich.console import RenderableType
from rich.text import Text

from bioresearcher.analysis.sentences import questions_lines
from bioresearcher.cli.session.approval_dialogue import ApprovalDialogue, TypedCommand, Verb, verbs_of
from bioresearcher.cli.session.layout import Sheet
from bioresearcher.errors import InputError
from bioresearcher.graph.context import QUESTIONS
from bioresearcher.papers.injection import suspicion
from bioresearcher.papers.mining import normal_accession
from bioresearcher.report.markdown import search_queries
from bioresearcher.report.sections import section
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.dataset import Dataset, DatasetCheck
from bioresearcher.schemas.paper import Paper, PaperAnswers, ScreenedPaper, SearchRound
from bioresearcher.schemas.question import Questions
from bioresearcher.schemas.run import Decision
from bioresearcher.sources.datasets.describe import is_data_file
from bioresearcher.sources.literature.bibliography import is_bibliography
from bioresearcher.stages.screen import find_named, named_id, queries_for
from bioresearcher.text.format import STAMPS, count_of, md, md_table
from bioresearcher.text.visible import one_line, visible


@dataclass(frozen=True, slots=True)
class Candidate:
    """A paper or data set that was found.

    Attributes:
        used: True when it is part of the selection as it is now.
        where: Year, journal and source of a paper, year of a data set.
        stamp: Mark of a retraction, concern or correction, or of a data set that does not look relevant.
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
    """The papers, screening, data sets and checks of a run folder."""

    papers: Mapping[str, Paper]
    screened: Mapping[str, ScreenedPaper]
    datasets: Mapping[str, Dataset]
    checks: Mapping[str, DatasetCheck]

    @classmethod
    def load(cls, folder: RunFolder) -> Known:
        """Read them."""
        return cls(
            papers={p.id: p for p in folder.read_all(Paper, "papers")},
            screened={s.paper_id: s for s in folder.read_list(ScreenedPaper, "screening.json")},
            datasets={d.id: d for d in folder.read_all(Dataset, "datasets")},
            checks={c.dataset_id: c for c in folder.read_list(DatasetCheck, "checks.json")},
        )


def questions_of(folder: RunFolder) -> Questions:
    """Return the questions as they are bound now; none before they are."""
    return folder.read(Questions, QUESTIONS) if folder.has(QUESTIONS) else Questions()


def unreached_lines(question: Mapping[str, Any]) -> list[str]:
    """Return a line for each service that could not be asked."""
    return [f"! {one_line(str(said), 300)}" for said in question.get("unreached", ())]


def rows_of(question: Mapping[str, Any], known: Known) -> list[Candidate]:
    """Return a row for each screened paper and each checked data set; additions come last.

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
    return Candidate(
        number=number,
        id=item,
        kind="data set",
        title=one_line(dataset.title if dataset else "", 300),
        where=dataset.remote.published[:4] or "own" if dataset and dataset.remote else "own",
        used=item in used,
        stamp="" if check.relevant else "does not look relevant",
        grade=check.verdict + (f" · {dataset.n_samples} samples" if dataset and dataset.n_samples else ""),
        why=one_line("; ".join(check.reasons) or "nothing speaks against it", 160),
    )


def table(rows: Sequence[Candidate], heading: str) -> Sheet:
    """Return the rows under a heading, as a table or, in a narrow terminal, as a list."""
    stamps = [f"**{r.stamp}** " if r.stamp else "" for r in rows]
    names = [f"{r.number} {md(r.id)} {stamp}{md(r.title)}" for r, stamp in zip(rows, stamps, strict=True)]
    cells = [(name, md(r.where), md(r.grade), md(r.why)) for name, r in zip(names, rows, strict=True)]
    lines = md_table(("No. and id", "Where", "Fit", "Why"), cells) if rows else ()
    return Sheet("\n".join((f"# {heading}: {len(rows)}", "", *lines)))


def named(rows: Sequence[Candidate], items: Sequence[str]) -> tuple[list[Candidate], list[str]]:
    """Return the rows that numbers or ids name, and the words that name none."""
    by_name = {row.id.casefold(): row for row in rows} | {str(row.number): row for row in rows}
    found = {word: by_name.get(word.casefold().lstrip("#")) for word in items}
    meant = list(dict.fromkeys(row for row in found.values() if row is not None))
    return meant, [word for word, row in found.items() if row is None]


MOST_ABSTRACT = 3_000
MOST_QUERIES = 8


def details(row: Candidate, known: Known, folder: RunFolder) -> Iterator[RenderableType]:
    """Yield the paper or data set in full, as its source describes it."""
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
    """Yield why it is used or not: who decided, the closed answers, and the queries that found it."""
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
    rows = [row for _, row in search_queries(folder.read_list(SearchRound, "search.json")) if item in row.found]
    for row in rows[:MOST_QUERIES]:
        yield one_line(f"found by {row.source}: {row.query}", 300)
    if len(rows) > MOST_QUERIES:
        yield f"and by {len(rows) - MOST_QUERIES} more queries"


PROMPT: Final = "selection> "
MOST_UNUSED: Final = 5
"""Papers and data sets not used that are shown unless all are asked for."""
VERBS: Final = verbs_of(
    Verb("list", "rest", "what is selected, and the best of what is not; list all: everything", "list [all]"),
    Verb("show", "items", "a paper or data set in full", "show 3"),
    Verb("why", "items", "why it is read or not, and what found it", "why 3"),
    Verb("drop", "items", "take it out", "drop 3 5-7"),
    Verb("keep", "items", "take it in", "keep 3"),
    Verb("add", "rest", "add one that is not in the list", "add PMID:…|PMC…|doi:…|GSE…|FILE"),
    Verb("questions", "nothing", "what will be answered, and what was not understood", "questions"),
    Verb("clarify", "text", "say more precisely what is asked; the questions are bound anew", "clarify only stage III"),
    Verb("done", "nothing", "read these and go on (also yes)"),
    table="list",
    yes="done",
    y="done",
    ok="done",
    remove="drop",
    take="keep",
)


async def decide(dialogue: ApprovalDialogue) -> Decision | None:
    """Return the person's next answer: a change of the selection, or the approval's end."""
    known = Known.load(dialogue.context.folder)
    rows = rows_of(dialogue.question, known)
    if dialogue.begin():
        _say_selection(dialogue, rows, everything=False)
    for row in _doubted(dialogue, rows):
        if await _wants_retracted(dialogue, row):
            return dialogue.decision(f"keep {row.id}", add=(row.id,), confirmed=(row.id,))
    return await dialogue.decide(PROMPT, VERBS, lambda line, typed: _carry_out(dialogue, line, typed, rows, known))


def _say_selection(dialogue: ApprovalDialogue, rows: Sequence[Candidate], *, everything: bool) -> None:
    """Print the selection in tables, and how to change it."""
    dialogue.say(table([r for r in rows if r.used and r.kind == "paper"], "Papers to read"))
    dialogue.say(table([r for r in rows if r.used and r.kind == "data set"], "Data sets to use"))
    out = sorted((r for r in rows if not r.used), key=lambda r: not (r.stamp and r.kind == "paper"))
    if out:
        some = out if everything else out[:MOST_UNUSED]
        heading = "Not used" if len(some) == len(out) else f"Not used ({len(out)} in all: list all), the first"
        dialogue.say(table(some, heading))
    dialogue.say(*unreached_lines(dialogue.question))
    dialogue.say(*questions_lines(questions_of(dialogue.context.folder)))
    dialogue.say("show 3, why 3, drop 3, keep 3, add PMID:…, clarify …, drop A2, done, no; help says more.")


def _doubted(dialogue: ApprovalDialogue, rows: Sequence[Candidate]) -> list[Candidate]:
    """Return retracted papers that the last answer added: they are used only if the person confirms it."""
    last = dialogue.question.get("last", ())
    return [r for r in rows if r.id in last and not r.used and r.stamp == "RETRACTED"]


async def _wants_retracted(dialogue: ApprovalDialogue, row: Candidate) -> bool:
    dialogue.say(f"{row.id} is RETRACTED: {row.why}")
    if await dialogue.confirmed(f"Use {row.id} all the same? Type yes to use it: "):
        return True
    dialogue.say(f"{row.id} stays out.")
    return False


async def _carry_out(
    dialogue: ApprovalDialogue, line: str, typed: TypedCommand, rows: Sequence[Candidate], known: Known
) -> Decision | None:
    """Return the decision that a line means; None when it only shows something, or cannot be done."""
    if typed.verb == "done":
        return dialogue.decision(line, approved=True)
    if typed.verb == "list":
        _say_selection(dialogue, rows, everything=typed.text.casefold() == "all")
        return None
    if typed.verb == "questions":
        dialogue.say(*(questions_lines(questions_of(dialogue.context.folder)) or ["No question is bound yet."]))
        return None
    if typed.verb == "clarify":
        return dialogue.decision(line, comment=typed.text)
    asked = {q.id.casefold(): q.id for q in questions_of(dialogue.context.folder).questions}
    dropped = tuple(asked[i.casefold()] for i in typed.items if i.casefold() in asked)
    if typed.verb == "drop" and dropped and len(dropped) == len(typed.items):
        dialogue.say(f"{', '.join(dropped)}: not asked.")
        return dialogue.decision(line, drop=dropped)
    if typed.verb == "add":
        return await _added(dialogue, line, typed.text, rows, known)
    meant, strange = named(rows, typed.items)
    for word in strange:
        dialogue.say(f"There is no {one_line(word, 40)} in the list (1 to {len(rows)}).")
    if typed.verb in {"show", "why"}:
        shown = details if typed.verb == "show" else reasons
        dialogue.say(*(part for row in meant for part in shown(row, known, dialogue.context.folder)))
        return None
    if strange or not meant:
        return None
    return await _changed(dialogue, line, meant, into=typed.verb == "keep")


async def _changed(dialogue: ApprovalDialogue, line: str, meant: Sequence[Candidate], *, into: bool) -> Decision | None:
    """Take papers and data sets in or out; return None when nothing changes."""
    rows = [r for r in meant if r.used != into]
    for row in meant:
        if row.used == into:
            dialogue.say(f"{row.id} is {'already selected' if into else 'not selected anyway'}.")
    confirmed = []
    for row in [r for r in rows if into and r.stamp == "RETRACTED"]:
        if await _wants_retracted(dialogue, row):
            confirmed.append(row.id)
        else:
            rows.remove(row)
    if not rows:
        return None
    ids = tuple(r.id for r in rows)
    dialogue.say(f"{', '.join(ids)}: {'taken in' if into else 'taken out'}.")
    return dialogue.decision(line, **{"add" if into else "drop": ids}, confirmed=tuple(confirmed))


async def _added(
    dialogue: ApprovalDialogue, line: str, text: str, rows: Sequence[Candidate], known: Known
) -> Decision | None:
    """Take in papers and data sets that are not in the list: identifiers are looked up, files are read."""
    if not text:
        dialogue.say(
            "Say what: add PMID:…|PMC…|doi:…|GSE…|FILE (add data FILE or add paper FILE where both are possible)"
        )
        return None
    new: list[str] = []
    listed: list[str] = []
    for word in _pieces(text):
        try:
            name = addition(word)
            meant = () if ":/" in name else find_named([name], list(known.papers.values()), known.checks).ids
        except InputError as error:
            dialogue.say(str(error))
            return None
        listed += meant
        new += [] if meant else [name]
    if listed:
        if new:
            dialogue.say(f"Not yet in the list, please add in a line of their own: {one_line(', '.join(new), 200)}")
        return await _changed(dialogue, line, [r for r in rows if r.id in listed], into=True)
    dialogue.say(f"Looking for {count_of(len(new), 'addition')} …")
    return dialogue.decision(line, given=tuple(new))


def _pieces(text: str) -> list[str]:
    """Split a text into words; an existing path with blanks stays whole."""
    kind, _, rest = text.partition(" ")
    if _existing((rest if kind in {"data", "paper"} else text).strip("\"'")) is not None:
        return [text]
    if kind in {"data", "paper"} and rest:
        return [f"{kind} {word}" for word in rest.split()]
    return text.replace(",", " ").split()


def addition(word: str) -> str:
    """Return what a decision records for an addition: an identifier, `paper:<path>` or `data:<path>`.

    Raises:
        InputError: It is neither an identifier nor a file or folder.
    """
    kind, _, rest = word.partition(" ")
    text = (rest if kind in {"data", "paper"} and rest else word).strip().strip("\"'")
    path = _existing(text)
    if path is not None:
        kind = kind if kind in {"data", "paper"} and rest else _kind(path)
        return f"{kind}:{path}"
    if text.startswith(("/", "./", "../", "~")) or kind in {"data", "paper"}:
        raise InputError(f"{text} does not exist.", hint="Give a file or folder with papers or data.")
    accession = normal_accession(text)
    if accession:
        return accession
    if not queries_for([text]):
        name = named_id(text, "add")
        raise InputError(
            f"add {name}: this is neither a file nor an identifier.", hint="Use PMID:…, PMC…, doi:…, GSE…."
        )
    return text


def _existing(text: str) -> Path | None:
    """Return the file or folder of this name; None when there is none, or there can be none."""
    try:
        path = Path(text).expanduser()
        return path.resolve() if text and (path.is_file() or path.is_dir()) else None  # a device is neither
    except (OSError, ValueError, RuntimeError):  # too long, a null character, an unknown user's home
        return None


def _kind(path: Path) -> str:
    """Return `paper` or `data`: how a file or folder is read."""
    if path.is_file():
        return "data" if is_data_file(path) and not is_bibliography(path) else "paper"
    inside = [p for p in path.iterdir() if p.is_file() and not p.name.startswith(".")]
    tables = [p for p in inside if is_data_file(p)]
    described = any(path.glob("*/dataset.toml"))
    return "data" if (path / "dataset.toml").exists() or described or len(tables) * 2 > len(inside) else "paper"
