"""The reviewer: what its checks and scores make of injected defects, false alarms, time and memory.

`python benchmarks/bench_review.py` prints the table of all checks as well; `--documents FOLDER` reviews a folder
of real documents without a model and lists those with an error.
"""

from __future__ import annotations

import importlib.util
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from types import ModuleType

from figures import ROOT, Figure, environment, measured, none_of, program, test_data

from bioresearcher.review.calibration.agreement import collapse_warnings, separation
from bioresearcher.review.checks import CHECKS
from bioresearcher.review.metrics import review_by_rule, review_without_model
from bioresearcher.review.reading.protocol import read_protocol
from bioresearcher.review.record import most_severe_in_foreign
from bioresearcher.schemas.protocol import Protocol, ProtocolPart, ProtocolStep

HERE = Path(__file__).parent
sys.path.append(str(HERE / "review"))

from fresh import FRESH, UNSEEN  # noqa: E402 - the folder has to be on the path first
from material import NAMES, Material, load, of_run  # noqa: E402
from score import Case, by_check, cases, worded_cases  # noqa: E402

STEPS = 500
CLEAN = HERE.parent / "tests" / "support" / "review_support.py"
RECALL = 0.9


def measure(quick: bool) -> list[Figure]:
    """Defects in all clean protocols (in two when quick), then time and memory."""
    materials = _materials(quick)
    found = list(cases(materials))
    return [*_detection(materials, found), *_scores(materials, found), *_elsewhere(quick), *_real(), *_speed(quick)]


def _elsewhere(quick: bool) -> list[Figure]:
    """Documents made elsewhere, each half of the protocols apart: false errors, and corrupted values by rule."""
    import elsewhere

    data = test_data()
    if data is None or not (data / "protocols" / "wlp").is_dir():
        return []
    rows = []
    for built_on, half in ((True, "half used to build"), (False, "half not used to build")):
        if quick and built_on:
            continue
        done = elsewhere.tally(data, built_on=built_on, with_methods=False)
        wrong = {line.split()[0] for line in done.with_error if _severity(line.split()[1]) == "error"}
        share_wrong = len(wrong) / done.clean
        rows.append(
            Figure(
                f"elsewhere: protocols of protocols.io with a false error, {half}",
                f"{len(wrong)} of {done.clean} ({share_wrong:.1%})",
                "≤ 1%",
                share_wrong <= 0.01,
            )
        )
        for kind in elsewhere.KINDS:
            made = sum(n for (k, _), n in done.made.items() if k == kind)
            found = sum(n for (k, _), n in done.found.items() if k == kind)
            rows.append(Figure(f"elsewhere: {kind} of a value found, {half}", f"{found / made:.1%} of {made}"))
    return rows


def _severity(check: str) -> str:
    return most_severe_in_foreign(check) or "–"


def write_record() -> str:
    """Measure the record of every check on the half that was not used to build, and write it."""
    import elsewhere

    data = test_data()
    if data is None:
        raise SystemExit("The test data are not here; name them by BIORESEARCHER_TEST_DATA.")
    done = elsewhere.tally(data, built_on=False, with_methods=True)
    text = elsewhere.record(done, [c.id for c in CHECKS if not c.needs])
    (ROOT / "bioresearcher" / "review" / "record.toml").write_text(text, encoding="utf-8")
    lines = [
        f"{c.id} right {done.right[c.id]} wrong {done.wrong[c.id]}"
        for c in CHECKS
        if done.right[c.id] or done.wrong[c.id]
    ]
    by_kind = [f"{k} of {v}: {done.found[k, v]} of {n}" for (k, v), n in sorted(done.made.items())]
    own = sorted(x for x in done.with_error if "G-QTY" in x or "G-CNT" in x or "G-VAL" in x)
    return "\n".join([*lines, *by_kind, *own])


def documents(folder: Path) -> str:
    """Documents of a folder with an error, each half by the names of the files, to be judged by a reader."""
    import elsewhere

    lines = []
    for built_on in (True, False):
        read, errors = elsewhere.in_folder(folder, built_on=built_on)
        lines.append(f"{'even' if built_on else 'odd'} half: {len(errors)} of {read} documents with an error")
        lines += [f"  {name}: {error}" for name, found in errors.items() for error in found]
    return "\n".join(lines)


def _materials(quick: bool) -> list[Material]:
    module = _clean_module()
    own = [load(n) for n in (NAMES[:2] if quick else NAMES)]
    own.append(Material("er-status", "", module.clean_protocol(), module.context()))
    run = example_run()
    return [*own, of_run(run)] if run else own


def example_run() -> Path | None:
    """A finished run of the example: named by BIORESEARCHER_EXAMPLE_RUN, or the newest in this checkout."""
    named = os.environ.get("BIORESEARCHER_EXAMPLE_RUN")
    runs = [Path(named)] if named else sorted((ROOT / "workspace" / "runs").glob("*breast-cancer*"))
    return next((r for r in reversed(runs) if (r / "protocol.json").is_file()), None)


def _detection(materials: Sequence[Material], found: Sequence[Case]) -> list[Figure]:
    aside, seen = [c for c in found if c.held_out], [c for c in found if not c.held_out]
    kinds = len({c.defect.kind for c in found})
    tallies = by_check(found).values()
    right, wrong = sum(t.right for t in tallies), sum(t.wrong for t in tallies)
    errors = [f for m in materials for f in review_by_rule(m.protocol, m.context).findings if f.severity != "note"]
    return [
        share(f"checks: defects found ({kinds} kinds, {len(materials)} protocols)", [c.found for c in found], RECALL),
        share("checks: the same, kinds and strengths that checks were changed for", [c.found for c in seen]),
        share("checks: the same, kinds and strengths kept aside at first", [c.found for c in aside]),
        share("checks: other wordings, later used to change checks", [c.found for c in worded_cases(FRESH)]),
        share("checks: other wordings, never used", [c.found for c in worded_cases(UNSEEN)]),
        Figure(
            "checks: precision on broken protocols",
            f"{right / (right + wrong):.1%} of {right + wrong}",
        ),
        none_of("checks: errors on clean protocols", sum(f.severity == "error" for f in errors)),
        Figure("checks: warnings on clean protocols", str(len(errors)), "–"),
    ]


def share(name: str, hits: Sequence[bool], at_least: float | None = None) -> Figure:
    """So many per cent of so many."""
    value = fmean(hits)
    target = f"≥ {at_least:.0%}" if at_least is not None else ""
    return Figure(name, f"{value:.1%} of {len(hits)}", target, None if at_least is None else value >= at_least)


def _scores(materials: Sequence[Material], found: Sequence[Case]) -> list[Figure]:
    clean = [m.score for x in materials for m in review_by_rule(x.protocol, x.context).metrics.values()]
    rows = [share("scores: the metric a defect concerns is lower", [c.lowered for c in found], RECALL)]
    for strength in (1, 2, 3):
        broken = [c.after.metrics[c.defect.metric].score for c in found if c.strength == strength]
        said = collapse_warnings(clean, broken)
        text = f"{separation(clean, broken):.1%} of pairs, {fmean(clean) - fmean(broken):.2f} points"
        name = f"scores: clean above broken, strength {strength}"
        rows.append(Figure(name, text + (f"; {'; '.join(said)}" if said else ""), "no collapse warning", not said))
    return rows


def _real() -> list[Figure]:
    """What the checks find in real protocols that another system wrote, by check."""
    data = test_data()
    files = sorted((data / "protocols" / "16317").glob("experiment_program*.json")) if data else []
    rows = []
    for path in files:
        review = review_without_model(read_protocol(path).protocol)
        gates = Counter(f.gate for f in review.findings)
        text = ", ".join(f"{g} {n}" for g, n in sorted(gates.items()))
        rows.append(Figure(f"real protocol {path.stem[-1]}: {review.verdict}", text or "no finding"))
    return rows


def _speed(quick: bool) -> list[Figure]:
    module = _clean_module()
    protocol, context = long_protocol(module.clean_protocol(), STEPS), module.context()
    short = long_protocol(module.clean_protocol(), 40)
    wall, cpu, review = [], [], []
    for _ in range(2 if quick else 5):
        cpu_before, before = time.process_time(), time.monotonic()
        review_by_rule(protocol, context)
        wall.append(time.monotonic() - before)
        cpu.append(time.process_time() - cpu_before)
        before = time.monotonic()
        review_by_rule(short, context)
        review.append(time.monotonic() - before)
    whole, peak = _whole(short, 2 if quick else 5)
    return [
        measured("review of 40 steps, after start-up, wall", review, "s", at_most=1),
        measured("the same by the command, start-up included, wall", whole, "s"),
        measured("the same, most memory of the process", peak, "MB", at_most=300),
        measured(f"review of {STEPS} steps, wall", wall, "s"),
        measured(f"review of {STEPS} steps, CPU", cpu, "s"),
    ]


def _whole(protocol: Protocol, times: int) -> tuple[list[float], list[float]]:
    """Wall seconds and peak MB of `bioresearcher review FILE`."""
    wall, peak = [], []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "protocol.json")
        path.write_text(protocol.model_dump_json(), encoding="utf-8")
        for _ in range(times):
            before = time.monotonic()
            process = subprocess.Popen(
                program("review", str(path), "--backend", "offline"), stdout=subprocess.DEVNULL, env=environment()
            )
            _, _, used = os.wait4(process.pid, 0)
            process.returncode = 0
            wall.append(time.monotonic() - before)
            peak.append(_mb(used))
    return wall, peak


def _mb(used: resource.struct_rusage) -> float:
    return used.ru_maxrss * 1024 / 1e6


def _clean_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("review_support", CLEAN)
    if spec is None or spec.loader is None:
        raise RuntimeError(f"{CLEAN} is missing")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def long_protocol(clean: Protocol, steps: int) -> Protocol:
    """The protocol again and again, parts, steps and what they name numbered on, cut at a number of steps."""
    parts: list[ProtocolPart] = []
    left = steps
    while left:
        shift = len(parts)
        for part in clean.parts:
            kept = tuple(_shifted(step, shift) for step in part.steps[:left])
            left -= len(kept)
            depends = tuple(str(int(name) + shift) for name in part.depends_on)
            if kept:
                number = str(int(part.id) + shift)
                parts.append(part.model_copy(update={"id": number, "depends_on": depends, "steps": kept}))
    return clean.model_copy(update={"parts": tuple(parts)})


def _shifted(step: ProtocolStep, shift: int) -> ProtocolStep:
    def moved(name: str) -> str:
        part, _, rest = name.partition(".")
        return f"{int(part) + shift}.{rest}"

    inputs = tuple(
        i.model_copy(update={"source": f"step:{moved(i.source.removeprefix('step:'))}"})
        if i.source.startswith("step:")
        else i
        for i in step.inputs
    )
    number = moved(step.id)
    title = step.title if shift == 0 else f"{step.title} (round {number})"
    return step.model_copy(update={"id": number, "title": title, "inputs": inputs})


def check_table(found: Sequence[Case]) -> str:
    """Precision and recall of every check that was due or cried."""
    tallies = by_check(found)
    lines = ["| check | due | recall | findings' cases | precision |", "|---|---|---|---|---|"]
    for g in CHECKS:
        t = tallies.get(g.id)
        if t:
            cried = t.right + t.wrong
            recall = f"{t.seen / t.due:.0%}" if t.due else "–"
            lines.append(f"| {g.id} | {t.due} | {recall} | {cried} | {f'{t.right / cried:.0%}' if cried else '–'} |")
    silent = [g.id for g in CHECKS if g.id not in tallies]
    return "\n".join([*lines, "", f"Without a defect of its own in this benchmark: {', '.join(silent)}."])


if __name__ == "__main__":
    from figures import show

    if "--record" in sys.argv:
        print(write_record())
        raise SystemExit(0)
    if "--documents" in sys.argv:
        print(documents(Path(sys.argv[sys.argv.index("--documents") + 1])))
        raise SystemExit(0)
    print(show(measure("--quick" in sys.argv)))
    everything = list(cases(_materials("--quick" in sys.argv)))
    print("\n" + check_table(everything))
    missed = Counter(f"{c.defect.kind}/{c.strength}" for c in everything if not c.found)
    print("\nmissed: " + ", ".join(f"{k} ×{n}" for k, n in sorted(missed.items())))
