"""What Tab offers: slash commands at the beginning of a line, paths after `@` and in paths, names that can be given."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document

MOST_OFFERED = 60


class SessionCompleter(Completer):
    """Commands, ids and paths. `words` gives what the open question offers."""

    def __init__(self, commands: Sequence[str], words: Callable[[], Sequence[str]]) -> None:
        self._commands = commands
        self._words = words
        self._paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """At most sixty."""
        yield from islice(self._found(document, complete_event), MOST_OFFERED)

    def _found(self, document: Document, event: CompleteEvent) -> Iterable[Completion]:
        before = document.text_before_cursor
        word = before.rsplit(maxsplit=1)[-1] if before and not before[-1].isspace() else ""
        if before.startswith("/") and " " not in before:
            names = [c for c in self._commands if c.startswith(before)]
            if names:
                yield from (Completion(name, -len(before)) for name in names)
                return
        yield from (Completion(w, -len(word)) for w in self._words() if w.lower().startswith(word.lower()))
        if word.startswith(("@", "/", "./", "../", "~")) or "/" in word:
            path = word.removeprefix("@")
            yield from self._paths.get_completions(Document(path, len(path)), event)
