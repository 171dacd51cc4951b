"""What the prompt that answers a question from the library takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from bioresearcher.schemas.base import SENTENCE, Value
from bioresearcher.schemas.passage import Passage


class AnswerQuestionInput(Value):
    """For `literature/answer_question`."""

    droppable: ClassVar[Mapping[str, int]] = {"passages": 1}

    question: str
    passages: tuple[Passage, ...] = Field(description="the closest first")


class SentenceDraft(Value):
    """One sentence of an answer with the words it stands on."""

    text: str = Field(description="one statement of the passages, in English", json_schema_extra=SENTENCE)
    quotes: tuple[str, ...] = Field(description="one to three sentences copied letter by letter from the passages")


class AnswerDraft(Value):
    """An answer from the passages alone; `in_library` is false and there is no sentence when they hold none."""

    in_library: bool = Field(description="Do the passages answer the question?")
    sentences: tuple[SentenceDraft, ...] = ()
