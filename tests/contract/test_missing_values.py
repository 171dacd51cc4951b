"""Every reader of a table calls the same cells missing: loader, previews, output checks, report, and the skills."""

from __future__ import annotations

import importlib
import random
import re
import subprocess
import tempfile
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bioresearcher.execution.input_snapshot import describe_inputs
from bioresearcher.execution.inside.describe_inputs import texts
from bioresearcher.execution.inside.perturb_inputs import numeric_columns
from bioresearcher.execution.languages import rscript
from bioresearcher.execution.output_tables import column_numbers, rule_problem
from bioresearcher.report.run_data import read_table as read_preview
from bioresearcher.sandbox.choose import choose_sandbox
from bioresearcher.schemas import missing
from bioresearcher.schemas.execution import ColumnRule
from bioresearcher.schemas.missing import CODES, WORDS, blanked, codes_of, is_number
from bioresearcher.sources.datasets.scan import scan_sheet

LIBRARY = Path(__file__).resolve().parents[2] / "agents" / "skills" / "_lib"
NUMBERS = ("0", "1", "12", "-3.5", "1e-3", "+7", "inf", ".5", "2.", "1_000", "0x1f")
TEXTS = ("tamoxifen", "positive", "4a", "<5", "not detected", "-9 ", "1,5", "nonexistent", "unknown primary")


@pytest.fixture(scope="module")
def bioskill() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(LIBRARY))
        return importlib.import_module("bioskill")


def spelled(code: str, way: int) -> str:
    """A code as somebody may write it."""
    return (code, code.upper(), code.title(), f" {code}", f"{code} ", code.swapcase())[way]


codes = st.builds(spelled, st.sampled_from(sorted(CODES)), st.integers(0, 5))
words = st.builds(spelled, st.sampled_from(sorted(WORDS)), st.integers(0, 5))
of_numbers = st.lists(st.sampled_from(NUMBERS) | codes | words, min_size=1, max_size=10)
of_texts = st.lists(st.sampled_from(TEXTS) | codes | words, min_size=1, max_size=10)
mixed = st.lists(st.sampled_from(NUMBERS + TEXTS) | codes | words, min_size=1, max_size=10)
columns = of_numbers | of_texts | mixed


def write(folder: Path, cells: list[str]) -> Path:
    path = folder / "table.tsv"
    path.write_text("sample\tx\n" + "".join(f"S{i}\t{cell}\n" for i, cell in enumerate(cells)), encoding="utf-8")
    return path


def test_the_skills_have_this_very_rule() -> None:
    assert (LIBRARY / "biomissing.py").read_bytes() == Path(missing.__file__).read_bytes()
    in_r = (LIBRARY / "bioskill.R").read_text(encoding="utf-8")
    for name, wanted in (("bs_codes", CODES), ("bs_words", WORDS)):
        [block] = re.findall(rf"{name} <- strsplit\(paste0\(\n(.*?)\n\)", in_r, re.S)
        assert set("".join(re.findall(r'"(.*)"', block)).split("|")) == wanted


@given(columns)
@example(["none", "tamoxifen"])
@example(["none", "unknown"])
@example(["none", "10", "20"])
@example(["NA", ""])
@example(["inf", "none"])
def test_all_readers_agree_on_a_column(bioskill: ModuleType, cells: list[str]) -> None:
    known = [cell.strip() for cell in blanked(cells) if cell]
    count = len(cells) - len(known)
    with tempfile.TemporaryDirectory() as folder:
        path = write(Path(folder), cells)
        column = scan_sheet(path).column("x")
        preview, _ = read_preview(path)
        in_samples = bioskill.read_samples(path)["x"]
        in_table = bioskill.read_table(path)["x"]
        shown = texts([{"name": "t", "path": str(path)}])[0]
    assert column is not None
    assert column.missing == count
    assert sorted(column.levels or {}) == sorted(set(known))
    assert list(in_samples.dropna()) == known
    assert list(in_table.notna()) == [bool(cell) for cell in blanked(cells)]
    assert f" {count} missing" in shown
    assert preview is not None
    only_numbers = bool(known) and all(map(is_number, known))
    assert preview.columns[1].numeric == only_numbers
    numbers = column_numbers(cells)
    assert (numbers is not None) == (only_numbers or not known)
    assert numbers is None or sum(n is None for n in numbers) == count
    assert ("missing" in rule_problem(cells, ColumnRule(name="x", max_missing=0))) == (count > 0)
    assert (1 in numeric_columns([["S", cell] for cell in cells])) >= only_numbers


@given(columns, st.randoms(use_true_random=False))
def test_neither_order_nor_repeats_decide_what_is_missing(cells: list[str], rng: random.Random) -> None:
    other = cells + rng.choices(cells, k=5)
    rng.shuffle(other)
    assert codes_of(cells) == codes_of(other)


def test_codes_that_the_description_states_count_in_their_column_alone(bioskill: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "s.tsv"
    path.write_text("sample\ttreatment\tstage\nA\tnone\tx\nB\ttamoxifen\tnone\nC\tx\tII\n", encoding="utf-8")
    stated = {"treatment": ("x",), "stage": ("None",)}
    scan = scan_sheet(path, stated)
    assert [sorted(c.levels or {}) for c in scan.columns[1:]] == [["none", "tamoxifen"], ["II", "x"]]
    sheet = bioskill.read_samples(path, None, [f"{name}={code}" for name, found in stated.items() for code in found])
    assert [sorted(sheet[c].dropna()) for c in sheet.columns] == [["none", "tamoxifen"], ["II", "x"]]
    everywhere = bioskill.read_samples(path, None, ["x"])
    assert [sorted(everywhere[c].dropna()) for c in everywhere.columns] == [["none", "tamoxifen"], ["II", "none"]]


@pytest.mark.sandbox
async def test_the_preview_made_in_the_sandbox_knows_the_rule(tmp_path: Path) -> None:
    path = write(tmp_path, ["none", "tamoxifen", "[Not Available]"])
    assert "x: text, 1 missing; values 'none' (1), 'tamoxifen' (1)" in await describe_inputs(
        {"samples": path}, choose_sandbox("auto")
    )


@pytest.mark.skipif(rscript() is None, reason="R is not installed")
def test_r_calls_the_same_cells_missing(tmp_path: Path) -> None:
    rng = random.Random(7)
    pool = sorted(CODES | WORDS)
    made = []
    for i in range(60):
        values = (NUMBERS, TEXTS, NUMBERS + TEXTS)[i % 3]
        some = [rng.choice(values) for _ in range(6)] + [spelled(rng.choice(pool), rng.randrange(6)) for _ in range(6)]
        made.append(some if i < 54 else some[6:])
    width = max(map(len, made))
    made = [cells + [""] * (width - len(cells)) for cells in made]
    path = tmp_path / "t.tsv"
    rows = [[f"c{i}" for i in range(len(made))], *map(list, zip(*made, strict=True))]
    path.write_text("".join("\t".join(row) + "\n" for row in rows), encoding="utf-8")
    code = (
        f'source("{LIBRARY}/bioskill.R"); t <- bs_read_table("{path}"); for (x in t) cat(as.integer(is.na(x)), "\\n")'
    )
    done = subprocess.run([str(rscript()), "-e", code], capture_output=True, text=True, check=True, timeout=120)
    found = [[cell == "0" for cell in line.split()] for line in done.stdout.splitlines()]
    assert found == [[bool(cell) for cell in blanked(cells)] for cells in made]
