"""Start-up file (`sitecustomize`) of a script that reads the clock: today is the run's date.

The variable RUN_DATE holds it as ISO text. The clock is moved by whole days, so that durations and times of day stay; a
script run again on another day then writes the same date. Changed are the functions of `time`, which `date.today` asks
too, and, for modules beside this file alone, `datetime.datetime`: compiled libraries need the class that they know.
"""

from __future__ import annotations

import builtins
import datetime
import os
import time
from datetime import datetime as old_moment
from types import ModuleType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

DAY_S = 86_400
BESIDE = __file__.rpartition("/")[0]


def move_clock(today: str) -> None:
    """Let `time` and `datetime` give the date `today`; a text that is no date changes nothing."""
    try:
        days = (datetime.date.fromisoformat(today) - datetime.date.fromisoformat(time.strftime("%Y-%m-%d"))).days
    except ValueError:
        return
    if days:
        _patch_time(days)
        _patch_imports(_moved_module(datetime.timedelta(days=days)))


def _patch_time(days: int) -> None:
    seconds, nanoseconds = time.time, time.time_ns
    local, utc, text, written = time.localtime, time.gmtime, time.ctime, time.strftime
    moved = vars(time)
    moved["time"] = lambda: seconds() + days * DAY_S
    moved["time_ns"] = lambda: nanoseconds() + days * DAY_S * 10**9
    moved["localtime"] = lambda at=None: local(time.time() if at is None else at)
    moved["gmtime"] = lambda at=None: utc(time.time() if at is None else at)
    moved["ctime"] = lambda at=None: text(time.time() if at is None else at)
    moved["strftime"] = lambda form, at=None: written(form, time.localtime() if at is None else at)


def _moved_module(by: datetime.timedelta) -> ModuleType:
    """Make a module `datetime` whose class of moments differs in nothing but the present one."""

    class AnyMoment(type):
        def __instancecheck__(cls, other: object) -> bool:
            return isinstance(other, old_moment)

        def __subclasscheck__(cls, other: type) -> bool:
            return issubclass(other, old_moment)

    class Moment(old_moment, metaclass=AnyMoment):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Self:
            at = old_moment.now(tz) + by
            return cls.combine(at.date(), at.timetz())

        @classmethod
        def utcnow(cls) -> Self:
            return cls.now(datetime.UTC).replace(tzinfo=None)

    Moment.__name__ = Moment.__qualname__ = "datetime"
    module = ModuleType("datetime", datetime.__doc__)
    vars(module).update({**vars(datetime), "datetime": Moment})
    return module


def _patch_imports(moved: ModuleType) -> None:
    """Give that module to the script and the modules beside it."""
    import_as_before = builtins.__import__

    def import_moved(
        name: str,
        globals: Mapping[str, object] | None = None,
        locals: Mapping[str, object] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if name == "datetime" and str((globals or {}).get("__file__", "")).rpartition("/")[0] == BESIDE:
            return moved
        return import_as_before(name, globals, locals, fromlist or (), level)

    builtins.__import__ = import_moved


if __name__ in {"sitecustomize", "run_date"}:
    move_clock(os.environ.get("RUN_DATE", ""))
