"""A conversation at one gate: its question, its run, and the terminal it is held in.

Editing something as a form: what cannot be read back is explained by line and edited again.

What is typed at a gate, taken apart. Pure functions: any line gives a command or one clear line, never an error.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from rich.console import RenderableType

from bioresearcher.cli.session.terminal import Terminal
from bioresearcher.errors import InputError
from bioresearcher.graph.context import RunContext
from bioresearcher.schemas.run import Decision
from bioresearcher.stages.forms import MARK, FormError, Mistake
from bioresearcher.text.visible import one_line

Takes = Literal["nothing", "items", "text", "item and text", "rest"]
"""What stands after a command: nothing, numbers or ids, a text in quotation marks or not, both, or anything."""

MOST_TYPED = 4_000
"""Characters of a line beyond which nobody typed it."""
_MOST_ITEMS = 200
_FORM = 16
_QUOTES = {'"': '"', "'": "'", "“": "”", "„": "“", "«": "»", "‘": "’"}
_RANGE = re.compile(r"(\d{1,6})\s*[-–]\s*(\d{1,6})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Verb:
    """A command of a gate.

    Attributes:
        name: How it is called here.
        takes: What stands after it.
        help: What it does, in a few words; empty for another name of a command that says it.
        form: How it is written; the name alone when empty.
    """

    name: str
    takes: Takes = "nothing"
    help: str = ""
    form: str = ""


@dataclass(frozen=True, slots=True)
class Typed:
    """A command with what stands after it."""

    verb: str
    items: tuple[str, ...] = ()
    text: str = ""


def parse_line(line: str, verbs: Mapping[str, Verb]) -> Typed | str:
    """The command of a line, or why there is none in it, in one line.

    Args:
        line: As typed.
        verbs: Word → the command it means; several words may mean the same.
    """
    if len(line) > MOST_TYPED:
        return f"That has {len(line):,} characters; a line may have {MOST_TYPED:,}."
    words = line.split(None, 1)
    if not words:
        return "Type a command, or help."
    word, rest = words[0].casefold().rstrip(":"), words[1].strip() if len(words) > 1 else ""
    verb = verbs.get(word) or _begun(word, verbs)
    if verb is None:
        near = difflib.get_close_matches(word, list(verbs), n=1)
        said = f" Do you mean {near[0]}?" if near else ""
        return f"“{one_line(words[0], 40)}” is no command here.{said} Type help for what is."
    return _filled(verb, rest)


def _begun(word: str, verbs: Mapping[str, Verb]) -> Verb | None:
    """The command that begins with at least two letters that were typed, when there is only one."""
    found = {v.name: v for name, v in verbs.items() if len(word) >= 2 and name.startswith(word)}
    return next(iter(found.values())) if len(found) == 1 else None


def _filled(verb: Verb, rest: str) -> Typed | str:
    form = verb.form or verb.name
    if verb.takes == "nothing":
        return Typed(verb.name) if not rest else f"{verb.name} stands alone; “{one_line(rest, 40)}” was not understood."
    if verb.takes == "rest":
        return Typed(verb.name, text=unquoted(rest))
    if verb.takes == "text":
        text = unquoted(rest)
        return Typed(verb.name, text=text) if text else f"Say what: {form}"
    if verb.takes == "item and text":
        item, text = _item_and_text(rest)
        return Typed(verb.name, items=item, text=text) if text else f"Say what: {form}"
    items = items_in(rest)
    if len(items) > _MOST_ITEMS:
        return f"That names more than {_MOST_ITEMS} things at once."
    return Typed(verb.name, items=items, text=rest) if items else f"Say which: {form}"


def items_in(text: str) -> tuple[str, ...]:
    """Numbers and ids, `3-5` as three of them, each once."""
    found: list[str] = []
    for word in re.sub(r"\s*[-–]\s*(?=\d+\b)(?<=\d)", "-", text).replace(",", " ").split():
        ends = _RANGE.fullmatch(word)
        first, last = (int(ends[1]), int(ends[2])) if ends else (1, 0)
        if ends and first <= last <= first + _MOST_ITEMS:
            found += map(str, range(first, last + 1))
        else:
            found.append(word)
    return tuple(dict.fromkeys(found))


def _item_and_text(rest: str) -> tuple[tuple[str, ...], str]:
    """`2 "…"` and `2: …` as item and text; a text that is not about one item is text only."""
    match = re.match(
        r"(?:part\s+)?(\d{1,3}(?:\.\d{1,3})?)\s*(?::\s*|(?=[\"“„«'‘]))(.+)", rest, re.DOTALL | re.IGNORECASE
    )
    if match:
        return (match[1],), unquoted(match[2].strip())
    return (), unquoted(rest)


def unquoted(text: str) -> str:
    """A text without the quotation marks around it; a mark that was not closed is taken off, too."""
    text = text.strip()
    end = _QUOTES.get(text[:1])
    if end is None:
        return text
    inner = text[1:]
    return (inner[: -len(end)] if inner.endswith(end) else inner).strip()


def help_lines(verbs: Mapping[str, Verb], width: int) -> list[str]:
    """What each command does, a line each; a line of its own for those that are long or in a narrow terminal."""
    found = []
    for verb in dict.fromkeys(verbs.values()):
        form = verb.form or verb.name
        if verb.help and (len(form) > _FORM or width < 2 * _FORM + len(verb.help)):
            found += [f"  {form}", f"      {verb.help}"]
        elif verb.help:
            found.append(f"  {form:{_FORM}}  {verb.help}")
    return found


def verbs_of(*verbs: Verb, **other: str) -> dict[str, Verb]:
    """Word → command, with other words for some of them (`other word=name`)."""
    named = {v.name: v for v in verbs}
    return named | {word: named[name] for word, name in other.items()}


Command = Callable[[str], Awaitable[bool]]
"""Carries out a line that begins with `/`; whether it was one of the session's commands."""


@dataclass(frozen=True)
class ApprovalDialogue:
    """One question at a gate, and who it is put to."""

    question: Mapping[str, Any]
    context: RunContext
    terminal: Terminal
    command: Command | None

    @property
    def gate(self) -> str:
        """The gate's name."""
        return str(self.question["gate"])

    @property
    def first(self) -> bool:
        """Whether this process asks at the gate for the first time: then all of it is shown."""
        return self.gate not in self.context.shown_gates

    def begin(self) -> bool:
        """Say what came of the last answer; whether everything is to be shown."""
        first = self.first
        self.context.shown_gates.add(self.gate)
        said = str(self.question.get("said", ""))
        if said and not first:
            self.say(*said.splitlines())
        return first

    def say(self, *shown: RenderableType) -> None:
        """Print, a line each."""
        for one in shown:
            self.terminal.say(one)

    async def ask(self, prompt: str, verbs: Mapping[str, Verb], words: Sequence[str] = ()) -> tuple[str, Typed] | None:
        """The next line that is a command of this gate, with what it means; None when the input ended.

        Lines for the session go there, `help` and what is no command is answered here.
        """
        while True:
            line = await self.terminal.ask(prompt, words=[*verbs, *words])
            if line is None:
                return None
            line = line.strip()
            if line.startswith("/"):
                await self._command(line)
                continue
            if not line:
                continue
            typed = parse_line(line, verbs)
            if isinstance(typed, str):
                self.say(typed)
            elif typed.verb == "help":
                self.say(*help_lines(verbs, self.terminal.width))
            else:
                return line, typed

    async def _command(self, line: str) -> None:
        if self.command is None or not await self.command(line):
            self.say(
                f"“{one_line(line, 40)}” is no command of the session. Type /help for those, help for this gate's."
            )

    async def confirmed(self, prompt: str) -> bool:
        """Whether the person types yes; everything else is a no."""
        line = await self.terminal.ask(prompt)
        return line is not None and line.strip().casefold() == "yes"

    async def edited(self, text: str) -> str | None:
        """The YAML after it was edited; None when there is no editor, which is said."""
        try:
            return await self.terminal.edit(text, suffix=".yaml")
        except InputError as error:
            self.say(str(error))
            return None

    def decision(self, line: str, **values: Any) -> Decision:  # noqa: ANN401 - fields of a decision
        """An answer by the person; without `approved` it leaves the gate open."""
        approved = values.pop("approved", None)
        fields = {"gate": self.gate, "by": "human", "typed": one_line(line, 500), **values}
        return Decision.model_validate({**fields, "approved": bool(approved), "more": approved is None})


MOST_MISTAKES: Final = 12


async def edited_form(talk: ApprovalDialogue, text: str, differs: Callable[[str], bool]) -> str | None:
    """The form after the person edited it, once it can be read; None when nothing was changed or the person gave up.

    Args:
        talk: The conversation.
        text: The form as it is.
        differs: Reads a form and says whether it changes anything; raises `FormError` where it cannot be read.
    """
    while True:
        after = await talk.edited(text)
        if after is None:
            return None
        try:
            if differs(after):
                return after
            talk.say("Nothing was changed.")
            return None
        except FormError as error:
            talk.say("This cannot be read:")
            talk.say(*(f"  {mistake}" for mistake in error.mistakes[:MOST_MISTAKES]))
            if not await talk.confirmed("Edit it again? Type yes, or nothing is changed: "):
                talk.say("Nothing was changed.")
                return None
            text = with_mistakes(after, error.mistakes)


def with_mistakes(text: str, mistakes: tuple[Mistake, ...]) -> str:
    """The form with a note above each line that cannot be read; notes of an earlier time are gone."""
    wrong: dict[int, list[str]] = {}
    for mistake in mistakes:
        wrong.setdefault(max(1, mistake.line), []).append(f"{MARK}{mistake.text}")
    lines = []
    for number, line in enumerate(text.split("\n"), 1):
        lines += wrong.get(number, [])
        if not line.startswith(MARK):
            lines.append(line)
    return "\n".join(lines)
