"""The dialogue of a human approval: the commands that can be typed, their parser, and the conversation itself.

Parsing is pure: any line gives a command or one clear message, never an error. A form that cannot be read back after
editing is explained line by line and edited again.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from rich.console import RenderableType

from bioresearcher.cli.session.terminal import Terminal
from bioresearcher.errors import InputError
from bioresearcher.graph.context import RunContext
from bioresearcher.schemas.run import Decision
from bioresearcher.stages.forms import MISTAKE_MARK, FormError, Mistake
from bioresearcher.text.visible import one_line

Takes = Literal["nothing", "items", "text", "item and text", "rest"]
"""Arguments of a command: none, numbers or ids, a text with or without quotation marks, both, or anything."""

MOST_TYPED = 4_000
"""Most characters of a line; nobody types more."""
_MOST_ITEMS = 200
_FORM = 16
MOST_MISTAKES: Final = 12
_QUOTES = {'"': '"', "'": "'", "“": "”", "„": "“", "«": "»", "‘": "’"}
_RANGE = re.compile(r"(\d{1,6})\s*[-–]\s*(\d{1,6})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Verb:
    """A command of an approval.

    Attributes:
        name: Its word.
        takes: Its arguments.
        help: Its effect in a few words.
        form: Its usage with arguments; the name alone when empty.
    """

    name: str
    takes: Takes = "nothing"
    help: str = ""
    form: str = ""


@dataclass(frozen=True, slots=True)
class TypedCommand:
    """A command with its arguments, as parsed from a line."""

    verb: str
    items: tuple[str, ...] = ()
    text: str = ""


def parse_line(line: str, verbs: Mapping[str, Verb]) -> TypedCommand | str:
    """Parse a line into a command, or return one message that says why it is none.

    Args:
        line: The line as typed.
        verbs: Word → command; several words may mean the same.
    """
    if len(line) > MOST_TYPED:
        return f"That has {len(line):,} characters; a line may have {MOST_TYPED:,}."
    words = line.split(None, 1)
    if not words:
        return "Type a command, or help."
    word, rest = words[0].casefold().rstrip(":"), words[1].strip() if len(words) > 1 else ""
    verb = verbs.get(word) or _by_beginning(word, verbs)
    if verb is None:
        near = difflib.get_close_matches(word, list(verbs), n=1)
        guess = f" Do you mean {near[0]}?" if near else ""
        return f"“{one_line(words[0], 40)}” is no command here.{guess} Type help for the commands."
    return _with_arguments(verb, rest)


def _by_beginning(word: str, verbs: Mapping[str, Verb]) -> Verb | None:
    """Return the only command that begins with the word, which has at least two letters."""
    found = {v.name: v for name, v in verbs.items() if len(word) >= 2 and name.startswith(word)}
    return next(iter(found.values())) if len(found) == 1 else None


def _with_arguments(verb: Verb, rest: str) -> TypedCommand | str:
    form = verb.form or verb.name
    if verb.takes == "nothing":
        return (
            TypedCommand(verb.name)
            if not rest
            else f"{verb.name} stands alone; “{one_line(rest, 40)}” was not understood."
        )
    if verb.takes == "rest":
        return TypedCommand(verb.name, text=unquoted(rest))
    if verb.takes == "text":
        text = unquoted(rest)
        return TypedCommand(verb.name, text=text) if text else f"Say what: {form}"
    if verb.takes == "item and text":
        item, text = _item_and_text(rest)
        return TypedCommand(verb.name, items=item, text=text) if text else f"Say what: {form}"
    items = items_in(rest)
    if len(items) > _MOST_ITEMS:
        return f"That names more than {_MOST_ITEMS} things at once."
    return TypedCommand(verb.name, items=items, text=rest) if items else f"Say which: {form}"


def items_in(text: str) -> tuple[str, ...]:
    """Return the numbers and ids of a text, `3-5` as three of them, each once."""
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
    """Split `2 "…"` and `2: …` into item and text; any other text has no item."""
    match = re.match(
        r"(?:part\s+)?(\d{1,3}(?:\.\d{1,3})?)\s*(?::\s*|(?=[\"“„«'‘]))(.+)", rest, re.DOTALL | re.IGNORECASE
    )
    if match:
        return (match[1],), unquoted(match[2].strip())
    return (), unquoted(rest)


def unquoted(text: str) -> str:
    """Return a text without the quotation marks around it, also without one that was not closed."""
    text = text.strip()
    end = _QUOTES.get(text[:1])
    if end is None:
        return text
    inner = text[1:]
    return (inner[: -len(end)] if inner.endswith(end) else inner).strip()


def help_lines(verbs: Mapping[str, Verb], width: int) -> list[str]:
    """Return the commands and their effects; a long form, or a narrow terminal, gives two lines a command."""
    found = []
    for verb in dict.fromkeys(verbs.values()):
        form = verb.form or verb.name
        if verb.help and (len(form) > _FORM or width < 2 * _FORM + len(verb.help)):
            found += [f"  {form}", f"      {verb.help}"]
        elif verb.help:
            found.append(f"  {form:{_FORM}}  {verb.help}")
    return found


def verbs_of(*verbs: Verb, **synonyms: str) -> dict[str, Verb]:
    """Return word → command: the given commands, `no` and `help`, and their synonyms (`word=name`)."""
    decline = Verb("no", "rest", "decline: the run ends here", "no [why]")
    named = {v.name: v for v in (*verbs, decline, Verb("help", "nothing", "this list"))}
    return named | {word: named[name] for word, name in (synonyms | {"n": "no"}).items()}


Command = Callable[[str], Awaitable[bool]]
"""Carries out a line that begins with `/`; returns True if it was one of the session's commands."""


@dataclass(frozen=True)
class ApprovalDialogue:
    """One approval that is asked for, its run, and the terminal it is held in."""

    question: Mapping[str, Any]
    context: RunContext
    terminal: Terminal
    command: Command | None

    @property
    def approval(self) -> str:
        """The approval's name."""
        return str(self.question["gate"])

    def begin(self) -> bool:
        """Print the result of the last answer; return True if this process asks for the first time."""
        first = self.approval not in self.context.shown_gates
        self.context.shown_gates.add(self.approval)
        if not first:
            self.say(*str(self.question.get("said", "")).splitlines())
        return first

    def say(self, *shown: RenderableType) -> None:
        """Print each on lines of its own."""
        for one in shown:
            self.terminal.say(one)

    async def decide(
        self,
        prompt: str,
        verbs: Mapping[str, Verb],
        carry_out: Callable[[str, TypedCommand], Awaitable[Decision | None]],
    ) -> Decision | None:
        """Ask for commands until one is a decision; None when the input ended.

        Lines for the session go there; `no`, `help` and what is no command are answered here.

        Args:
            prompt: The prompt.
            verbs: The commands.
            carry_out: Returns the decision of a line and its command; None if it only shows something or is refused.
        """
        while (line := await self.terminal.ask(prompt, words=list(verbs))) is not None:
            line = line.strip()
            if line.startswith("/"):
                await self._command(line)
                continue
            if not line:
                continue
            if line.casefold() in {"quit", "exit"}:
                await self._command("/quit")
                continue
            if line.casefold() == "back" and "back" not in verbs:
                self.say("No question stands before this approval. `no` ends the run; /new begins with other inputs.")
                continue
            typed = parse_line(line, verbs)
            if isinstance(typed, str):
                self.say(typed)
            elif typed.verb == "help":
                self.say(*help_lines(verbs, self.terminal.width))
            elif typed.verb == "no":
                return self.decision(line, approved=False, comment=typed.text[:500])
            elif (decision := await carry_out(line, typed)) is not None:
                return decision
        return None

    async def _command(self, line: str) -> None:
        if self.command is None or not await self.command(line):
            self.say(
                f"“{one_line(line, 40)}” is no command of the session. Type /help for those, help for this approval's."
            )

    async def confirmed(self, prompt: str) -> bool:
        """Ask for a yes; return False for everything else."""
        line = await self.terminal.ask(prompt)
        return line is not None and line.strip().casefold() == "yes"

    async def edited_form(self, text: str, differs: Callable[[str], bool]) -> str | None:
        """Let the person edit a YAML form until it can be read; None when nothing was changed.

        Args:
            text: The form as it is.
            differs: Reads a form and returns True if it changes anything; raises `FormError` where it is unreadable.
        """
        while True:
            try:
                after = await self.terminal.edit(text, suffix=".yaml")
            except InputError as error:  # no editor
                self.say(str(error))
                return None
            try:
                if differs(after):
                    return after
            except FormError as error:
                self.say("This cannot be read:", *(f"  {mistake}" for mistake in error.mistakes[:MOST_MISTAKES]))
                if await self.confirmed("Edit it again? Type yes, or nothing is changed: "):
                    text = with_mistakes(after, error.mistakes)
                    continue
            self.say("Nothing was changed.")
            return None

    def decision(self, line: str, **values: Any) -> Decision:  # noqa: ANN401 - fields of a decision
        """Return the person's answer; without `approved` it leaves the approval open."""
        approved = values.pop("approved", None)
        fields = {"gate": self.approval, "by": "human", "typed": one_line(line, 500), **values}
        return Decision.model_validate({**fields, "approved": bool(approved), "more": approved is None})


def with_mistakes(text: str, mistakes: tuple[Mistake, ...]) -> str:
    """Return the form with a note above each line that cannot be read, and without earlier notes."""
    wrong: dict[int, list[str]] = {}
    for mistake in mistakes:
        wrong.setdefault(max(1, mistake.line), []).append(f"{MISTAKE_MARK}{mistake.text}")
    lines = []
    for number, line in enumerate(text.split("\n"), 1):
        lines += wrong.get(number, [])
        if not line.startswith(MISTAKE_MARK):
            lines.append(line)
    return "\n".join(lines)
