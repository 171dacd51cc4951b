"""Errors that cross module borders.

    BioresearcherError
    ├── InputError            2  the user's input, file or option is wrong
    │   ├── RunFolderError    2  a run folder is in use, foreign, or from a newer version
    │   │   └── InputsChangedError  2  papers or data are not those the run was started with
    │   └── NothingRevisedError  2  a comment on a protocol led to no change
    ├── StoppedError          3  stopped in order (Ctrl-C, budget, an approval left open); resumable
    │   └── BudgetError       3  the run's budget is used up
    ├── OutsideError          4  something outside the program failed
    │   ├── WorkspaceError    4  the workspace cannot be read or written (permissions, full disk)
    │   ├── SandboxUnavailableError  4  no sandbox of the asked level works on this machine
    │   └── BackendError      4  a model could not answer
    │       ├── ModelUnavailableError  4  unreachable, overloaded or too slow, also after retries
    │       ├── ModelRefusedError      4  the provider does not accept the request: key, rights, model name
    │       └── AnswerError            4  it answered, but the answer cannot be used
    │           ├── ReplyInvalidError    it does not fit the schema, also after repair
    │           ├── TruncatedError       it was cut at the longest allowed answer
    │           ├── RefusalError         the model declined to answer
    │           ├── EmptyReplyError      nothing was in it
    │           └── ContextOverflowError the prompt does not fit the model's context
    └── DefectError           5  an internal contract was broken: a bug

The number is the exit code of the command line. Scientific failures (an unreadable paper, a task whose
code fails) are values in the run's record, not errors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bioresearcher.schemas.base import Usage


class BioresearcherError(Exception):
    """Base class: a message of one line and a hint for the next step.

    Attributes:
        message: The problem, naming the file, field or option.
        hint: Advice on what to do next; empty when there is none.
        retryable: Whether the same call may succeed when repeated.
        exit_code: The command line's exit code for this error.
    """

    exit_code = 5
    retryable = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class InputError(BioresearcherError):
    """The user's input, file or option is wrong; nothing was started."""

    exit_code = 2


class RunFolderError(InputError):
    """A run folder is in use by another process, is not one, or was written by a newer version."""


class InputsChangedError(RunFolderError):
    """Papers or data are not those the run was started with: it can only be started anew."""


class NothingRevisedError(InputError):
    """A comment on a protocol led to no change."""


class StoppedError(BioresearcherError):
    """The run stopped in order and can be resumed."""

    exit_code = 3


class BudgetError(StoppedError):
    """The run's budget (money, tokens or time) is used up."""


class OutsideError(BioresearcherError):
    """Something outside the program failed."""

    exit_code = 4


class WorkspaceError(OutsideError):
    """The workspace cannot be read or written."""


class ServiceAnswerError(OutsideError):
    """A literature or data service answered with something else than was asked for."""


class VectorServerError(WorkspaceError):
    """The server with the library's vectors cannot be reached; a search goes on without it."""


class SandboxUnavailableError(OutsideError):
    """No sandbox of the asked level works on this machine."""


class BackendError(OutsideError):
    """A model could not answer."""


class ModelUnavailableError(BackendError):
    """The model's server could not be reached, was overloaded or too slow, also after retries."""


class ModelRefusedError(BackendError):
    """The provider does not accept the request: wrong key, no rights, unknown model, a field it does not know."""


class AnswerError(BackendError):
    """The model answered, but the answer cannot be used; asking the same again would most likely not help.

    Attributes:
        usage: Tokens and cost of the answer, which is paid for all the same.
        text: The answer as far as there was one, for the repair turn and for the ledger.
        model: Provider and model that gave it.
    """

    def __init__(self, message: str, *, hint: str = "", usage: Usage | None = None, text: str = "") -> None:
        super().__init__(message, hint=hint)
        self.usage = usage
        self.text = text
        self.model = ""


class ReplyInvalidError(AnswerError):
    """A model's answer did not fit the schema, also after the repair turn."""


class TruncatedError(AnswerError):
    """The answer was cut at the longest allowed answer."""


class RefusalError(AnswerError):
    """The model declined to answer."""


class EmptyReplyError(AnswerError):
    """There was nothing in the answer."""


class ContextOverflowError(AnswerError):
    """The prompt does not fit the model's context."""


class DefectError(BioresearcherError):
    """An internal contract was broken."""
