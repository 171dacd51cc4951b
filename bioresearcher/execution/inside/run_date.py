"""Start-up file (`sitecustomize`) of a script that reads the clock: today is the run's date.

The variable RUN_DATE holds it as ISO text. The clock is moved by whole days, so that durations and times of day stay; a
script run again on another day then writes the same date. Changed are the functions of `time` and `datetime`.
"""

from __future__ import annotations

import datetime
import os
import time
from datetime import date as old_date
from datetime import datetime as old_moment
from typing import Self

DAY_S = 86_400


def move_clock(today: str) -> None:
    """Let `time` and `datetime` give the date `today`; a text that is no date changes nothing."""
    try:
        days = (datetime.date.fromisoformat(today) - datetime.date.today()).days  # noqa: DTZ011 - as scripts see it
    except ValueError:
        return
    if days:
        _patch_time(days)
        _patch_datetime(datetime.timedelta(days=days))


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


def _patch_datetime(by: datetime.timedelta) -> None:
    """Put classes in the place of `date` and `datetime` that differ in nothing but the present moment."""

    class AnyDate(type):
        def __instancecheck__(cls, other: object) -> bool:
            return isinstance(other, old_date)

        def __subclasscheck__(cls, other: type) -> bool:
            return issubclass(other, old_date)

    class AnyMoment(type):
        def __instancecheck__(cls, other: object) -> bool:
            return isinstance(other, old_moment)

        def __subclasscheck__(cls, other: type) -> bool:
            return issubclass(other, old_moment)

    class date(old_date, metaclass=AnyDate):
        @classmethod
        def today(cls) -> Self:
            return cls.fromordinal((old_date.today() + by).toordinal())  # noqa: DTZ011 - as scripts see it

    class moment(old_moment, metaclass=AnyMoment):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Self:
            at = old_moment.now(tz) + by
            return cls.combine(at.date(), at.timetz())

        @classmethod
        def today(cls) -> Self:
            return cls.now()

        @classmethod
        def utcnow(cls) -> Self:
            return cls.now(datetime.UTC).replace(tzinfo=None)

    moment.__name__ = moment.__qualname__ = "datetime"
    vars(datetime).update({"date": date, "datetime": moment})


if __name__ in {"sitecustomize", "run_date"}:
    move_clock(os.environ.get("RUN_DATE", ""))
