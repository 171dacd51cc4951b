"""Questions about plain tables with known numbers (InfiAgent-DABench), asked through the command line, offline.

The objective is the question with its constraints, the table is the only data. A task ends as one of

- `answered`: a question counts as answered, and its findings hold every number of the answer, rounded as it is,
- `wrong`: a question counts as answered, and a number of the answer is in none of its findings,
- `refused`: no question counts as answered,
- `crash`: exit code 5 or a signal.

`python benchmarks/bench_dabench.py [ID…]` runs the tasks of these ids, or all, and shows each. With a model they are
run as a batch: `--objectives FILE` writes the tasks for `bioresearcher batch FILE`, and `--score WORKSPACE` tells how
the runs of such a batch ended, with the calls and tokens of each. Words such as `Yes` or `none` are looked for as they
stand, though the form of the answer is not shown: read what is `wrong`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from statistics import median
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
        runs = sorted(Path(scratch).glob("runs/*"))
        end, said = end_of(runs[0], task) if runs else ("refused", "")
        return end, said or "".join((done.stdout + done.stderr).strip().splitlines()[-1:])


def end_of(run: Path, task: dict[str, Any]) -> tuple[str, str]:
    """Tell how a run ended: its end, and the findings or the reason."""
    answers = run / "answer.json"
    questions = json.loads(answers.read_text(encoding="utf-8"))["questions"] if answers.is_file() else []
    told = [q for q in questions if q["state"] != "not answered"]
    if not told:
        return "refused", " | ".join(q["why"] for q in questions)
    said = " ".join(finding for q in told for finding in q["findings"])
    holds = all(holds_number(said, value) for _, value in task["answers"])
    return ("answered" if holds else "wrong"), said


def write_objectives(place: Path, target: Path) -> None:
    """Write the tasks as objectives of a batch."""
    with target.open("w", encoding="utf-8") as out:
        for task in tasks(place):
            objective = f"{task['question']} {task['constraints']}"
            table = str(place / "tables" / task["file_name"])
            row = {"id": f"d{task['id']}", "objective": objective, "data": [table], "settings": {"only_own": True}}
            out.write(json.dumps(row) + "\n")


def score(place: Path, workspace: Path) -> None:
    """Show how the finished runs of a batch of the tasks ended, what each took, and the medians."""
    ends: Counter[str] = Counter()
    spent: list[tuple[int, int]] = []
    for task in tasks(place):
        for run in sorted(workspace.glob(f"**/runs/d{task['id']}-*")):
            record = json.loads((run / "run.json").read_text(encoding="utf-8"))
            if record["status"] != "done":
                continue
            end, said = end_of(run, task)
            calls = sum(row["usage"]["calls"] for row in record["usage"])
            read = sum(row["usage"]["input_tokens"] for row in record["usage"])
            ends[end] += 1
            spent.append((calls, read))
            print(f"{task['id']}: {end} · {calls} calls, {read:,} tokens read · {task['answers']} · {said[:300]}")
    print(", ".join(f"{end} {ends[end]}" for end in ENDS))
    if spent:
        calls, read = (sorted(column) for column in zip(*spent, strict=True))
        print(f"median {median(calls):g} calls (most {calls[-1]}), {median(read):,.0f} tokens read (most {read[-1]:,})")


def holds_number(said: str, wanted: str) -> bool:
    """True if a text holds a number, rounded as the wanted one is; what is no number must stand there as it is."""
    try:
        number = float(wanted)
    except ValueError:
        return wanted.casefold() in said.casefold()
    half = 0.5 * 10.0 ** -len(wanted.partition(".")[2]) + 1e-9
    return any(abs(float(found.replace(",", "")) - number) <= half for found in _NUMBER.findall(said))


def main() -> int:
    """Run the tasks that are named, or all, and show how each ends."""
    data = test_data()
    if data is None:
        print("set BIORESEARCHER_TEST_DATA")
        return 2
    place = data / "drylab" / "dabench"
    if sys.argv[1:2] == ["--objectives"]:
        write_objectives(place, Path(sys.argv[2]))
        return 0
    if sys.argv[1:2] == ["--score"]:
        score(place, Path(sys.argv[2]))
        return 0
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
