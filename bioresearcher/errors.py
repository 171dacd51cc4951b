"""Errors that cross module borders.

    BioresearcherError
    ├── InputError            2  the user's input, file or option is wrong
    │   └── RunFolderError    2  a run folder is in use, foreign, or from a newer version
    ├── StoppedError          3  stopped in order (Ctrl-C, budget, a gate left open); resumable
    ├── OutsideError          4  something outside the program failed
    │   ├── WorkspaceError    4  the workspace cannot be read or written (permissions, full disk)
    │   ├── SandboxUnavailableError  4  no sandbox of the asked level works on this machine
    │   └── BackendError      4  a model could not answer
    │       └── ReplyInvalidError  4  its answer did not fit the schema, also after repair
    └── DefectError           5  an internal contract was broken: a bug

The number is the exit code of the command line. Scientific failures (an unreadable paper, a task whose
code fails) are values in the run's record, not errors.
"""

from __future__ import annotations


class BioresearcherError(Exception):
    """Base class: one line saying what happened to what, and a hint saying what to do next.

    Attributes:
        message: What happened, naming the file, field or option.
        hint: What to do next; empty when there is nothing useful to say.
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


class StoppedError(BioresearcherError):
    """The run stopped in order and can be resumed."""

    exit_code = 3


class OutsideError(BioresearcherError):
    """Something outside the program failed."""

    exit_code = 4


class WorkspaceError(OutsideError):
    """The workspace cannot be read or written."""


class SandboxUnavailableError(OutsideError):
    """No sandbox of the asked level works on this machine."""


class BackendError(OutsideError):
    """A model could not answer."""


class ReplyInvalidError(BackendError):
    """A model's answer did not fit the schema, also after the repair turn."""


class DefectError(BioresearcherError):
    """An internal contract was broken."""
