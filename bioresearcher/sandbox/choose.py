"""Choosing a sandbox that works here. Running without one is never a fallback, only an explicit wish."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

from bioresearcher.errors import InputError, SandboxUnavailableError
from bioresearcher.sandbox.base import Job, Sandbox
from bioresearcher.sandbox.bubblewrap import BubblewrapSandbox, find_binaries
from bioresearcher.sandbox.container import ContainerSandbox, find_engines
from bioresearcher.sandbox.folders import remove_tree, temporary_folder
from bioresearcher.sandbox.none import UnsandboxedSandbox
from bioresearcher.schemas.execution import Limits

Wanted = Literal["auto", "bubblewrap", "container", "none"]

_HINT = (
    "Install the system's package `bubblewrap` and allow unprivileged user namespaces, start Docker or Podman, or "
    "accept running generated code without isolation with --sandbox none."
)


def choose_sandbox(wanted: Wanted | str = "auto") -> Sandbox:
    """A sandbox that has just run an empty job (about 50 ms); `none` only when it is asked for by name.

    `auto` tries bubblewrap (the system's, then the packaged one), then the container engines.

    Raises:
        InputError: There is no sandbox of this name.
        SandboxUnavailableError: None of the wanted level works on this machine; the message says why.
    """
    if wanted == "none":
        return UnsandboxedSandbox()
    if wanted not in ("auto", "bubblewrap", "container"):
        raise InputError(
            f"there is no sandbox called {wanted!r}.", hint="Known are auto, bubblewrap, container and none."
        )
    reasons = []
    for make in _candidates(wanted):
        try:
            sandbox = make()
            _run_nothing(sandbox)
        except SandboxUnavailableError as error:
            reasons.append(error.message.rstrip("."))
        else:
            return sandbox
    raise SandboxUnavailableError(f"no sandbox works on this machine: {'; '.join(reasons)}.", hint=_HINT)


def _candidates(wanted: str) -> Iterator[Callable[[], BubblewrapSandbox | ContainerSandbox]]:
    if wanted != "container":
        for binary in find_binaries() or (None,):
            yield partial(BubblewrapSandbox, binary)
    if wanted != "bubblewrap":
        for engine in find_engines() or (None,):
            yield partial(ContainerSandbox, engine)


def _run_nothing(sandbox: BubblewrapSandbox | ContainerSandbox) -> None:
    folder = temporary_folder()
    try:
        code, work = folder / "code", folder / "work"
        for each in (code, work):
            each.mkdir()
        (code / "nothing.py").write_text("", encoding="utf-8")
        result = sandbox.try_out(Job(code_dir=code, script="nothing.py", work_dir=work, limits=Limits(wall_s=20)))
        if result.exit_code != 0:
            said = result.stderr.strip().splitlines() or [f"exit code {result.exit_code}"]
            raise SandboxUnavailableError(f"Python does not start in the sandbox: {said[-1]}.")
    except OSError as error:
        raise SandboxUnavailableError(f"the sandbox could not be tried out: {error}.") from error
    finally:
        remove_tree(folder)
