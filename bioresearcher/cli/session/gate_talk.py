"""A conversation at one gate: its question, its run, and the terminal it is held in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import RenderableType

from bioresearcher.cli.session.gate_lines import Typed, Verb, help_lines, parse_line
from bioresearcher.cli.session.terminal import Terminal
from bioresearcher.errors import InputError
from bioresearcher.graph.context import Context
from bioresearcher.schemas.run import Decision
from bioresearcher.text.visible import one_line

Command = Callable[[str], Awaitable[bool]]
"""Carries out a line that begins with `/`; whether it was one of the session's commands."""


@dataclass(frozen=True)
class Talk:
    """One question at a gate, and who it is put to."""

    question: Mapping[str, Any]
    context: Context
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
