"""A collection of Zotero as a folder of papers: an RIS file with PDFs beside it, as Zotero's own export with files.

Such a folder is read like any other (`own_papers`). It is kept up to date: what did not change since the last time is
not asked for again, as far as the running Zotero has versions of its own; `.state.json` says what is there.
"""

from __future__ import annotations

import html
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from bioresearcher.runfolder import safe_name, write_text
from bioresearcher.sources.zotero import Collection, Zotero, ZoteroItem
from bioresearcher.text.visible import one_line, visible

RIS, STATE = "collection.ris", ".state.json"
MOST_BYTES: Final = 200_000_000
"""Bytes of a PDF that is copied."""
_FORMAT: Final = 1
_RETRACTED: Final = re.compile(r"\bretract(?:ed|ion)\b", re.IGNORECASE)
_TYPES: Final = {"journalArticle": "JOUR", "preprint": "UNPB", "book": "BOOK", "bookSection": "CHAP", "thesis": "THES"}
_TAG: Final = re.compile(r"<(?:br|/p|/div|/li|/h[1-6])\b[^>]*>", re.IGNORECASE)
_ANY_TAG: Final = re.compile(r"<[^>]*>")


@dataclass
class Brought:
    """Outcome of bringing a collection: counts, the folder, and what was left out with the reason."""

    folder: Path
    items: int = 0
    new: int = 0
    changed: int = 0
    gone: int = 0
    pdfs: int = 0
    notes: int = 0
    notes_folder: Path | None = None
    retracted: int = 0
    left_out: list[str] = field(default_factory=list)


async def bring(zotero: Zotero, collection: Collection, base: Path) -> Brought:
    """Bring a collection into its folder below `base`, or bring that folder up to date.

    Raises:
        InputError: The collection is too large.
        OutsideError: Zotero ended or answers nonsense.
        WorkspaceError: The folder cannot be written.
    """
    folder = base / f"{safe_name(collection.name)}-{safe_name(collection.key)}"
    before = _state(folder, zotero.server)
    items, version = await zotero.references(collection.key)
    known: Mapping[str, Any] = before.get("items", {})
    touched = await zotero.changed_parents(before["version"]) if known else set()
    done = Brought(folder, items=len(items))
    kept: dict[str, Any] = {}
    for item in items:
        old = known.get(item.key)
        if old is not None and item.key not in touched and _is_same(folder, item, old):
            kept[item.key] = old
        else:
            children = await zotero.children(item.key) if item.data["numChildren"] else ()
            kept[item.key] = _write(folder, item, children, done)
            done.new += old is None
            done.changed += old is not None
    gone = [key for key in known if key not in kept]
    done.gone = len(gone)
    for key in gone:
        shutil.rmtree(folder / "files" / safe_name(key), ignore_errors=True)
        (_notes_of(folder) / f"{safe_name(key)}.md").unlink(missing_ok=True)
    done.pdfs = sum(len(row["files"]) for row in kept.values())
    done.notes = sum(row["notes"] for row in kept.values())
    done.notes_folder = _notes_of(folder) if done.notes else None
    done.retracted = sum(row["retracted"] for row in kept.values())
    write_text(folder / RIS, "".join(row["entry"] for row in kept.values()))
    state = {"format": _FORMAT, "server": zotero.server, "version": version, "items": kept}
    write_text(folder / STATE, json.dumps(state, ensure_ascii=False, indent=1) + "\n")
    return done


def _is_same(folder: Path, item: ZoteroItem, old: Mapping[str, Any]) -> bool:
    """Return True if an item is as it was the last time, and its files are there."""
    stamp = (old["version"], old["children"]) == (item.version, item.data["numChildren"])
    return stamp and all((folder / name).is_file() for name in old["files"])


def _notes_of(folder: Path) -> Path:
    """Return the folder of a collection's notes: beside that of its papers, as a note is no paper."""
    return folder.with_name(f"{folder.name}-notes")


def _state(folder: Path, server: str) -> dict[str, Any]:
    """Return what is there of the same running Zotero; empty when it cannot be used."""
    try:
        state = json.loads((folder / STATE).read_bytes())
        usable = state["format"] == _FORMAT and server and state["server"] == server and int(state["version"]) > 0
        return dict(state) if usable else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _write(folder: Path, item: ZoteroItem, children: Sequence[Mapping[str, Any]], done: Brought) -> dict[str, Any]:
    """Copy an item's PDFs, write its notes, and return its row of the state."""
    place = folder / "files" / safe_name(item.key)
    shutil.rmtree(place, ignore_errors=True)
    files: list[str] = []
    for child in children:
        if child.get("itemType") != "attachment" or child.get("contentType") != "application/pdf":
            continue
        reason = _copy(str(child.get("file", "")), place / _pdf_name(child, len(files)))
        if reason:
            done.left_out.append(f"{one_line(str(item.data.get('title', item.key)), 80)}: its PDF {reason}")
        else:
            files.append((place / _pdf_name(child, len(files))).relative_to(folder).as_posix())
    notes = [text for c in children if c.get("itemType") == "note" and (text := _plain(str(c.get("note", ""))))]
    note_file = _notes_of(folder) / f"{safe_name(item.key)}.md"
    note_file.unlink(missing_ok=True)
    if notes:
        title = one_line(str(item.data.get("title", "")), 300)
        write_text(note_file, f"# Notes on: {title}\n\n" + "\n\n".join(notes) + "\n")
    return {
        "version": item.version,
        "children": item.data["numChildren"],
        "files": files,
        "notes": len(notes),
        "retracted": _is_retracted(item),
        "entry": _entry(item, files),
    }


def _pdf_name(child: Mapping[str, Any], number: int) -> str:
    stem = safe_name(str(child.get("filename", "")).removesuffix(".pdf"))
    return f"{number + 1}-{stem}.pdf" if number else f"{stem}.pdf"


def _copy(source: str, target: Path) -> str:
    """Copy a PDF; return the reason why it was not, else an empty text."""
    if not source:
        return "is not on this disk"
    path = Path(source)
    try:
        with path.open("rb") as file:
            if not path.is_file() or b"%PDF" not in file.read(1_024):
                return "is no PDF"
        if path.stat().st_size > MOST_BYTES:
            return f"has more than {MOST_BYTES / 1e6:.0f} MB"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return ""


def _is_retracted(item: ZoteroItem) -> bool:
    """True when a tag or a line of `Extra` says so; titles are judged where papers are read."""
    tags = [str(tag.get("tag", "")) for tag in _list(item.data.get("tags")) if isinstance(tag, dict)]
    extra = [line for line in str(item.data.get("extra", "")).splitlines() if line.lower().startswith("retract")]
    return any(_RETRACTED.search(text) for text in (*tags, *extra))


def _entry(item: ZoteroItem, files: Sequence[str]) -> str:
    """Return the item as an RIS entry."""
    return "".join(f"{tag}  - {value}\r\n" for tag, value in _fields(item, files) if value or tag == "ER") + "\r\n"


def _fields(item: ZoteroItem, files: Sequence[str]) -> Iterator[tuple[str, str]]:
    data = item.data

    def text(name: str, most: int = 2_000) -> str:
        return one_line(str(data.get(name) or ""), most)

    yield "TY", _TYPES.get(str(data.get("itemType")), "GEN")
    yield "ID", item.key  # left out where there is none yet
    yield "TI", text("title")
    for creator in _list(data.get("creators")):
        if isinstance(creator, dict) and creator.get("creatorType", "author") == "author":
            names = [str(creator.get(n) or "") for n in ("lastName", "firstName")]
            yield "AU", one_line(str(creator.get("name") or ", ".join(filter(None, names))), 300)
    yield "PY", text("date", 60)
    yield "JO", text("publicationTitle") or text("repository")
    yield "DO", text("DOI", 300)
    yield "AB", text("abstractNote", 20_000)
    yield from (("N1", one_line(line, 500)) for line in str(data.get("extra") or "").splitlines())
    if _is_retracted(item):
        yield "M3", "Retracted Publication"
    yield from (("L1", name) for name in files)
    yield "ER", ""


def import_text(items: Iterable[tuple[Mapping[str, Any], str]]) -> str:
    """Return items of papers, each with a note, as an RIS file that Zotero's own import takes."""
    entries = []
    for data, note in items:
        entry = _entry(ZoteroItem("", 0, data), ())
        noted = one_line(_plain(note).replace("\n", " / "), 20_000)
        end = entry.rindex("ER  -")
        entries.append(f"{entry[:end]}{f'N1  - {noted}' + chr(13) + chr(10) if noted else ''}{entry[end:]}")
    return "".join(entries)


def _list(value: object) -> Iterable[object]:
    return value if isinstance(value, list) else ()


def _plain(note: str) -> str:
    """Return a note, which Zotero keeps as HTML, as plain text."""
    text = html.unescape(_ANY_TAG.sub("", _TAG.sub("\n", note[:500_000])))
    lines = (" ".join(line.split()) for line in visible(text).splitlines())
    return "\n".join(line for line in lines if line)
