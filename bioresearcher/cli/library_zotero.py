"""`bioresearcher library zotero`: collections of a running Zotero into the library, and a run's papers out to it."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bioresearcher.cli.options import find_run
from bioresearcher.cli.output import print_json
from bioresearcher.errors import InputError, OutsideError
from bioresearcher.report.zotero_items import PaperItem, paper_items
from bioresearcher.runfolder import RunFolder, safe_name, write_text
from bioresearcher.sources.http import Http
from bioresearcher.sources.literature.zotero_folder import Brought, bring, import_text
from bioresearcher.sources.zotero import Collection, Zotero
from bioresearcher.text.format import count_of

if TYPE_CHECKING:
    from bioresearcher.schemas.library import LibraryChange
    from bioresearcher.settings import Settings

T = TypeVar("T")
Add = Callable[["Settings", list[str]], tuple["LibraryChange", bool]]
_GIVEN = "given.json"
"""File of the workspace with what was given to Zotero: run -> running Zotero, collection, paper -> its item."""


def run_zotero(args: argparse.Namespace, settings: Settings, add: Add) -> int:
    """Carry out the command; return the exit code.

    Raises:
        InputError: There is no such collection or run.
        OutsideError: Zotero does not run, is closed to other programs, or refuses.
    """
    base = settings.workspace / "zotero"
    if args.from_run:
        folder = RunFolder(find_run(args.from_run))
        given = asyncio.run(_within(settings, lambda zotero: _give(zotero, folder, args.collection, base / _GIVEN)))
        _print_given(given, as_json=args.json)
        return 0
    if not args.collection:
        _print_collections(asyncio.run(_within(settings, lambda zotero: zotero.collections())), as_json=args.json)
        return 0
    brought = asyncio.run(_within(settings, lambda zotero: _bring(zotero, args.collection, base)))
    change, outside = add(settings, [str(brought.folder)]) if brought.items else (None, False)
    _print_brought(brought, change, as_json=args.json)
    return 4 if outside else 0


async def _within(settings: Settings, act: Callable[[Zotero], Coroutine[Any, Any, T]]) -> T:
    http = Http(timeout_s=30)
    zotero = Zotero(http, settings.services.zotero.rstrip("/"))
    try:
        await zotero.open()
        return await act(zotero)
    finally:
        await http.close()


async def _bring(zotero: Zotero, name: str, base: Path) -> Brought:
    return await bring(zotero, await zotero.collection(name), base)


def _print_collections(found: list[Collection], *, as_json: bool) -> None:
    if as_json:
        print_json([vars(c) for c in found])
        return
    for c in found:
        print(f"{c.key}  {c.items:5}  {c.path[:120]}")
    print(f"{count_of(len(found), 'collection')}; `bioresearcher library zotero NAME` brings one")


def _print_brought(done: Brought, change: LibraryChange | None, *, as_json: bool) -> None:
    if as_json:
        values = {**vars(done), "folder": str(done.folder), "notes_folder": str(done.notes_folder or "")}
        print_json({**values, "library": change.model_dump(mode="json") if change else None})
        return
    print(
        f"{count_of(done.items, 'reference')}: {done.new} new, {done.changed} changed, {done.gone} gone; "
        f"{count_of(done.pdfs, 'PDF')}, {count_of(done.notes, 'note')}, {done.retracted} flagged as retracted"
    )
    for said in done.left_out:
        print(f"bioresearcher: {said}", file=sys.stderr)
    for failure in change.failures if change else ():
        print(f"bioresearcher: not in the library: {failure.message} {failure.hint}".strip(), file=sys.stderr)
    if change:
        print(f"library: {len(change.added)} added, {len(change.unchanged)} there already")
    if done.notes_folder:
        print(f"notes: {done.notes_folder}")
    print(f"a run reads it with: --papers {done.folder}")


async def _give(zotero: Zotero, folder: RunFolder, name: str | None, place: Path) -> dict[str, Any]:
    """Make what is not in Zotero yet: the collection, items of papers, notes; each is written down once it is made."""
    if not folder.has("run.json"):
        raise InputError(f"{folder.root} is no run folder: it has no run.json.")
    run = folder.root.name
    papers = await asyncio.to_thread(paper_items, folder, "")
    if not papers:
        raise InputError(f"{run} has read no paper yet: there is nothing to give.")
    if not zotero.server:
        file = place.parent / f"{safe_name(run)}.ris"
        write_text(file, import_text((p.item, p.note) for p in papers))
        noted = sum(bool(p.note) for p in papers)
        return {"run": run, "collection": "", "papers": len(papers), "new": 0, "notes": noted, "file": str(file)}
    await zotero.authorize()
    all_given = _given(place)
    given = all_given.get(run)
    known = {c.key for c in await zotero.collections()}
    if given is None or given["server"] != zotero.server or given["collection"] not in known:
        [key] = await zotero.create("collections", [{"name": name or run, "parentCollection": False}])
        given = {"server": zotero.server, "collection": key, "items": {}, "notes": {}}
    all_given[run] = given
    write_text(place, json.dumps(all_given, indent=1) + "\n")
    there = {item.key for item in (await zotero.references(given["collection"]))[0]}
    given["items"] = {paper: key for paper, key in given["items"].items() if key in there}
    given["notes"] = {paper: key for paper, key in given["notes"].items() if paper in given["items"]}
    new = [p for p in papers if p.paper not in given["items"]]

    async def make(kind: str, of: list[PaperItem], objects: list[dict[str, Any]]) -> None:
        def made(n: int, key: str) -> None:
            given[kind][of[n].paper] = key
            write_text(place, json.dumps(all_given, indent=1) + "\n")

        await zotero.create("items", objects, made)

    await make("items", new, [{**one.item, "collections": [given["collection"]]} for one in new])
    bare = [p for p in papers if p.note and p.paper not in given["notes"]]
    parents = given["items"]
    notes = [{"itemType": "note", "parentItem": parents[p.paper], "note": p.note, "tags": []} for p in bare]
    await make("notes", bare, notes)
    done = {"run": run, "collection": given["collection"], "papers": len(papers), "new": len(new), "notes": len(bare)}
    return {**done, "file": ""}


def _given(place: Path) -> dict[str, Any]:
    """Return what was given before.

    Raises:
        OutsideError: The file is damaged: what is in Zotero already cannot be told.
    """
    try:
        found = json.loads(place.read_bytes())
        return {run: dict(row) for run, row in found.items() if {"server", "collection", "items", "notes"} <= {*row}}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise OutsideError(
            f"{place} cannot be read.", hint="Without it everything is given anew: delete it."
        ) from error


def _print_given(given: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(given)
        return
    if given["file"]:
        print(
            f"{count_of(given['papers'], 'paper')} with {count_of(given['notes'], 'note')}: {given['file']}\n"
            "Other programs can only read this Zotero (10 can be written to): take it in by File, Import."
        )
        return
    print(
        f"{given['run']}: {count_of(given['papers'], 'paper')} in Zotero's collection {given['collection']}, "
        f"{given['new']} of them new, {count_of(given['notes'], 'note')} with quotes added"
    )
