"""A local API of Zotero for tests: its statuses, headers and shapes, with one library in memory."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

_HOSTS = ("localhost", "127.0.0.1", "[::1]")


class Library:
    """A library: objects with versions, and how the program behaves."""

    def __init__(self) -> None:
        self.version = 1
        self.server = "server-one"
        self.enabled = True
        self.api_version = "3"
        self.refusal: tuple[int, str] | None = None
        self.keys: set[str] = set()
        self.remember = True
        self.collections: dict[str, dict[str, Any]] = {}
        self.items: dict[str, dict[str, Any]] = {}
        self.files: dict[str, str] = {}
        self.asked: list[str] = []

    def put(self, kind: str, key: str, **data: Any) -> str:
        """Add or change an object."""
        self.version += 1
        store = self.collections if kind == "collections" else self.items
        store[key] = {"key": key, "version": self.version, **data}
        return key

    def item(self, key: str, title: str, *collections: str, **data: Any) -> str:
        """Add or change a reference."""
        fields = {"itemType": "journalArticle", "title": title, "creators": [], "collections": [*collections], **data}
        return self.put("items", key, **fields)

    def child(self, key: str, parent: str, **data: Any) -> str:
        """Add or change a note or an attachment."""
        return self.put("items", key, parentItem=parent, **data)

    def pdf(self, key: str, parent: str, path: Path) -> str:
        """Add an attachment with a file."""
        self.files[key] = path.as_uri()
        fields = {"itemType": "attachment", "linkMode": "imported_file", "contentType": "application/pdf"}
        return self.child(key, parent, filename=path.name, **fields)

    def children(self, key: str) -> list[dict[str, Any]]:
        """The children of an item."""
        return [i for i in self.items.values() if i.get("parentItem") == key]


def _row(library: Library, data: dict[str, Any]) -> dict[str, Any]:
    key = data["key"]
    enclosure = {"href": library.files[key], "type": "application/pdf"} if key in library.files else None
    return {
        "key": key,
        "version": data["version"],
        "library": {"type": "user", "id": 0, "name": "My Library"},
        "links": {"self": {"href": f"http://localhost:23119/api/users/0/items/{key}"}}
        | ({"enclosure": enclosure} if enclosure else {}),
        "meta": {
            "numChildren": len(library.children(key)),
            "numItems": sum(key in i.get("collections", ()) for i in library.items.values()),
        },
        "data": data,
    }


def _read(library: Library, path: str) -> list[dict[str, Any]] | None:
    parts = path.removeprefix("/api/users/0/").split("/")
    if parts == ["collections"]:
        return [*library.collections.values()]
    if parts == ["items"]:
        return [*library.items.values()]
    if parts[0] == "collections" and parts[2:] == ["items", "top"] and parts[1] in library.collections:
        return [i for i in library.items.values() if parts[1] in i.get("collections", ())]
    if parts[0] == "items" and parts[2:] == ["children"] and parts[1] in library.items:
        return library.children(parts[1])
    return None


def _handler(library: Library) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def _refused(self) -> bool:
            library.asked.append(f"{self.command} {self.path}")
            agent, host = self.headers.get("User-Agent", ""), self.headers.get("Host", "")
            if (agent.startswith("Mozilla/") or self.headers.get("Origin")) and not self.headers.get(
                "Zotero-Allowed-Request"
            ):
                self.close_connection = True
                return True
            if host.rpartition(":")[0] not in _HOSTS:
                self._send(400, "Invalid Host header")
                return True
            if not library.enabled:
                self._send(403, "Local API is not enabled")
                return True
            return False

        def do_GET(self) -> None:
            if self._refused():
                return
            place = urlsplit(self.path)
            if place.path == "/api/":
                self._send(200, "Nothing to see here.")
                return
            query = {name: values[0] for name, values in parse_qs(place.query).items()}
            rows = _read(library, place.path)
            if rows is None:
                self._send(404, "Not found")
                return
            rows = [row for row in rows if row["version"] > int(query.get("since", 0))]
            start, limit = int(query.get("start", 0)), int(query.get("limit", 0)) or len(rows)
            more = {"Total-Results": str(len(rows)), "Last-Modified-Version": str(library.version)}
            self._send(200, json.dumps([_row(library, r) for r in rows[start : start + limit]]), more)

        def do_POST(self) -> None:
            if self._refused():
                return
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if not library.server:
                self._send(501, "Method not implemented")
            elif not self.headers.get("Zotero-Server-ID"):
                self._send(428, "Zotero-Server-ID is required")
            elif self.headers["Zotero-Server-ID"] != library.server:
                self._send(412, "Another server")
            elif self.path == "/api/local/authorize":
                self._authorize()
            elif self.headers.get("Zotero-API-Key") not in library.keys:
                self._send(401, "POST /api/local/authorize to obtain one")
            else:
                self._make(self.path.rpartition("/")[2], body)

        def _authorize(self) -> None:
            if library.refusal:
                self._send(*library.refusal)
                return
            key = f"key-{len(library.asked)}"
            library.keys.add(key)
            self._send(200, json.dumps({"key": key, "remember": library.remember}))

        def _make(self, kind: str, body: list[dict[str, Any]]) -> None:
            if not library.remember:
                library.keys.clear()
            success, failed = {}, {}
            for number, data in enumerate(body):
                if data.get("title") == "refuse me":
                    failed[str(number)] = {"code": 400, "message": "'title' is not wanted"}
                else:
                    success[str(number)] = library.put(kind, f"NEW{library.version:05d}", **data)
            said = {"successful": {}, "success": success, "unchanged": {}, "failed": failed}
            self._send(200, json.dumps(said))

        def _send(self, status: int, text: str, more: dict[str, str] | None = None) -> None:
            body = text.encode()
            self.send_response(status)
            names = {"Zotero-API-Version": library.api_version, "Zotero-Server-ID": library.server, **(more or {})}
            for name, value in names.items():
                if value:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


@contextmanager
def zotero(library: Library) -> Iterator[str]:
    """Serve a library; gives the address of the API."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(library))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/api"
    finally:
        server.shutdown()
        server.server_close()
