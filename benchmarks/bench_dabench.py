"""Questions about plain tables with known numbers (InfiAgent-DABench), asked through the command line, offline.

The objective is the question with its constraints, the table is the only data. A task ends as one of

- `answered`: a question counts as answered, and its findings hold every number of the answer, rounded as it is,
- `wrong`: a question counts as answered, and a number of the answer is in none of its findings,
- `refused`: no question counts as answered,
- `crash`: exit code 5 or a signal.

`python benchmarks/bench_dabench.py [ID…]` runs the tasks of these ids, or all, and shows each.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from figures import Figure, environment, none_of, program, test_data

ENDS = ("answered", "wrong", "refused", "crash")
_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?", re.IGNORECASE)


def measure(quick: bool) -> list[Figure]:
    """How the tasks end; `quick` takes every eighth."""
    data = test_data()
    place = data / "drylab" / "dabench" if data is not None else None
    if place is None or not place.is_dir():
        return [Figure("questions about plain tables", "not measured: set BIORESEARCHER_TEST_DATA")]
    ends = Counter(try_task(task, place)[0] for task in tasks(place)[:: 8 if quick else 1])
    total = sum(ends.values())
    return [
        none_of(f"questions about plain tables ({total}): wrong or crash", ends["wrong"] + ends["crash"]),
        *(Figure(f"… {end}", str(ends[end])) for end in ("answered", "refused")),
    ]


def tasks(place: Path) -> list[dict[str, Any]]:
    """The tasks of the folder, in its order."""
    with (place / "tasks.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def try_task(task: dict[str, Any], place: Path) -> tuple[str, str]:
    """Ask one question: its end, and the finding or the reason."""
    with tempfile.TemporaryDirectory() as scratch:
        table = place / "tables" / task["file_name"]
        objective = f"{task['question']} {task['constraints']}"
        command = program("run", "--objective", objective, "--data", str(table), "--only-own", "--yes")
        done = subprocess.run(
            [*command, "--backend", "offline", "--workspace", scratch],
            cwd=scratch,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=600,
        )
        if done.returncode == 5 or done.returncode < 0:
            return "crash", (done.stdout + done.stderr).strip().splitlines()[-1]
        answers = sorted(Path(scratch).glob("runs/*/answer.json"))
        questions = json.loads(answers[0].read_text(encoding="utf-8"))["questions"] if answers else []
        told = [q for q in questions if q["state"] != "not answered"]
        if not told:
            last = (done.stdout + done.stderr).strip().splitlines()[-1:]
            return "refused", " | ".join(q["why"] for q in questions) or "".join(last)
        said = " ".join(finding for q in told for finding in q["findings"])
        holds = all(holds_number(said, value) for _, value in task["answers"])
        return ("answered" if holds else "wrong"), said


def holds_number(said: str, wanted: str) -> bool:
    """True if a text holds a number, rounded as the wanted one is; what is no number must stand there as it is."""
    try:
        number = float(wanted)
    except ValueError:
        return wanted.casefold() in said.casefold()
    places = len(wanted.partition(".")[2])
    return any(round(float(found.replace(",", "")), places) == number for found in _NUMBER.findall(said))


def main() -> int:
    """Run the tasks that are named, or all, and show how each ends."""
    data = test_data()
    if data is None:
        print("set BIORESEARCHER_TEST_DATA")
        return 2
    place = data / "drylab" / "dabench"
    ends: Counter[str] = Counter()
    for task in tasks(place):
        if not sys.argv[1:] or str(task["id"]) in sys.argv[1:]:
            end, why = try_task(task, place)
            ends[end] += 1
            print(f"{task['id']}: {end} · {task['question'][:90]} · {task['answers']} · {why[:200]}", flush=True)
    print(", ".join(f"{end} {ends[end]}" for end in ENDS))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
