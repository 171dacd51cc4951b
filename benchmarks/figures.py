"""What a benchmark gives back, how it is shown, and how processes are timed."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SEED = 20261121


@dataclass(frozen=True)
class Figure:
    """A line of the table. `met` is None where no target was set."""

    name: str
    value: str
    target: str = ""
    met: bool | None = None


def measured(
    name: str, values: Sequence[float], unit: str, *, at_most: float | None = None, at_least: float | None = None
) -> Figure:
    """The median of repeated measurements with the least and the greatest; the median decides about the target."""
    median = statistics.median(values)
    value = f"{_plain(median)} {unit}"
    if len(values) > 1:
        value += f" ({_plain(min(values))}–{_plain(max(values))}, n = {len(values)})"
    if at_most is not None:
        return Figure(name, value, f"≤ {_plain(at_most)} {unit}", median <= at_most)
    if at_least is not None:
        return Figure(name, value, f"≥ {_plain(at_least)} {unit}", median >= at_least)
    return Figure(name, value)


def counted(name: str, count: int, of: int, *, note: str = "") -> Figure:
    """So many out of so many; the target is all of them."""
    return Figure(name, f"{count} of {of}" + (f" ({note})" if note else ""), "all", count == of > 0)


def none_of(name: str, count: int, *, note: str = "") -> Figure:
    """A number that has to be zero."""
    return Figure(name, f"{count}" + (f" ({note})" if note else ""), "0", count == 0)


def _plain(number: float) -> str:
    """Three significant digits without an exponent."""
    if abs(number) >= 100:
        return f"{number:,.0f}"
    return f"{number:.3g}"


def show(figures: Sequence[Figure]) -> str:
    """The table, as it can be pasted into the README."""
    verdict = {None: "–", True: "yes", False: "NO"}
    rows = [("figure", "value", "target", "met")]
    rows += [(f.name, f.value, f.target or "–", verdict[f.met]) for f in figures]
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def environment() -> dict[str, str]:
    """The caller's environment without settings of the program, and with this checkout in front."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("BIORESEARCHER_")}
    kept["BIORESEARCHER_ONLY_OWN"] = "1"  # what is measured must not depend on a network
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))}


def program(*args: str) -> list[str]:
    """The command line of `bioresearcher ARGS` with this interpreter."""
    return [sys.executable, "-m", "bioresearcher", *args]


def console_script(*args: str) -> list[str]:
    """The same by the installed script, where this interpreter has one."""
    script = Path(sys.executable).with_name("bioresearcher")
    return [str(script), *args] if script.is_file() else program(*args)


@dataclass(frozen=True)
class Timed:
    """A process that has ended: wall and CPU seconds, its own ended children included."""

    wall_s: float
    cpu_s: float


def timed(command: Sequence[str]) -> Timed:
    """Run a command to its end.

    Raises:
        RuntimeError: Its exit code is not 0; the message ends with what it said.
    """
    started = time.monotonic()
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(),
        text=True,
    )
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, use = os.wait4(process.pid, 0)
    wall_s = time.monotonic() - started
    process.stderr.close()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command[-6:])}: exit code {process.returncode}: {said[-500:]}")
    return Timed(wall_s, use.ru_utime + use.ru_stime)


def test_data() -> Path | None:
    """The folder with real papers, named by BIORESEARCHER_TEST_DATA or beside the checkout."""
    named = os.environ.get("BIORESEARCHER_TEST_DATA")
    places = ([Path(named)] if named else []) + [ROOT.parent / "shared" / "data"]
    return next((p for p in places if p.is_dir()), None)
