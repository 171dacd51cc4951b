"""The local API of a running Zotero, version 3: collections, items and files to read; collections and items to make.

Zotero is asked on this machine only. It is off by default, reads need no key; writes exist since Zotero 10, need the id
of the running Zotero and a key that a person grants in a dialogue of Zotero. Versions are those of that Zotero.

Source: https://www.zotero.org/support/dev/web_api/v3/local_api and the pages on the web API it refers to.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from bioresearcher.errors import InputError, OutsideError
from bioresearcher.sources.http import Http, LocalAnswer
from bioresearcher.text.visible import one_line

MOST_ITEMS: Final = 5_000
"""Items of a collection that are taken; a larger one is refused."""
MOST_COLLECTIONS: Final = 2_000
PAGE: Final = 100
BATCH: Final = 50
"""Objects of one writing request, as the API allows."""
_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_OFF: Final = "Turn it on in Zotero: Settings, Advanced, “Allow other applications on this computer to communicate”."
_DIALOGUE_S: Final = 180.0
"""Seconds that a person has to answer Zotero's question whether we may write."""
_ALLOWED_ITEMS: Final = frozenset({"attachment", "note", "annotation"})
"""Types of items that are no references."""


@dataclass(frozen=True)
class Collection:
    """A collection; `path` holds the names of the collections around it, too."""

    key: str
    name: str
    path: str
    items: int


@dataclass(frozen=True)
class ZoteroItem:
    """A reference with its children: attachments and notes, as Zotero's `data` of each."""

    key: str
    version: int
    data: Mapping[str, Any]
    children: tuple[Mapping[str, Any], ...] = ()


@dataclass
class Zotero:
    """A running Zotero.

    Attributes:
        base: Address of the API, such as `http://127.0.0.1:23119/api`.
        library: `users/0`, or `groups/ID`.
        server: Id of the running Zotero, to which versions belong; empty for an old one, whose versions say nothing.
    """

    http: Http
    base: str
    library: str = "users/0"
    server: str = ""
    _key: str = field(default="", repr=False)

    async def open(self) -> None:
        """Find out whether it runs, lets itself be asked, and speaks version 3.

        Raises:
            InputError: The address is none of this machine.
            OutsideError: It does not run, is closed to other programs, or is too old.
        """
        if urlsplit(self.base).hostname not in _HERE:
            raise InputError(
                f"{one_line(self.base, 100)} is not on this machine.", hint="services.zotero is a loopback address."
            )
        try:
            answer = await self._ask("GET", "/")
        except OutsideError as error:
            raise OutsideError(
                f"Zotero does not answer at {self.base}: it does not run, or another program has its port.",
                hint="Start Zotero and try again.",
            ) from error
        version = answer.headers.get("zotero-api-version", "")
        if answer.status == 403:
            raise OutsideError("Zotero does not let other programs ask it.", hint=_OFF)
        if answer.status != 200 or version != "3":
            said = f"version {one_line(version, 20)}" if version else f"status {answer.status} and no version"
            raise OutsideError(f"{self.base}: this is no Zotero 7 or later ({said}).", hint="Update Zotero.")
        self.server = answer.headers.get("zotero-server-id", "")[:100]

    async def collections(self) -> list[Collection]:
        """Return all collections, by path."""
        rows, _ = await self._all(f"/{self.library}/collections", MOST_COLLECTIONS)
        known = {str(row.get("key")): _dict(row.get("data")) for row in rows}
        counts = {str(row.get("key")): _dict(row.get("meta")).get("numItems") for row in rows}
        found = []
        for key, data in known.items():
            names, parent = [str(data.get("name", ""))], data.get("parentCollection")
            while isinstance(parent, str) and parent in known and len(names) < 20:
                names.insert(0, str(known[parent].get("name", "")))
                parent = known[parent].get("parentCollection")
            number = counts[key]
            found.append(Collection(key, names[-1], " / ".join(names), number if isinstance(number, int) else 0))
        return sorted(found, key=lambda c: c.path.casefold())

    async def collection(self, name: str) -> Collection:
        """Find a collection by key, name or path.

        Raises:
            InputError: There is none, or there are several.
        """
        known = await self.collections()
        wanted = name.strip().casefold()
        found = [c for c in known if wanted in {c.key.casefold(), c.path.casefold()}]
        found = found or [c for c in known if c.name.casefold() == wanted]
        if len(found) == 1:
            return found[0]
        if found:
            raise InputError(
                f"{len(found)} collections are called {name!r}.", hint=f"Say which: {', '.join(c.path for c in found)}."
            )
        paths = ", ".join(c.path for c in known[:12]) or "there are none"
        raise InputError(f"Zotero has no collection {name!r}.", hint=f"It has: {one_line(paths, 400)}.")

    async def references(self, collection: str) -> tuple[list[ZoteroItem], int]:
        """Return the references of a collection, without children, and the version of the library.

        Raises:
            InputError: It has too many.
        """
        rows, version = await self._all(f"/{self.library}/collections/{collection}/items/top", MOST_ITEMS)
        return [item for row in rows if (item := _item(row)) is not None], version

    async def changed_parents(self, since: int) -> set[str]:
        """Return the keys of items of which a child changed since a version of the library."""
        rows, _ = await self._all(f"/{self.library}/items", 10 * MOST_ITEMS, {"since": str(since)})
        return {str(parent) for row in rows if (parent := _dict(row.get("data")).get("parentItem"))}

    async def children(self, key: str) -> tuple[Mapping[str, Any], ...]:
        """Return the attachments and notes of an item; an attachment that is on this disk has its path as `file`."""
        rows, _ = await self._all(f"/{self.library}/items/{key}/children", 200)
        found = []
        for row in rows:
            enclosure = _dict(_dict(row.get("links")).get("enclosure"))
            found.append({**_dict(row.get("data")), "file": _local_file(str(enclosure.get("href", "")))})
        return tuple(found)

    async def authorize(self) -> None:
        """Ask the person, by a dialogue of Zotero, for leave to write.

        Raises:
            OutsideError: Zotero cannot be written to, or the person said no.
        """
        if not self.server:
            raise OutsideError("This Zotero can only be read by other programs.", hint="Zotero 10 can be written to.")
        body = {"appName": "BioResearcher"}
        answer = await self._ask("POST", "/local/authorize", body=body, timeout_s=_DIALOGUE_S)
        if answer.status == 429:
            wait = _number(answer.headers.get("retry-after", "")) or 60
            raise OutsideError("Zotero was asked for leave too often.", hint=f"Try again in {wait} s.")
        self._key = str(_dict(_json(answer)).get("key", "")) if answer.status == 200 else ""
        if not self._key:
            raise OutsideError(
                "Zotero was not allowed to be written to.", hint="Choose “Always Allow” in its dialogue."
            )

    async def create(
        self, kind: str, objects: Sequence[Mapping[str, Any]], made: Callable[[int, str], None] | None = None
    ) -> list[str]:
        """Make `collections` or `items`, as few requests as may be; return their keys in order.

        A person who allows once is asked again for each request, and Zotero takes five such questions a minute.

        Args:
            kind: `collections` or `items`.
            objects: What to make.
            made: Called with the place and the key of each that is made, also where another one is refused.

        Raises:
            OutsideError: Zotero refuses one; others may be made.
        """
        keys: list[str] = []
        for start in range(0, len(objects), BATCH):
            part = objects[start : start + BATCH]
            answer = await self._ask("POST", f"/{self.library}/{kind}", body=list(part))
            if answer.status == 401:  # a key that is granted once is used up
                await self.authorize()
                answer = await self._ask("POST", f"/{self.library}/{kind}", body=list(part))
            self._check(answer, kind)
            said = _dict(_json(answer))
            done, failed = _dict(said.get("success")), _dict(said.get("failed"))
            for n in range(len(part)) if made else ():
                if made and str(n) in done:
                    made(start + n, str(done[str(n)]))
            if failed:
                first = _dict(next(iter(failed.values())))
                raise OutsideError(f"Zotero refuses one of the {kind}: {one_line(str(first.get('message', '')), 200)}.")
            keys += [str(done[str(n)]) for n in range(len(part)) if str(n) in done]
        if len(keys) != len(objects):
            raise OutsideError(f"Zotero made {len(keys)} of {len(objects)} {kind} and does not say why.")
        return keys

    async def _all(self, path: str, most: int, params: Mapping[str, str] | None = None) -> tuple[list[Any], int]:
        """Return all rows of a list, a page after the other, and the version of the library."""
        rows: list[Any] = []
        version = 0
        while True:
            query = "&".join(f"{k}={v}" for k, v in {**(params or {}), "start": len(rows), "limit": PAGE}.items())
            answer = await self._ask("GET", f"{path}?{query}")
            self._check(answer, path)
            page = _json(answer)
            if not isinstance(page, list):
                raise OutsideError(
                    f"{self.base}{path}: the answer is no list.", hint="Is another program on this port?"
                )
            rows += [row for row in page if isinstance(row, dict)]
            total = _number(answer.headers.get("total-results", ""))
            version = _number(answer.headers.get("last-modified-version", ""))
            if max(total, len(rows)) > most:
                raise InputError(f"Zotero: {path} has {max(total, len(rows)):,} entries; at most {most:,} are taken.")
            if len(page) < PAGE or len(rows) >= total:
                return rows, version

    async def _ask(self, method: str, path: str, *, body: object = None, timeout_s: float | None = None) -> LocalAnswer:
        headers = {"Zotero-API-Version": "3", "User-Agent": "bioresearcher"}
        if body is not None:
            headers |= {"Content-Type": "application/json", "Zotero-Server-ID": self.server}
            headers |= {"Zotero-API-Key": self._key} if self._key else {}
        content = None if body is None else json.dumps(body).encode()
        return await self.http.local(method, self.base + path, headers=headers, content=content, timeout_s=timeout_s)

    def _check(self, answer: LocalAnswer, what: str) -> None:
        if answer.status == 200:
            return
        if answer.status == 403:
            raise OutsideError("Zotero does not let other programs ask it.", hint=_OFF)
        if answer.status in {412, 428}:
            raise OutsideError("Another Zotero answers now than before.", hint="Try again.")
        said = one_line(answer.body[:200].decode("utf-8", "replace"), 160)
        raise OutsideError(f"Zotero answered {one_line(what, 80)} with status {answer.status}: {said}.")


def _item(row: Mapping[str, Any]) -> ZoteroItem | None:
    data = _dict(row.get("data"))
    if data.get("itemType") in _ALLOWED_ITEMS or not isinstance(row.get("key"), str):
        return None
    version = row.get("version")
    meta = {"numChildren": _dict(row.get("meta")).get("numChildren") or 0}
    return ZoteroItem(str(row["key"]), version if isinstance(version, int) else 0, {**data, **meta})


def _local_file(address: str) -> str:
    """Return the path of a `file:` address; empty for any other."""
    parts = urlsplit(address)
    if parts.scheme != "file" or parts.netloc not in {"", "localhost"}:
        return ""
    path = unquote(parts.path)
    return path if "\0" not in path and Path(path).is_absolute() else ""


def _json(answer: LocalAnswer) -> object:
    try:
        return json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise OutsideError("Zotero's answer is no JSON.", hint="Is another program on its port?") from error


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 16 else 0
