"""Inputs from public bug reports, asked about as their `case.md` says, through the real command line and offline.

What came out is held against `cases/expected.toml`, whose values were computed apart. A case ends as one of

- `silent wrong`: a verified finding of the kind that was asked for has other numbers, and nothing says so,
- `answered rightly`: a finding has the numbers, and none is about other samples,
- `asked or refused`: nothing was computed as an answer, and the line or flag that mends it is printed,
- `no vetted analysis`: nothing was computed as an answer, because none of the analyses does what is asked for,
- `crash`: exit code 5 or a signal,
- `other`: nothing was computed as an answer, and neither is said.

`python benchmarks/bench_cases.py [WORDS…] [--keep DIR]` runs the cases whose name holds a word, and shows each.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from figures import ROOT, Figure, environment, none_of, program

EXPECTED = Path(__file__).with_name("cases") / "expected.toml"
ENDS = ("silent wrong", "answered rightly", "asked or refused", "no vetted analysis", "crash", "other")
AT_LEAST_RIGHT = 18
_COMMAND = re.compile(r"```sh\nbioresearcher (run .+?)\n```", re.DOTALL)
_MEND = re.compile(r"dataset\.toml|--data FILE\.gmt|(?<![\w-])--(?!yes|backend|data\b|only-own)[a-z][a-z-]+")
_NO_ANALYSIS = re.compile(r"no vetted analysis", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """A finding that may be an answer: its kind and its numbers, by the names of `expected.toml`."""

    kind: str
    numbers: dict[str, Any]
    statement: str


@dataclass(frozen=True)
class Case:
    """A case and what came of it."""

    name: str
    end: str
    why: str
    said: str
    answers: tuple[Answer, ...] = field(default=())


def folder() -> Path | None:
    """The folder of the cases, named by BIORESEARCHER_CASES or beside the checkout."""
    named = os.environ.get("BIORESEARCHER_CASES")
    places = ([Path(named)] if named else []) + [ROOT.parent / "shared" / "cases" / "data"]
    return next((p for p in places if p.is_dir()), None)


def measure(quick: bool) -> list[Figure]:
    """All cases; without their folder there is nothing to measure. `quick` takes every fourth."""
    place = folder()
    if place is None:
        return [Figure("inputs from bug reports", "not measured: set BIORESEARCHER_CASES")]
    names = sorted(p.parent.name for p in place.glob("*/case.md"))
    with tempfile.TemporaryDirectory() as work:
        cases = [try_case(place / name, Path(work)) for name in names[:: 4 if quick else 1]]
    return figures(cases)


def figures(cases: Sequence[Case]) -> list[Figure]:
    """The counts of how cases ended."""
    ends = Counter(case.end for case in cases)
    wrong = ", ".join(c.name for c in cases if c.end in ("silent wrong", "crash"))
    right, share = ends["answered rightly"], min(AT_LEAST_RIGHT, len(cases) // 2)
    return [
        none_of(
            f"inputs from bug reports ({len(cases)}): silent wrong or crash", ends[ENDS[0]] + ends["crash"], note=wrong
        ),
        Figure("… answered rightly", str(right), f"≥ {share}", right >= share),
        *(Figure(f"… {end}", str(ends[end])) for end in ENDS[2:] if end != "crash"),
    ]


def try_case(case: Path, work: Path) -> Case:
    """Run a case's command in a copy of its folder, and hold what came out against the table."""
    found = _COMMAND.search((case / "case.md").read_text(encoding="utf-8"))
    if found is None:
        raise ValueError(f"{case.name}: case.md gives no command")
    copy = work / case.name
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(parents=True)
    shutil.copytree(case / "input", copy / "input")
    done = subprocess.run(
        [*program(*shlex.split(found[1])), "--workspace", str(copy / "workspace")],
        cwd=copy,
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    said = done.stdout + done.stderr
    (copy / "said.txt").write_text(f"{said}\nrc={done.returncode}\n", encoding="utf-8")
    return judge(case.name, copy / "workspace", said, done.returncode)


def judge(name: str, workspace: Path, said: str, code: int) -> Case:
    """The end of a case, from its run folder, its terminal and its exit code."""
    last = _tail(said, code)
    if code == 5 or code < 0 or "this is a bug" in said:
        return Case(name, "crash", f"exit code {code}", last)
    table = tomllib.loads(EXPECTED.read_text(encoding="utf-8"))
    if name not in table:
        raise ValueError(f"{EXPECTED.name}: no table is called {name!r}; a name with a point needs quotes")
    expected = table[name]
    run = next(iter(sorted(workspace.glob("runs/*"))), None)
    answers = tuple(answers_of(run)) if run else ()
    kinds = expected.get("kinds", ["difference", "time to event"])
    told = [a for a in answers if a.kind in kinds]
    if told:
        rights = expected.get("right", [])
        right = [a for a in told if any(matches(a, one) for one in rights)]
        strange = [a for a in told if "n" in expected and a.numbers.get("n") not in _each(expected["n"])]
        if right and not strange:
            return Case(name, "answered rightly", right[0].statement, last, answers)
        return Case(name, "silent wrong", (strange or told)[0].statement, last, answers)
    if _NO_ANALYSIS.search(said):
        return Case(name, "no vetted analysis", "", last, answers)
    if _MEND.search(said):
        return Case(name, "asked or refused", "", last, answers)
    return Case(name, "other", "", last, answers)


def matches(answer: Answer, right: dict[str, Any]) -> bool:
    """True when each number or word of a right answer is this answer's; a list of two numbers is a range.

    `leading` names genes with the range of their difference: those among the genes that were named must lie in it.
    """
    for name, wanted in right.items():
        given = answer.numbers.get(name)
        if isinstance(wanted, dict):
            named = {gene: value for gene, value in (given or {}).items() if gene in wanted}
            if not named or any(not wanted[g][0] <= value <= wanted[g][1] for g, value in named.items()):
                return False
        elif isinstance(wanted, list) and all(isinstance(w, int | float) for w in wanted):
            if not isinstance(given, int | float) or not wanted[0] <= given <= wanted[1]:
                return False
        elif isinstance(wanted, str):
            if str(given).strip().casefold() not in {w.casefold() for w in wanted.split("|")}:
                return False
        elif given != wanted:
            return False
    return True


def answers_of(run: Path) -> Iterator[Answer]:
    """The findings of verified tasks that are results of a test or a model, unless no question counts as answered."""
    answer = run / "answer.json"
    if answer.is_file():
        questions = json.loads(answer.read_text(encoding="utf-8")).get("questions", [])
        if questions and all(q.get("state") == "not answered" for q in questions):
            return
    for path in sorted(run.glob("tasks/*/record.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        task = json.loads(path.with_name("task.json").read_text(encoding="utf-8"))
        beside = "data as given" in task["title"]  # a sensitivity analysis, called so, beside the answer
        findings = record["findings"] if record["outcome"] == "verified" and not beside else []
        values = [f["values"] for f in findings]
        pairs = [zip(v.get("genes", ()), v.get("differences", ()), strict=False) for v in values]
        leading = {gene: difference for pair in pairs for gene, difference in pair}
        for finding in findings:
            found = _answer(finding)
            if found is not None:
                yield Answer(found.kind, {**found.numbers, "leading": leading}, found.statement)


def _answer(finding: dict[str, Any]) -> Answer | None:
    """A finding as an answer, by its structured result or by the names of its values."""
    values, said = finding.get("values", {}), finding["statement"]
    result = finding.get("result")
    if result:
        contrast = result.get("contrast") or {}
        numbers = {**result, **{f"result_{k}": v for k, v in values.items()}}
        numbers |= {"case": contrast.get("case"), "control": contrast.get("control")}
        numbers["terms"] = 1 + len(result.get("terms", ()))
        kind = result.get("kind", "")
        return (
            Answer(kind, numbers, said) if kind in ("difference", "time to event", "association", "synthesis") else None
        )
    if "significant" in values:
        numbers = {"n": values["n_case"] + values["n_control"], "called": values["significant"]}
        numbers |= {"higher": values["higher_in_case"], "lower": values["lower_in_case"], "tested": values["tested"]}
        return Answer("difference", numbers | {k: values[k] for k in ("case", "control")}, said)
    if "hr" in values:
        terms = 1 + sum(k.startswith("covariate_") for k in values)
        return Answer(
            "time to event",
            {"n": values["n"], "events": values["events"], "estimate": values["hr"], "terms": terms},
            said,
        )
    if "chi_square" in values:
        return Answer(
            "time to event", {"n": values["n"], "events": values["events"], "chi_square": values["chi_square"]}, said
        )
    return None


def _each(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _tail(said: str, code: int) -> str:
    lines = [line for line in said.splitlines() if line.strip()]
    return "\n".join([*lines[-8:], f"rc={code}"])


def _chosen(names: Iterable[str], words: Sequence[str]) -> list[str]:
    return [name for name in names if not words or any(word in name for word in words)]


def main() -> int:
    """Run the cases that are named, or all, and show each with what it said last."""
    parser = argparse.ArgumentParser(
        description="Inputs from public bug reports, asked about through the command line."
    )
    parser.add_argument("words", nargs="*", metavar="WORD", help="only cases whose name holds one of these")
    parser.add_argument("--keep", type=Path, metavar="DIR", help="keep the runs in this folder")
    args = parser.parse_args()
    place = folder()
    if place is None:
        sys.exit("there are no cases: set BIORESEARCHER_CASES")
    cases = []
    with tempfile.TemporaryDirectory() as work:
        for name in _chosen(sorted(p.parent.name for p in place.glob("*/case.md")), args.words):
            case = try_case(place / name, args.keep or Path(work))
            cases.append(case)
            print(f"{name}: {case.end}\n    {case.why}", *(f"\n    | {s}" for s in case.said.splitlines()), flush=True)
    print()
    for end in ENDS:
        print(f"{end}: {', '.join(c.name for c in cases if c.end == end) or '–'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
