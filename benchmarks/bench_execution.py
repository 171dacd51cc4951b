"""Dry-lab tasks: verified and right, or blocked where the data do not allow them; mistakes and their rungs.

`python benchmarks/bench_execution.py [--quick] [--only TEXT]` also prints every task: its outcome, whether it is
right, and its seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from figures import ROOT, Figure, environment, measured, none_of, show, test_data

HERE = Path(__file__).parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "support"), str(HERE / "execution")]

from dry_checks import Seen  # noqa: E402 - the folder has to be on the path first
from dry_data import make_store  # noqa: E402
from dry_mistakes import MISTAKES, code_of, make_task  # noqa: E402
from dry_scripts import SHEET  # noqa: E402
from dry_tasks import Plan, impossible, impossible_in_r, possible, possible_in_r  # noqa: E402
from scripted_backend import ScriptedBackend  # noqa: E402

from bioresearcher.events import EventLog  # noqa: E402
from bioresearcher.execution.attempt import run_attempt  # noqa: E402
from bioresearcher.execution.languages import can_run  # noqa: E402
from bioresearcher.llm.ask import ModelClient  # noqa: E402
from bioresearcher.llm.backend import Backend  # noqa: E402
from bioresearcher.llm.ledger import Ledger  # noqa: E402
from bioresearcher.offline.backend import offline_backend  # noqa: E402
from bioresearcher.prompts import PromptBook  # noqa: E402
from bioresearcher.resources import Resources, load_cards  # noqa: E402
from bioresearcher.sandbox.choose import choose_sandbox  # noqa: E402
from bioresearcher.schemas.ask_program import CodeDraft  # noqa: E402
from bioresearcher.schemas.dataset import DataFile, Dataset  # noqa: E402
from bioresearcher.schemas.execution import Limits, Outcome, TaskCode, TaskRecord  # noqa: E402
from bioresearcher.skills import load_skills  # noqa: E402
from bioresearcher.stages.program import Workbench, program_task  # noqa: E402

AT_A_TIME = 2
QUICK = ("golub", "no-events", "metastasis", "e2f-validated", "cohort", "foreign", "no-", "three", "kaplan-meier-no")
SHARE = 0.95
_FLOAT = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?")
_PEAK = """
import atexit, runpy, sys
atexit.register(lambda: sys.stderr.write(open("/proc/self/status").read()))
runpy.run_module("bioresearcher.sandbox", run_name="__main__", alter_sys=True)
"""
"""The sandbox's command, with its own peak memory at the end (a child's `ru_maxrss` counts its parent's)."""
_BUSY = "none: the right script"


@dataclass(frozen=True)
class Line:
    """One task: what came out, and what is wrong with it (nothing when it is right).

    `run_s` is the time of the real run alone; a check is `blind` that says nothing of a spoilt copy of the outputs.
    """

    name: str
    kind: str
    outcome: str
    seconds: float
    wrong: str = ""
    run_s: float = 0.0
    blind: bool = False
    peak_mb: float = 0.0


def measure(quick: bool) -> list[Figure]:
    """All tasks and all mistakes (quick: a part of both)."""
    data = test_data()
    if data is None:
        return [Figure("dry-lab tasks", "not measured: set BIORESEARCHER_TEST_DATA")]
    return asyncio.run(_measure(data, quick, ""))


async def _measure(data: Path, quick: bool, only: str) -> list[Figure]:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        root.chmod(0o755)
        in_r = [*possible_in_r(), *impossible_in_r()]
        skills = load_skills(Resources())
        there = [p for p in in_r if can_run(skills[p.skill].contract)]
        plans = _chosen([*possible(), *impossible(), *there], quick, only)
        started = time.monotonic()
        lines = await _run_tasks(plans, data, root)
        wall_s = time.monotonic() - started
        names = [n for n, m in MISTAKES.items() if not (quick and m.heavy) and (not only or only in n)]
        slips = await _run_mistakes(names, root)
        fair = [] if quick else await _run_fair(only, root)
        more = [] if only else [*await _eight(root), _supervisor(root)]
    if len(there) < len(in_r):
        more.append(
            Figure("tasks in R", f"{len(in_r) - len(there)} of {len(in_r)} not measured: no R, or not its packages")
        )
    return [*_of_tasks(lines, wall_s), *_by_skill(lines), *_of_mistakes(slips), *_of_fair(fair), *more]


def _chosen(plans: list[Plan], quick: bool, only: str) -> list[Plan]:
    """The plans wanted, with those whose outputs they read."""
    by_id = {p.id: p for p in plans}
    wanted = {p.id for p in plans if only in p.id and (not quick or p.id.startswith(QUICK))}
    waiting = list(wanted)
    while waiting:
        for source in by_id[waiting.pop()].inputs.values():
            task, _, output = source.partition("/")
            if output and task not in wanted:
                wanted.add(task)
                waiting.append(task)
    return [p for p in plans if p.id in wanted]


def _caller(folder: Path, backend: Backend) -> ModelClient:
    resources = Resources()
    ledger = Ledger(folder / "ledger.sqlite")
    return ModelClient(backend, ledger, PromptBook(resources), load_cards(resources), EventLog(None))


async def _run_tasks(plans: Sequence[Plan], data: Path, root: Path) -> list[Line]:
    """Two tasks side by side; each waits for those it builds on."""
    (root / "data").mkdir()
    (root / "tasks").mkdir()
    store = await asyncio.to_thread(make_store, data, root / "data")
    skills = load_skills(Resources())
    tasks = {p.id: p.task(skills[p.skill]) for p in plans}
    dataset = store.dataset()
    absent = [DataFile(name=n, kind="expression", path=f"{n}.tsv", bytes=1, sha256="0" * 64)
              for n in ("absent", "absent-samples")]  # fmt: skip
    dataset = dataset.model_copy(update={"files": (*dataset.files, *absent)})
    bench = Workbench(root / "tasks", {"bench": dataset}, tasks, skills, choose_sandbox(), Limits())
    caller = _caller(root, offline_backend(_alike))
    slots, ended = asyncio.Semaphore(AT_A_TIME), {p.id: asyncio.Event() for p in plans}

    async def work(plan: Plan) -> Line:
        task = tasks[plan.id]
        for needed in task.needs:
            await ended[needed].wait()
        async with slots:
            started = time.monotonic()
            record = await program_task(caller, bench, task)
            seconds = time.monotonic() - started
        ended[plan.id].set()
        outputs = {o.name: root / "tasks" / task.id / "outputs" / o.file for o in task.outputs}
        seen = Seen(plan.parameters, bench.input_paths(task), outputs)
        wrong = await asyncio.to_thread(_wrong, plan, record, seen)
        run_s = sum(a.use.wall_s for a in record.attempts)
        blind = plan.check is not None and not wrong and not await asyncio.to_thread(_notices, plan, record, seen)
        peak = max((a.use.peak_memory_mb for a in record.attempts), default=0.0)
        return _told(Line(plan.id, plan.kind, record.outcome.value, seconds, wrong, run_s, blind, peak))

    return list(await asyncio.gather(*map(work, plans)))


def _alike(left: Sequence[str], right: Sequence[str]) -> object:
    raise NotImplementedError("writing code compares no texts")


def _wrong(plan: Plan, record: TaskRecord, seen: Seen) -> str:
    if plan.check is None:
        if record.outcome is not Outcome.BLOCKED:
            return f"must be blocked: {record.message}"
        return "" if plan.says in record.message else f"blocked for another reason: {record.message}"
    if record.outcome is not Outcome.VERIFIED:
        return record.message
    try:
        return plan.check(seen)
    except (KeyError, ValueError, TypeError, StopIteration, IndexError) as error:
        return f"the check cannot read the outputs: {type(error).__name__}: {error}"


def _notices(plan: Plan, record: TaskRecord, seen: Seen) -> str:
    """What the check says of outputs whose numbers stand in the wrong rows and are a fifth too large."""
    with tempfile.TemporaryDirectory() as scratch:
        outputs = {name: _spoilt(path, Path(scratch)) for name, path in seen.outputs.items()}
        return _wrong(plan, record, replace(seen, outputs=outputs))


def _spoilt(path: Path, folder: Path) -> Path:
    if path.suffix != ".tsv":
        return path
    head, *rows = (line.split("\t") for line in path.read_text("utf-8").splitlines())
    for i in range(1, len(head)):
        for row, cell in zip(rows, [row[i] for row in reversed(rows)], strict=True):
            row[i] = f"{1.2 * float(cell):.6g}" if _FLOAT.fullmatch(cell) else row[i]
    made = folder / path.name
    made.write_text("\n".join("\t".join(row) for row in (head, *rows)) + "\n", encoding="utf-8")
    return made


async def _run_mistakes(names: Sequence[str], root: Path) -> list[Line]:
    file = DataFile(name="samples", kind="samples", path=SHEET.name, bytes=1, sha256="0" * 64)
    dataset = Dataset(
        id="mistakes", title="GSE1992", source="own", root=str(SHEET.parent), files=(file,), n_samples=124
    )
    slots, sandbox = asyncio.Semaphore(AT_A_TIME), choose_sandbox()

    async def work(name: str) -> Line:
        mistake, task = MISTAKES[name], make_task(name)
        folder = root / f"mistakes-{task.id}"
        folder.mkdir()
        backend = ScriptedBackend([CodeDraft(code=code_of(name))] * 9)
        backend.origin = "model"
        bench = Workbench(folder, {"mistakes": dataset}, {task.id: task}, {}, sandbox, mistake.limits)
        async with slots:
            started = time.monotonic()
            record = await program_task(_caller(folder, backend), bench, task)
            seconds = time.monotonic() - started
        wrong = "" if record.outcome is mistake.outcome and mistake.says in record.message else record.message
        kind = "known gap" if mistake.gap else "right" if mistake.right else "mistake"
        return _told(Line(name, kind, record.outcome.value, seconds, wrong))

    return list(await asyncio.gather(*map(work, names)))


async def _run_fair(only: str, root: Path) -> list[Line]:
    """Honest scripts and their dishonest twins, one attempt each."""
    import dry_fair

    (root / "fair").mkdir()
    names = [n for n in dry_fair.FAIR if only in n]
    files, slots, sandbox = dry_fair.make_files(root / "fair"), asyncio.Semaphore(AT_A_TIME), choose_sandbox()

    async def work(number: int, name: str) -> Line:
        case = dry_fair.FAIR[name]
        task, started = case.task(number), time.monotonic()
        async with slots:
            result = await run_attempt(
                task,
                TaskCode(code=dry_fair.code_of(name), origin="model"),
                inputs={i.name: files[i.name] for i in task.inputs},
                folder=root / task.id,
                number=1,
                sandbox=sandbox,
                limits=case.limits,
            )
        kind = f"twin {case.half}" if case.of else f"honest {case.half}"
        wrong = "" if result.verified is not bool(case.of) or case.gap else result.attempt.message
        seconds = time.monotonic() - started
        return _told(Line(name, "twin gap" if case.gap else kind, result.attempt.outcome.value, seconds, wrong))

    return list(await asyncio.gather(*(work(n, name) for n, name in enumerate(names))))


async def _eight(root: Path) -> list[Figure]:
    """Eight equal tasks, two side by side, over four times what one takes alone just before."""

    async def work(number: int) -> None:
        task = make_task(_BUSY).model_copy(update={"id": f"E{number}"})
        code = TaskCode(code=code_of(_BUSY) + "sum(i * i for i in range(12_000_000))\n", origin="model")
        async with slots:
            result = await run_attempt(
                task, code, inputs={"samples": SHEET}, folder=root / task.id, number=1, sandbox=sandbox, limits=Limits()
            )
        if not result.verified:
            raise RuntimeError(result.attempt.message)

    slots, sandbox = asyncio.Semaphore(AT_A_TIME), choose_sandbox()
    started = time.monotonic()
    await work(0)
    alone_s = time.monotonic() - started
    started = time.monotonic()
    await asyncio.gather(*(work(n) for n in range(1, 9)))
    ratio = (time.monotonic() - started) / (8 / AT_A_TIME * alone_s)
    return [measured("eight independent tasks, two at a time: wall over the ideal", [ratio], "×", at_most=1.3)]


def _supervisor(root: Path) -> Figure:
    """Peak memory of the process that starts a sandboxed script and waits for it."""
    place = root / "supervised"
    place.mkdir()
    (place / "script.py").write_text("print(1)\n", encoding="utf-8")
    command = [sys.executable, "-c", _PEAK, "exec", "--script", str(place / "script.py"), "--workdir", str(place)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    peak = re.search(r"VmHWM:\s+(\d+) kB", done.stderr)
    if done.returncode or peak is None:
        raise RuntimeError(f"the sandbox's own command ended with exit code {done.returncode}: {done.stderr[-300:]}")
    return measured("memory of the supervisor of a sandboxed script", [int(peak[1]) / 1024], "MB", at_most=100)


def _of_tasks(lines: Sequence[Line], wall_s: float) -> list[Figure]:
    could = [x for x in lines if not x.kind.startswith("impossible")]
    not_at_all = [x for x in lines if x.kind.startswith("impossible")]
    right = sum(not x.wrong for x in could)
    share = right / len(could) if could else 0.0
    busy_s, run_s = sum(x.seconds for x in could), sum(x.run_s for x in could)
    done = sum(x.outcome == "verified" for x in not_at_all)
    blocked = sum(not x.wrong for x in not_at_all)
    return [
        Figure("dry-lab tasks: verified and right", f"{right} of {len(could)}", f"≥ {SHARE:.0%}", share >= SHARE),
        none_of("impossible tasks that were verified", done, note=f"of {len(not_at_all)}"),
        Figure("impossible tasks blocked, with the reason", f"{blocked} of {len(not_at_all)}", "all",
               blocked == len(not_at_all)),
        none_of("checks that say nothing of spoilt outputs", sum(x.blind for x in could), note=_names(could)),
        Figure(f"all tasks, {AT_A_TIME} side by side, wall", f"{wall_s:.0f} s"),
        Figure("wall time of verified tasks that is not their own run", f"{1 - run_s / max(busy_s, 1e-9):.0%}"),
    ]  # fmt: skip


def _by_skill(lines: Sequence[Line]) -> list[Figure]:
    """Seconds of the own run and peak memory of each skill's verified tasks, the largest of each."""
    kinds = sorted({x.kind for x in lines if x.outcome == "verified"})
    own = {k: [x for x in lines if x.kind == k and x.outcome == "verified"] for k in kinds}
    return [
        Figure(f"… {k} ({len(v)})", f"{max(x.run_s for x in v):.1f} s, {max(x.peak_mb for x in v):.0f} MB")
        for k, v in own.items()
    ]


def _names(lines: Sequence[Line]) -> str:
    return ", ".join(x.name for x in lines if x.blind)


def _of_mistakes(lines: Sequence[Line]) -> list[Figure]:
    slips, right, gaps = ([x for x in lines if x.kind == k] for k in ("mistake", "right", "known gap"))
    at_rung = sum(not x.wrong for x in slips)
    passed = sum(x.outcome == "verified" for x in slips)
    sound = sum(not x.wrong for x in right)
    return [
        Figure("mistakes on their rung", f"{at_rung} of {len(slips)}", "all", at_rung == len(slips)),
        none_of("mistakes that were verified", passed, note=f"of {len(slips)}"),
        Figure("right scripts verified", f"{sound} of {len(right)}", "all", sound == len(right)),
        Figure("known gaps that were verified", f"{sum(x.outcome == 'verified' for x in gaps)} of {len(gaps)}"),
    ]


def _of_fair(lines: Sequence[Line]) -> list[Figure]:
    found = []
    for half, when in ((1, "before"), (2, "after")):
        honest, twins = ([x for x in lines if x.kind == f"{kind} {half}"] for kind in ("honest", "twin"))
        sound = sum(not x.wrong for x in honest)
        name = f"honest scripts written {when} the checks were made fair: verified at once"
        found.append(Figure(name, f"{sound} of {len(honest)}", "all", sound == len(honest)))
        slipped = sum(bool(x.wrong) for x in twins)
        found.append(none_of("… their dishonest twins that were verified", slipped, note=f"of {len(twins)}"))
    gaps = [x for x in lines if x.kind == "twin gap"]
    found.append(Figure("… known gaps", f"{sum(x.outcome == 'verified' for x in gaps)} of {len(gaps)}"))
    return found


def _told(x: Line) -> Line:
    """The line, printed as soon as it is known."""
    print(f"{x.seconds:7.1f} s  {x.outcome:17}  {'wrong' if x.wrong else 'right':5}  {x.name}  ({x.kind})", flush=True)
    if x.wrong:
        print(f"           NOT RIGHT: {x.wrong[:300]}", flush=True)
    return x


def main() -> int:
    """Print all; 1 when a target was missed."""
    parser = argparse.ArgumentParser(description="Dry-lab tasks with known answers.")
    parser.add_argument("--quick", action="store_true", help="a part of the tasks")
    parser.add_argument("--only", default="", metavar="TEXT", help="tasks whose name holds it")
    args = parser.parse_args()
    data = test_data()
    if data is None:
        print("no test data: set BIORESEARCHER_TEST_DATA", file=sys.stderr)
        return 2
    print(f"load {os.getloadavg()[0]:.1f} at the start", flush=True)
    figures = asyncio.run(_measure(data, args.quick, args.only))
    print("\n" + show(figures) + f"\nload {os.getloadavg()[0]:.1f} at the end")
    return 0 if all(f.met is not False for f in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
