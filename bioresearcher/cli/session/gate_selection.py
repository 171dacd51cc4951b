"""The gate of the selection as a conversation: what is read and used, what else should be, and why."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bioresearcher.cli.session.gate_about import about, reasons
from bioresearcher.cli.session.gate_lines import Typed, Verb, verbs_of
from bioresearcher.cli.session.gate_table import Known, Row, named, rows_of, table
from bioresearcher.cli.session.gate_talk import Talk
from bioresearcher.errors import InputError
from bioresearcher.schemas.run import Decision
from bioresearcher.sources.accessions import normalise
from bioresearcher.sources.bibliography import is_bibliography
from bioresearcher.sources.dataset_infer import is_data_file
from bioresearcher.stages.selection import matching, named_id, queries_for
from bioresearcher.text.format import count_of
from bioresearcher.text.visible import one_line

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


async def converse(talk: Talk) -> Decision | None:
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


def show_selection(talk: Talk, rows: Sequence[Row], *, everything: bool) -> None:
    """The selection in tables, and how to change it."""
    talk.say(table([r for r in rows if r.used and r.kind == "paper"], "Papers to read"))
    talk.say(table([r for r in rows if r.used and r.kind == "data set"], "Data sets to use"))
    out = sorted((r for r in rows if not r.used), key=lambda r: not (r.stamp and r.kind == "paper"))
    if out:
        some = out if everything else out[:MOST_LEFT_OUT]
        heading = "Not used" if len(some) == len(out) else f"Not used ({len(out)} in all: list all), the first"
        talk.say(table(some, heading))
    talk.say("show 3, why 3, drop 3, keep 3, add PMID:…, done, no; help says more.")


def _doubted(talk: Talk, rows: Sequence[Row]) -> list[Row]:
    """Retracted papers that the last answer added: they are used only if the person says so once more."""
    last = talk.question.get("last", ())
    return [r for r in rows if r.id in last and not r.used and r.stamp == "RETRACTED"]


async def _wants_retracted(talk: Talk, row: Row) -> bool:
    talk.say(f"{row.id} is RETRACTED: {row.why}")
    if await talk.confirmed(f"Use {row.id} all the same? Type yes to use it: "):
        return True
    talk.say(f"{row.id} stays out.")
    return False


async def _answered(talk: Talk, line: str, typed: Typed, rows: Sequence[Row], known: Known) -> Decision | None:
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


async def _changed(talk: Talk, line: str, meant: Sequence[Row], *, into: bool) -> Decision | None:
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


async def _added(talk: Talk, line: str, text: str, rows: Sequence[Row], known: Known) -> Decision | None:
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
