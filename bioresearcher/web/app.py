"""The pages of a workspace as an ASGI application: lists, a run's page with its live events, sections and files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Final

from jinja2 import Environment, FunctionLoader, StrictUndefined
from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import EventSourceResponse
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route

from bioresearcher.errors import BioresearcherError, InputError, RunFolderError
from bioresearcher.runfolder import RunFolder
from bioresearcher.text import format as fmt
from bioresearcher.text.visible import visible
from bioresearcher.web.catalogue import STATES, Catalogue, Filter
from bioresearcher.web.files import content_type, find_file, named_pages
from bioresearcher.web.guard import FILE_POLICY, POLICY, Door, Guard
from bioresearcher.web.live import LOOK_S, follow, progress_of
from bioresearcher.web.markdown import as_html
from bioresearcher.web.state import state_of

_FIRST_PAGE_S: Final = 2.0
"""Seconds that the first page is given before manifests are read ahead."""
PAGE: Final = 50
"""Runs on a page of the list."""
SECTION_NAMES: Final = ("status", "results", "protocol", "papers", "datasets", "tasks", "review", "cost")
"""Sections of a run's report, each a page (`report.sections`)."""
MOST_STREAMS: Final = 32
"""Pages that may be live at a time."""
_LOOKS_A_STATE: Final = 10
"""Looks without a new event after which the state is read anew: a process may be gone without a word."""
_STATIC: Final = {"view.css": "text/css; charset=utf-8", "view.js": "text/javascript; charset=utf-8"}


class Pages:
    """The handlers of the pages of one workspace, or of one run."""

    def __init__(self, catalogue: Catalogue, *, look_s: float = LOOK_S) -> None:
        self._catalogue = catalogue
        self._look_s = look_s
        self._streams = 0

    def routes(self) -> list[Route]:
        """Return the routes; a run's key is the path of its page."""
        found = [
            Route("/", self.home),
            Route("/batches", self.batches),
            Route("/batches/{batch}", self.batch),
            Route("/static/{name}", self.static),
        ]
        for key in ("/runs/{run}", "/batches/{batch}/runs/{run}"):
            found += [
                Route(key, self.run),
                Route(f"{key}/events", self.events),
                Route(f"{key}/section/{{section}}", self.section),
                Route(f"{key}/files/{{file:path}}", self.file),
            ]
        return found

    async def home(self, request: Request) -> Response:
        """List the runs, a page at a time; chosen by words, state and batch."""
        if self._catalogue.only is not None:
            return _moved(f"/runs/{self._catalogue.only.name}")
        given = request.query_params
        choice = Filter(given.get("q", "")[:200], given.get("state", ""), given.get("batch", "")[:200])
        page = max(1, int(given["page"])) if given.get("page", "").isdecimal() and len(given["page"]) < 8 else 1
        return await asyncio.to_thread(self._home, choice, page)

    def _home(self, choice: Filter, page: int) -> Response:
        if choice:
            chosen = self._catalogue.rows(choice)
            count, rows = len(chosen), chosen[(page - 1) * PAGE : page * PAGE]
        else:
            places = self._catalogue.places()
            count = len(places)
            rows = [self._catalogue.row(place) for place in places[(page - 1) * PAGE : page * PAGE]]
        values = {"rows": rows, "count": count, "choice": choice, "page": page, "pages": max(1, -(-count // PAGE))}
        batches = self._catalogue.batches()
        return _page("runs.html.j2", {"place": "runs", "batches": batches, "states": STATES, **values})

    async def batches(self, request: Request) -> Response:
        """List the batches."""
        names = await asyncio.to_thread(self._catalogue.batches)
        return _page("batches.html.j2", {"place": "batches", "names": names})

    async def batch(self, request: Request) -> Response:
        """Show the summary of a batch as far as it got, as `batch summary` writes it."""
        root = await asyncio.to_thread(self._catalogue.find_batch, request.path_params["batch"])
        if root is None:
            raise HTTPException(404)
        from bioresearcher.batch.folder import BatchFolder
        from bioresearcher.batch.summary import summarise
        from bioresearcher.batch.summary_output import as_html as summary_html

        html = await asyncio.to_thread(lambda: summary_html(summarise(BatchFolder(root))))
        return _html(html, policy=FILE_POLICY)

    async def run(self, request: Request) -> Response:
        """Show a run: its state, its questions and answers, its log, and where the rest is."""
        folder, key = await self._found(request)

        def made() -> Response:
            try:
                progress, lines, after = progress_of(folder.path("events.jsonl"))
                state = state_of(folder, progress)
            except RunFolderError as error:
                said = error.message.replace(str(folder.root), folder.root.name)
                return _trouble(said, key=key, files=named_pages(folder))
            values = {"lines": [*reversed(lines)], "after": after, "files": named_pages(folder), "s": state}
            return _page("run.html.j2", {"place": "run", "key": key, "sections": SECTION_NAMES, **values})

        return await asyncio.to_thread(made)

    async def section(self, request: Request) -> Response:
        """Show a section of a run's report, or an item of it."""
        folder, key = await self._found(request)
        name, item = request.path_params["section"], request.query_params.get("item", "")[:200]
        if name not in SECTION_NAMES:
            raise HTTPException(404)

        def made() -> Response:
            from bioresearcher.report.sections import section

            try:
                html = as_html(section(folder, name, item), f"/{key}/files/")
            except RunFolderError as error:
                said = error.message.replace(str(folder.root), folder.root.name)
                return _trouble(said, key=key, files=named_pages(folder))
            except InputError as error:
                return _trouble(str(error), status=404, key=key)
            values = {"name": name, "item": item, "html": html, "sections": SECTION_NAMES}
            return _page("section.html.j2", {"place": "run", "key": key, **values})

        return await asyncio.to_thread(made)

    async def file(self, request: Request) -> Response:
        """Give a file of a run's folder; scripts in it do not run."""
        folder, _ = await self._found(request)
        path = await asyncio.to_thread(find_file, folder, request.path_params["file"])
        if path is None:
            raise HTTPException(404)
        return FileResponse(path, media_type=content_type(path), headers={"content-security-policy": FILE_POLICY})

    async def static(self, request: Request) -> Response:
        """Give the style sheet or the script of the pages."""
        name = request.path_params["name"]
        if name not in _STATIC:
            raise HTTPException(404)
        return Response(_resource(name), media_type=_STATIC[name])

    async def events(self, request: Request) -> Response:
        """Send the events of a run as they come, from the place that the browser saw last; ends with the run."""
        folder, key = await self._found(request)
        if self._streams >= MOST_STREAMS:
            raise HTTPException(503, "Too many pages are live; close some.")
        last = request.headers.get("last-event-id") or request.query_params.get("after", "")
        start = int(last) if last.isdecimal() and len(last) < 16 else 0
        return EventSourceResponse(self._stream(folder, key, start), ping=15, send_timeout=30)

    async def _stream(self, folder: RunFolder, key: str, start: int) -> AsyncIterator[ServerSentEvent]:
        path = folder.path("events.jsonl")
        self._streams += 1
        try:
            progress, _, seen = await asyncio.to_thread(progress_of, path)
            shown, looks = "", 0
            async for lines in follow(path, start, look_s=self._look_s):
                for line in lines:
                    if line.after > seen:
                        progress.event(line.event)
                        seen = line.after
                    if line.text:
                        yield ServerSentEvent(line.told(), id=str(line.after), event="line")
                looks += 1
                if not lines and looks % _LOOKS_A_STATE != 1:
                    continue
                try:
                    state = await asyncio.to_thread(state_of, folder, progress)
                except RunFolderError:
                    continue
                html = await asyncio.to_thread(_render, "state.html.j2", {"s": state, "key": key})
                if html != shown:
                    shown = html
                    yield ServerSentEvent(json.dumps({"html": html, "said": state.summary}), event="state")
                if not state.works and not lines:
                    yield ServerSentEvent(state.state, event="end")
                    return
        finally:
            self._streams -= 1

    async def _found(self, request: Request) -> tuple[RunFolder, str]:
        """Find the run of an address.

        Raises:
            HTTPException: There is none.
        """
        params: Mapping[str, str] = request.path_params
        key = f"batches/{params['batch']}/runs/{params['run']}" if "batch" in params else f"runs/{params['run']}"
        folder = await asyncio.to_thread(self._catalogue.find, key)
        if folder is None:
            raise HTTPException(404)
        return folder, key


def make_app(catalogue: Catalogue, door: Door, *, look_s: float = LOOK_S) -> Guard:
    """Return the application behind its door. The manifests are read ahead, once the first page is given."""
    pages = Pages(catalogue, look_s=look_s)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        warming = asyncio.create_task(_read_ahead(catalogue))
        yield
        warming.cancel()

    app = Starlette(
        routes=pages.routes(),
        lifespan=lifespan,
        exception_handlers={HTTPException: _not_there, BioresearcherError: _failed, OSError: _failed},
    )
    return Guard(app, door)


async def _read_ahead(catalogue: Catalogue) -> None:
    """Read all manifests, one after the other, so that a choice among them need not wait."""
    await asyncio.sleep(_FIRST_PAGE_S)
    for place in await asyncio.to_thread(catalogue.places):
        await asyncio.to_thread(catalogue.row, place)


async def _not_there(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 404
    said = "There is nothing here." if status == 404 else str(getattr(error, "detail", "That does not work."))
    return _trouble(said, status=status)


async def _failed(request: Request, error: Exception) -> Response:
    said = error.message if isinstance(error, BioresearcherError) else f"A file cannot be read: {error}"
    return _trouble(said, status=500)


def _trouble(said: str, *, status: int = 200, key: str = "", files: Sequence[tuple[str, str]] = ()) -> Response:
    values = {"place": "runs", "key": key, "said": said, "files": files}
    return _page("trouble.html.j2", values, status=status)


def _moved(place: str) -> Response:
    return Response(status_code=307, headers={"location": place})


def _page(template: str, values: Mapping[str, object], *, status: int = 200) -> Response:
    return _html(_render(template, values), status=status)


def _html(html: str, *, status: int = 200, policy: str = POLICY) -> Response:
    headers = {"content-security-policy": policy}
    return Response(html, status, headers, media_type="text/html; charset=utf-8")


def _render(template: str, values: Mapping[str, object]) -> str:
    return _environment().get_template(template).render(values)


@cache
def _resource(name: str) -> str:
    return resources.files("bioresearcher.web").joinpath(name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_resource),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(clean=visible, duration=fmt.duration, count=fmt.count_of, moment=fmt.timestamp_text)
    environment.filters["day"] = _day
    return environment


def _day(seconds: float) -> str:
    """Return a time of the file system in UTC, to the minute."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
