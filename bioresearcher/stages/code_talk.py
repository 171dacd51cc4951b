"""The programmer's conversation: cells as it needs them, the script, and the failures of its clean runs.

All of it is one conversation with one opening. Where rules answer, or no cells can be run, it has no rounds. A model is
shown a failure where its script stands; nothing is cut. One that does not fit the model's context any more begins anew
with the opening and the script that failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bioresearcher.errors import ContextOverflowError
from bioresearcher.llm.ask import ModelClient, ask
from bioresearcher.llm.converse import Done, Tool, converse
from bioresearcher.prompts import Prompt
from bioresearcher.schemas.ask_program import CodeDraft, CodeEdit, ProgrammerTurn, RepairCodeInput, WriteCodeInput
from bioresearcher.schemas.base import Origin
from bioresearcher.schemas.conversation import Said
from bioresearcher.schemas.execution import DryLabTask, Outcome, TaskCode
from bioresearcher.stages.cells import Cells, CellTool, ResetTool, limits_for
from bioresearcher.stages.code_material import unread_citations
from bioresearcher.stages.prompts import REPAIR_CODE, WRITE_CODE

ROUNDS: Final = 6
REPAIR_ROUNDS: Final = 4
"""Rounds of a task before its first script, and after each that failed, scripts included."""

CodeTurn = WriteCodeInput | RepairCodeInput


@dataclass(frozen=True)
class Failure:
    """A script that did not do what it must, and what its run showed."""

    code: str
    outcome: Outcome
    message: str
    output_tail: str
    another_way: bool


class CodeTalk:
    """The conversation about one task."""

    def __init__(self, caller: ModelClient, material: ProgrammerTurn, cells: Cells | None, *, tasks: int) -> None:
        """Begin; nothing is asked yet.

        Args:
            caller: The door to the model, or to the rules.
            material: What every turn has at hand.
            cells: The task's kernel; None: there are no cells.
            tasks: Number of tasks of the protocol, which share the tokens of programming.
        """
        self._caller = caller
        self._material = material
        self._fields: dict[str, Any] = {name: getattr(material, name) for name in ProgrammerTurn.model_fields}
        tools: dict[str, Tool[Any]] = {}
        if cells is not None and not caller.by_rule:
            tools = {"cell": CellTool(cells), "reset": ResetTool(cells)}
        self._tools: Mapping[str, Tool[Any]] = tools
        self._tasks = tasks
        self._said: tuple[Said, ...] = ()
        self._results = ""
        self._done: tuple[Done, ...] = ()
        self._sent = 0
        self._script = ""

    @property
    def task(self) -> DryLabTask:
        """The task."""
        return self._material.task

    @property
    def origin(self) -> Origin:
        """Origin of an answer that could not be used."""
        return self._caller.backend.origin

    def unread(self, code: TaskCode) -> tuple[str, ...]:
        """Return what a script cites and its author was not shown; a skill's own citations are its own."""
        if code.skill is not None:
            return ()
        shown = [self._material.model_dump_json(exclude={"said", "results"}), *(s.text for s in self._said[:1])]
        return unread_citations(code.code, shown)

    async def script(self) -> tuple[CodeDraft, Origin]:
        """Return the first script, after cells if the programmer wants any.

        Raises:
            AnswerError: No answer can be used.
        """
        return await self._turns(WRITE_CODE, WriteCodeInput(**self._fields), ROUNDS)

    async def mended(self, failure: Failure) -> tuple[CodeDraft, Origin]:
        """Return another script after one failed: the complete one, or that one with the edits that were given.

        Where an edit cannot be made, the complete script is asked for once.

        Raises:
            AnswerError: No answer can be used.
        """
        draft, origin = await self._mended(failure)
        if draft.code.strip() or not draft.edits:
            return draft, origin
        made, refused = with_code_edits(failure.code, draft.edits)
        if refused:
            values = RepairCodeInput(**self._fields, **vars(failure), refused=refused)
            draft, origin = await self._asked(REPAIR_CODE, values)
            return draft.model_copy(update={"edits": ()}), origin
        self._script = made
        return draft.model_copy(update={"code": made, "edits": ()}), origin

    async def _mended(self, failure: Failure) -> tuple[CodeDraft, Origin]:
        shown = "" if self._said and failure.code == self._script else failure.code
        values = RepairCodeInput(**self._fields, **{**vars(failure), "code": shown})
        try:
            return await self._turns(REPAIR_CODE, values, REPAIR_ROUNDS)
        except ContextOverflowError:
            if not self._said:
                raise
            self._said, self._results, self._done = (), "", ()
            values = RepairCodeInput(**self._fields, **vars(failure))
            return await self._asked(REPAIR_CODE, values.model_copy(update={"round": 1}))

    async def _turns(self, prompt: Prompt[Any, CodeDraft], values: CodeTurn, rounds: int) -> tuple[CodeDraft, Origin]:
        """Hold rounds until there is a script; when they end without one it is asked for."""
        number = 1
        if self._tools:
            turn = values.model_copy(update={"said": self._said, "results": self._results})
            limits = limits_for(self._tasks, self._sent, rounds=rounds)
            name = f"programmer/{self.task.id}"
            talk = await converse(self._caller, prompt, turn, self._tools, limits, name=name, earlier=self._done)
            self._said, self._results = talk.said, talk.results
            self._done = (*self._done, *talk.done)
            self._sent += talk.sent
            number = len(talk.rounds) + 1
            if talk.stopped == "finished" and isinstance(talk.last, CodeDraft):
                self._script = talk.last.code
                return talk.last, self._caller.backend.origin
            if talk.stopped == "no usable answer" and talk.failure is not None:
                raise talk.failure
        return await self._asked(prompt, values.model_copy(update={"round": number}))

    async def _asked(self, prompt: Prompt[Any, CodeDraft], values: CodeTurn) -> tuple[CodeDraft, Origin]:
        """Ask for the script, without rounds; a conversation that is too long is left behind."""
        turn = values.model_copy(update={"said": self._said, "results": self._results, "rounds": 0})
        try:
            answer = await ask(self._caller, prompt, turn)
        except ContextOverflowError:
            if not self._said or prompt is not WRITE_CODE:
                raise
            turn = turn.model_copy(update={"said": (), "results": ""})
            self._said = ()
            answer = await ask(self._caller, prompt, turn)
        self._said, self._results = (*self._said, *answer.exchange), ""
        self._script = answer.value.code
        return answer.value, answer.origin


def with_code_edits(code: str, edits: Sequence[CodeEdit]) -> tuple[str, str]:
    """Return a script with edits made one after the other; with the reason, and unchanged, where one cannot be made."""
    made = code
    for number, edit in enumerate(edits, 1):
        times = made.count(edit.old) if edit.old.strip() else 0
        if times != 1:
            stands = "it names no text" if not edit.old.strip() else f"its `old` stands {times} times in the script"
            return code, f"edit {number} of {len(edits)}: {stands}, not once; none of the edits was made"
        made = made.replace(edit.old, edit.new)
    return made, "" if made != code else "the edits change nothing"
