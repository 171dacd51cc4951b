"""Fair re-runs: guards taken out, inputs consistent, names exchanged, dates of the run, numbers at once."""

from __future__ import annotations

import csv
import json
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.execution.attempt import AttemptResult, run_attempt
from bioresearcher.execution.guards import without_guards
from bioresearcher.execution.inside import perturb_inputs
from bioresearcher.execution.inside.renamed import new_names
from bioresearcher.execution.output_tables import unsupported_numbers, without_dates
from bioresearcher.sandbox.choose import UnsandboxedSandbox
from bioresearcher.schemas.execution import DryLabTask, Finding, Limits, Outcome, TaskCode

START = "import csv, json, sys\ntask = json.load(open(sys.argv[1]))\n"
SHEET = "sample\tstatus\tage\n" + "".join(f"S-{n:02d}\t{'ab'[n % 2]}\t{40 + n * 7 % 31}\n" for n in range(30))


async def attempt(
    folder: Path, code: str, inputs: dict[str, str], *outputs: tuple[str, str, str], **more
) -> AttemptResult:
    """Run a script on tables of the given texts; outputs are (name, file, kind)."""
    folder.mkdir(exist_ok=True)
    files = {}
    for name, text in inputs.items():
        files[name] = folder / (name if "." in name else f"{name}.tsv")
        files[name].write_text(text)
    task = DryLabTask.model_validate(
        {
            "id": "T1",
            "title": "t",
            "goal": more.pop("goal", "g"),
            "step_ids": ["1.1"],
            "inputs": [{"name": n, "task": "T0", "output": n} for n in inputs],
            "outputs": [{"name": n, "file": f, "kind": k, "description": n} for n, f, k in outputs],
            "parameters": more.pop("parameters", {}),
            "language": more.pop("language", "python"),
        }
    )
    return await run_attempt(
        task,
        TaskCode(code=code, origin="model"),
        inputs=files,
        folder=folder / "task",
        number=1,
        sandbox=UnsandboxedSandbox(),
        limits=Limits(wall_s=30),
        **more,
    )


@pytest.mark.parametrize(
    ("code", "left"),
    [
        ("if x != 3:\n    raise ValueError('no')\ny = x\n", "if x != 3:\n    pass\ny = x\n"),
        ("assert x, 'no'\n", "pass\n"),
        ("import sys\nsys.exit(main())\n", "import sys\n(main(),)\n"),
        ("bioskill.fail(f'{n} rows')\n", "(f'{n} rows',)\n"),
        ("try:\n    f()\nexcept KeyError:\n    raise ValueError('x') from None\n", None),
        ("raise\n", None),
        ("x = 1\n", None),
        ("def f(:\n", None),
    ],
)
def test_only_refusals_are_taken_out(code: str, left: str | None) -> None:
    assert without_guards(code, "python") == left


@given(st.text(max_size=200))
def test_any_text_can_be_asked_for_its_guards(code: str) -> None:
    bare = without_guards(code, "python")
    assert bare is None or isinstance(bare, str)


@given(st.lists(st.from_regex(r"[A-C]{1,2}-?[0-9]{1,3}", fullmatch=True), unique=True, max_size=40), st.integers(0, 9))
def test_new_names_are_unique_and_have_the_old_form(names: list[str], seed: int) -> None:
    new = new_names(names, random.Random(seed))
    after = [new.get(name, name) for name in names]
    assert len(set(after)) == len(names)
    for old, made in zip(names, after, strict=True):
        assert ("-" in old) == ("-" in made)
        assert made[0].isalpha()
        assert made[-1].isdigit()


def changed(tmp_path: Path, variant: str, tables: dict[str, str]) -> dict[str, list[dict[str, str]]]:
    """Change tables as a rerun does."""
    files = []
    for name, text in tables.items():
        (tmp_path / f"{name}.tsv").write_text(text)
        files.append({"path": str(tmp_path / f"{name}.tsv"), "out": str(tmp_path / f"{name}.dat")})
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps({"variant": variant, "seed": 3, "files": files}))
    perturb_inputs.main(["", str(spec)])
    return {n: list(csv.DictReader((tmp_path / f"{n}.dat").read_text().splitlines(), delimiter="\t")) for n in tables}


@pytest.mark.parametrize("variant", ["resample", "permute", "touch"])
def test_what_two_tables_share_changes_alike(tmp_path: Path, variant: str) -> None:
    rows = [line.split("\t") for line in SHEET.splitlines()[1:]]
    other = "id\tgroup\tscore\n" + "".join(f"{s}\t{g}\t{i * 3}\n" for i, (s, g, _) in enumerate(reversed(rows[5:])))
    after = changed(tmp_path, variant, {"sheet": SHEET, "other": other})
    status = {r["sample"]: r["status"] for r in after["sheet"]}
    assert [r["group"] for r in after["other"]] == [status[r["id"]] for r in after["other"]]
    assert [r["status"] for r in after["sheet"]] != [r[1] for r in rows]


@pytest.mark.parametrize("variant", ["drop", "rename"])
def test_the_same_samples_are_left_out_and_renamed_everywhere(tmp_path: Path, variant: str) -> None:
    rows = [line.split("\t") for line in SHEET.splitlines()[1:]]
    other = "id\tscore\n" + "".join(f"{s}\t{i * 3}\n" for i, (s, _, _) in enumerate(reversed(rows)))
    after = changed(tmp_path, variant, {"sheet": SHEET, "other": other})
    names = [r["sample"] for r in after["sheet"]]
    assert [r["id"] for r in after["other"]] == names[::-1]
    assert names != [r[0] for r in rows]


def test_lists_of_frozen_files_stay(tmp_path: Path) -> None:
    frozen = "file\tsha256\tbytes\n" + "".join(f"f{n}\t{n:064x}\t{n * 100}\n" for n in range(1, 9))
    assert changed(tmp_path, "resample", {"frozen": frozen})["frozen"][3] == {
        "file": "f4",
        "sha256": f"{4:064x}",
        "bytes": "400",
    }


MEAN = (
    "rows = list(csv.DictReader(open(task['inputs']['sheet']), delimiter='\\t'))\n"
    "mean = sum(float(r['age']) for r in rows) / len(rows)\n"
)
WRITE = "open(task['outputs']['table'], 'w').write(f'what\\tmean\\nall\\t{mean}\\n')\n"
TABLE = ("table", "t.tsv", "table")


async def test_a_guard_by_a_digest_in_any_form_neither_hinders_nor_helps(tmp_path: Path) -> None:
    import hashlib

    known = hashlib.md5(SHEET.encode(), usedforsecurity=False).hexdigest()
    for form in (
        "hashlib.md5(open(task['inputs']['sheet'], 'rb').read()).hexdigest()",
        "hashlib.new('md5', open(task['inputs']['sheet'], 'rb').read()).digest().hex()",
        "hashlib.file_digest(open(task['inputs']['sheet'], 'rb'), 'md5').hexdigest()",
    ):
        guard = f"import hashlib\nassert {form} == '{known}'\n"
        honest = await attempt(tmp_path / "a", START + guard + MEAN + WRITE, {"sheet": SHEET}, TABLE)
        assert honest.verified, honest.attempt.message
        assert "without its guards" not in honest.attempt.message
        canned = await attempt(tmp_path / "b", START + guard + "mean = 55.5\n" + WRITE, {"sheet": SHEET}, TABLE)
        assert canned.attempt.outcome is Outcome.INPUT_INDEPENDENT


async def test_the_date_is_the_runs_and_allowed(tmp_path: Path) -> None:
    code = (
        START
        + MEAN
        + WRITE
        + (
            "import time\nfrom datetime import date, datetime\n"
            'said = f\'{date.today()} {datetime.now():%Y-%m-%d} {time.strftime("%Y-%m-%d")} {task["date"]}\'\n'
            "assert isinstance(datetime.now(), datetime) and isinstance(date.today(), date)\n"
            "assert datetime.now().date() == date.today() and (date.today() - date(2000, 1, 1)).days > 0\n"
            "open(task['outputs']['text'], 'w').write(said)\n"
        )
    )
    texts = []
    for day in ("2026-11-29", "2031-02-03"):
        result = await attempt(tmp_path / day, code, {"sheet": SHEET}, TABLE, ("text", "s.txt", "text"), date=day)
        assert result.verified, result.attempt.message + result.attempt.stderr
        texts.append((tmp_path / day / "task" / "attempts" / "1" / "outputs" / "s.txt").read_text())
    assert texts == [" ".join(["2026-11-29"] * 4), " ".join(["2031-02-03"] * 4)]
    assert f"{datetime.now(UTC):%Y}" not in texts[1]


def test_all_offending_numbers_are_named_and_dates_are_none() -> None:
    said = Finding(statement="On 2026-11-29 and 3 May 2026, 12 of 40 genes; HR 1.44 (p = 0.03).", values={"n": 40})
    assert unsupported_numbers(said, (), {}) == ("12", "1.44", "0.03")
    assert unsupported_numbers(said, (), {"x": 1.44}, [12, 0.03]) == ()


@given(st.dates())
def test_dates_leave_no_digits(day) -> None:
    if 1900 <= day.year < 2100:
        assert not any(c.isdigit() for c in without_dates(f"on {day.isoformat()}, {day:%d %B %Y} and {day:%B %d, %Y}."))


async def test_numbers_of_inputs_count_only_where_they_can_be_meant(tmp_path: Path) -> None:
    small = {"sheet": SHEET, "earlier.json": json.dumps({"called": 1335, "note": "of 12,990"})}
    text = ("text", "s.txt", "text")
    write = "open(task['outputs']['text'], 'w').write('{}')\n"
    good = await attempt(
        tmp_path / "a", START + MEAN + WRITE + write.format("1,335 of 12,990 genes; S-03 is 61."), small, TABLE, text
    )
    assert good.verified, good.attempt.message
    bad = await attempt(tmp_path / "b", START + MEAN + WRITE + write.format("1,336 of 12,991."), small, TABLE, text)
    assert bad.attempt.outcome is Outcome.BAD_OUTPUT
    assert "1,336, 12,991" in bad.attempt.message


async def test_a_declared_rule_without_inputs_is_verified_as_a_text(tmp_path: Path) -> None:
    code = START + "open(task['outputs']['decision_rule'], 'w').write('At least {} samples, FDR below {}.')\n"
    rule = ("decision_rule", "rule.txt", "text")
    source = "Groups of at least 20 samples are tested; FDR below 0.05."
    good = await attempt(tmp_path / "a", code.format(20, 0.05), {}, rule, source=source)
    assert good.verified, good.attempt.message
    assert "sha256:" in good.attempt.message
    assert good.findings == ()
    bad = await attempt(tmp_path / "b", code.format(25, 0.05), {}, rule, source=source)
    assert bad.attempt.outcome is Outcome.INPUT_INDEPENDENT
    assert "25, which nobody declared" in bad.attempt.message
    plain = await attempt(tmp_path / "c", code.replace("decision_rule", "words"), {}, ("words", "r.txt", "text"))
    assert plain.attempt.outcome is Outcome.INPUT_INDEPENDENT
