"""Loads papers from files; hostile files are read in a process of their own, with limits on memory and time.

A PDF can be made so that reading it takes hours or all memory. The process takes one file after the other over its
standard input (nothing is opened by name in it) and reads it as a paper or as the text of a protocol. It answers in
JSON, and is replaced when a file has killed it. It has neither the caller's environment nor its open files, can write
none, and ends by itself when it has nothing to do.
"""

from __future__ import annotations

import atexit
import hashlib
import json
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Final, Literal, cast

from bioresearcher.papers.canonical import UnreadablePaper, clean
from bioresearcher.papers.documents import SourceFile, is_pdf, parse, protocol_text
from bioresearcher.papers.pdf import MAX_BYTES
from bioresearcher.schemas.paper import Document, Paper

MAX_MEMORY: Final = 1_000_000_000
"""Bytes of address space; reading a paper of 20 pages takes 200 million, the interpreter's own included."""

MAX_CPU_S: Final = 150
"""CPU seconds for one file; a paper of 20 pages takes one."""

_MAX_WALL_S: Final = 1_200.0
_IDLE_S: Final = 20.0
_MAX_ANSWER: Final = 100_000_000
_HINTS: Final = {
    "paper": "Give the paper's XML or text instead, or only its own pages.",
    "protocol": "Save it anew, or give the protocol's text instead.",
}

ReadAs = Literal["paper", "protocol"]
"""The result wanted of a file: a paper, or the text of a protocol."""


class _Ended(Exception):
    """The reading process has ended, with exit code `code`."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


class ReadingProcess:
    """The reading process, started when it is first needed; one file at a time."""

    def __init__(self, cpu_s: int = MAX_CPU_S, memory: int = MAX_MEMORY) -> None:
        """Set the limits for each file: CPU seconds, and bytes of address space."""
        self._limits = cpu_s, memory
        self._guard = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def paper(self, file: SourceFile, data: bytes) -> tuple[Paper, Document]:
        """Read a file's bytes as a paper.

        Raises:
            UnreadablePaper: It is no readable paper, or reading it passed the limits.
        """
        answer = self._ask("paper", file, data)
        return Paper.model_validate(answer["paper"]), Document.model_validate(answer["document"])

    def protocol(self, file: SourceFile, data: bytes) -> tuple[str, tuple[str, ...]]:
        """The text of a PDF or Word file as Markdown, with caveats.

        Raises:
            UnreadablePaper: It has no readable text, or reading it passed the limits.
        """
        answer = self._ask("protocol", file, data)
        return str(answer["text"]), tuple(map(str, answer["warnings"]))

    def _ask(self, read_as: ReadAs, file: SourceFile, data: bytes) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        with self._guard:
            for again in (True, False):
                try:
                    answer = self._answer(read_as, file, data)
                    break
                except _Ended as ended:  # with code 0 it ended for want of work, just as the file came
                    if ended.code != 0 or not again:
                        raise UnreadablePaper(_reason(ended.code), hint=_HINTS[read_as]) from ended
        if "error" in answer:
            raise UnreadablePaper(str(answer["error"]), hint=str(answer.get("hint", "")))
        return answer

    def _answer(self, read_as: ReadAs, file: SourceFile, data: bytes) -> dict[str, Any]:
        process = self._running()
        source, sink = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
        watch = threading.Timer(_MAX_WALL_S, process.kill)
        watch.daemon = True
        watch.start()
        try:
            _send(source, {**asdict(file), "read_as": read_as, "bytes": len(data)}, data)
            _, body = _receive(sink)
            answer: dict[str, Any] = json.loads(body)
        except (OSError, ValueError, EOFError, LookupError):
            raise _Ended(self.close()) from None
        finally:
            watch.cancel()
        return answer

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self.close()
        if self._process is None:
            paths = [str(Path(path).absolute()) for path in sys.path if path]
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-s", "-m", "bioresearcher.papers.reading_process", *map(str, self._limits)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={"PYTHONPATH": os.pathsep.join(paths), "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8"},
            )
        return self._process

    def close(self) -> int:
        """End the process; returns its exit code, negative for the signal that killed it."""
        process, self._process = self._process, None
        if process is None:
            return 0
        for pipe in (cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)):
            with suppress(OSError):
                pipe.close()
        try:
            return process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


_SMALL: Final = 1_000_000
"""Bytes of the largest text file that is read in this process; larger ones, like every PDF, in the other."""

_READER: Final = ReadingProcess()
atexit.register(_READER.close)


def load_paper(path: Path) -> tuple[Paper, Document]:
    """Load a paper and its canonical text from a file.

    The file's first bytes decide how: `%PDF`, an XML element, or text. The paper's `path` is as given.

    Raises:
        UnreadablePaper: The file cannot be read as a paper; the message begins with the file's name.
    """
    try:
        paper, document = _load(path)
        return paper if paper.title else paper.model_copy(update={"title": clean(path.stem)}), document
    except UnreadablePaper as error:
        name = clean(path.name)[:120]
        raise UnreadablePaper(f"{name}: {error.message}", hint=error.hint) from error


def _load(path: Path) -> tuple[Paper, Document]:
    data = _bytes(path)
    file = SourceFile(
        name=clean(path.stem),
        suffix=path.suffix.lower(),
        path=clean(str(path)),
        sha256=hashlib.sha256(data).hexdigest(),
    )
    return _READER.paper(file, data) if is_pdf(data) or len(data) > _SMALL else parse(file, data)


def _bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        if not path.is_file():
            raise UnreadablePaper("it is not a regular file.")
        if size > MAX_BYTES:
            raise UnreadablePaper(
                f"it has {size / 1e6:.0f} MB; files above {MAX_BYTES / 1e6:.0f} MB are refused.",
                hint="Give the paper alone, without its supplement.",
            )
        data = path.read_bytes()
    except OSError as error:
        raise UnreadablePaper(
            f"it cannot be opened: {error.strerror or error}.", hint="Check its name and permissions."
        ) from error
    if not data.strip():
        raise UnreadablePaper("the file is empty.", hint="Download it again.")
    return data


def protocol_in_process(file: SourceFile, data: bytes) -> tuple[str, tuple[str, ...]]:
    """The text of a PDF or Word file as Markdown, with caveats; read in another process.

    Raises:
        UnreadablePaper: It has no readable text, or reading it took more time or memory than any protocol needs.
    """
    return _READER.protocol(file, data)


def _reason(code: int) -> str:
    if code == -signal.SIGXCPU:
        return "reading it takes more computing time than any document does: it is damaged, or made to be unreadable."
    if code == -signal.SIGKILL:
        return "reading it was stopped: it took too long or too much memory."
    return f"reading it ended the reading process (code {code}): it is damaged, or made to be unreadable."


def _send(pipe: IO[bytes], head: dict[str, Any], body: bytes) -> None:
    pipe.write(json.dumps(head).encode() + b"\n")
    pipe.write(body)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> tuple[dict[str, Any], bytes]:
    line = pipe.readline(100_000)
    if not line:
        raise EOFError
    head: dict[str, Any] = json.loads(line)
    size = int(head["bytes"])
    if not 0 <= size <= _MAX_ANSWER:
        raise ValueError(size)
    body = pipe.read(size)
    if len(body) < size:
        raise EOFError
    return head, body


def serve(cpu_s: int, memory: int) -> None:
    """Serve requests from standard input until it ends, or until none came for 20 seconds."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this decides when it ends
    for limit, value in (
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, 64),
    ):
        with suppress(ValueError, OSError):  # a system without this limit, or a lower one already
            resource.setrlimit(limit, (value, value))
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while select.select([source], [], [], _IDLE_S)[0]:
        try:
            head, data = _receive(source)
        except EOFError:
            return
        used = int(time.process_time())
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_CPU, (used + cpu_s, resource.RLIM_INFINITY))
        body = json.dumps(_read(head, data)).encode()
        _send(sink, {"bytes": len(body)}, body)


def _read(head: dict[str, Any], data: bytes) -> dict[str, Any]:
    file = SourceFile(**{name: str(head[name]) for name in ("name", "suffix", "path", "sha256")})
    try:
        if head["read_as"] == "protocol":
            text, warnings = protocol_text(file, data)
            return {"text": text, "warnings": warnings}
        paper, document = parse(file, data)
    except UnreadablePaper as error:
        return {"error": error.message, "hint": error.hint}
    except MemoryError:
        return {"error": "reading it needs more memory than any document does.", "hint": _HINTS[head["read_as"]]}
    return {"paper": paper.model_dump(mode="json"), "document": document.model_dump(mode="json")}


if __name__ == "__main__":
    serve(*map(int, sys.argv[1:3]))
