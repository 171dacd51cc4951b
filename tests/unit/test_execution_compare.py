"""Two outputs are the same by what they show."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bioresearcher.execution.figures import picture_distance
from bioresearcher.execution.output_comparison import changed_outputs, differing_parts, split_parts
from bioresearcher.schemas.execution import TaskOutput


def parts(folder: Path, text: str, kind: str, name: str):
    path = folder / name
    path.write_text(text)
    return split_parts(TaskOutput(name="o", file=name, kind=kind), path)


def differ(folder: Path, one: str, other: str, kind: str = "table", name: str = "o.tsv") -> frozenset[str]:
    return differing_parts(parts(folder, one, kind, name), parts(folder, other, kind, name))


TABLE = "gene\tp\tnote\nA\t0.5\tok\nB\t1e-9\tNA\n"


@pytest.mark.parametrize(
    "other",
    [
        TABLE,
        "gene\tp\tnote\nB\t1e-9\t\nA\t0.50\tok\n",
        "gene\tnote\tp\nA\tok\t0.5\nB\tnan\t0.000000001\n",
        "gene\tp\tnote\nA\t0.50000000001\tok\nB\t1e-9\tNA\n",
        '"gene"\t"p"\t"note"\r\n"A"\t0.5\tok\r\nB\t1e-9\tNA\r\n',
    ],
)
def test_order_format_and_rounding_noise_are_no_difference(other: str, tmp_path: Path) -> None:
    assert differ(tmp_path, TABLE, other) == frozenset()


def test_the_column_that_differs_is_named(tmp_path: Path) -> None:
    assert differ(tmp_path, TABLE, TABLE.replace("0.5", "0.51")) == {"column p"}
    assert differ(tmp_path, TABLE, TABLE.replace("ok", "no")) == {"column note"}
    assert "columns" in differ(tmp_path, TABLE, TABLE.replace("note", "remark"))


@pytest.mark.parametrize("other", ["nan", "x", "inf", "0.6", ""])
def test_a_number_differs_from_another_from_a_word_and_from_nothing(other: str, tmp_path: Path) -> None:
    changed = TABLE.replace("0.5", other)
    assert differ(tmp_path, TABLE, changed) == differ(tmp_path, changed, TABLE) == {"column p"}
    assert differ(tmp_path, changed, changed.replace("nan", "NA")) == frozenset()


def test_values_that_change_places_are_a_difference(tmp_path: Path) -> None:
    assert differ(tmp_path, "s\tx\na\t1\nb\t2\n", "s\tx\na\t2\nb\t1\n") == {"column x"}
    one, other = "k\tx\ty\nc\t1\t1\nc\t2\t2\n", "k\tx\ty\nc\t1\t2\nc\t2\t1\n"
    assert differ(tmp_path, one, other) == {"rows"}


def test_time_stamps_are_no_difference_in_any_kind(tmp_path: Path) -> None:
    text = "Made {} in {} s elapsed\nMean 3.5\n"
    one, other = text.format("2026-03-01 10:00:00", 1.2), text.format("2027-12-24T11:22:33.5Z", 7)
    assert differ(tmp_path, one, other, "text", "o.txt") == frozenset()
    assert differ(tmp_path, one, other.replace("3.5", "3.6"), "text", "o.txt") == {"text"}
    said = '[{{"statement": "At {}", "values": {{"a": {}}}}}]'
    one, other = said.format("2026-03-01 10:00:00", 1), said.format("2026-03-02 11:00:00", "1.0")
    assert differ(tmp_path, one, other, "findings", "o.json") == frozenset()
    assert differ(tmp_path, one, other.replace("1.0", "1.1"), "findings", "o.json") == {"text"}


def test_pictures_are_compared_by_their_pixels(tmp_path: Path) -> None:
    from PIL import Image, PngImagePlugin

    image = Image.new("RGB", (60, 60), "white")
    image.putpixel((3, 3), (9, 9, 9))
    stamped = PngImagePlugin.PngInfo()
    stamped.add_text("Date", "2026-03-01")
    image.save(tmp_path / "a.png")
    image.save(tmp_path / "b.png", pnginfo=stamped, compress_level=1)
    image.putpixel((4, 4), (200, 0, 0))
    image.save(tmp_path / "c.png")
    output = TaskOutput(name="o", file="o.png", kind="figure")
    a, b, c = (split_parts(output, tmp_path / f"{n}.png") for n in "abc")
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()
    assert differing_parts(a, b) == frozenset()
    assert differing_parts(a, c) == {"picture"}


def test_random_identifiers_of_an_svg_are_no_difference(tmp_path: Path) -> None:
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9"><metadata><d>{0}</d></metadata>'
    svg += '<defs><path id="{0}" d="M0 0"/></defs><use href="#{0}" style="fill: #ff0000"/><rect width="{1}"/></svg>'
    assert differ(tmp_path, svg.format("a1", 3), svg.format("b2", 3), "figure", "o.svg") == frozenset()
    assert differ(tmp_path, svg.format("a1", 3), svg.format("a1", 4), "figure", "o.svg") == {"picture"}


def test_parts_to_ignore_do_not_count() -> None:
    before = {"o": {"column a": "1", "column b": "2"}, "p": {"text": "x"}}
    after = {"o": {"column a": "9", "column b": "2"}, "p": {"text": "x"}}
    assert changed_outputs(before, after) == ("o",)
    assert changed_outputs(before, after, ignore={"o": frozenset({"column a"})}) == ()
    assert changed_outputs(before, {"o": before["o"]}) == ("p",)


cells = st.one_of(st.integers(-99, 99).map(str), st.floats(-9, 9).map(lambda v: f"{v:.4g}"), st.sampled_from("xyz"))
tables = st.lists(st.tuples(cells, cells), min_size=2, max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=tables, seed=st.integers(0, 99), data=st.data())
def test_shuffling_rows_changes_nothing_and_changing_a_cell_does(rows, seed, data, tmp_path: Path) -> None:
    lines = [f"r{i}\t{a}\t{b}" for i, (a, b) in enumerate(rows)]
    shuffled = random.Random(seed).sample(lines, len(lines))
    head = "id\ta\tb\n"
    assert differ(tmp_path, head + "\n".join(lines), head + "\n".join(shuffled)) == frozenset()
    target = data.draw(st.integers(0, len(rows) - 1))
    changed = [*lines]
    changed[target] = f"r{target}\t{rows[target][0]}\t1234.5"
    assert differ(tmp_path, head + "\n".join(lines), head + "\n".join(changed)) == {"column b"}


def test_a_table_that_cannot_be_read_is_compared_by_its_bytes(tmp_path: Path) -> None:
    assert differ(tmp_path, "a\tb\n1\n", "a\tb\n2\n") == {"bytes"}
    assert json.dumps(sorted(parts(tmp_path, "a\tb\n1\n", "table", "o.tsv"))) == '["bytes"]'


def test_pictures_that_look_alike_are_near_and_others_far(tmp_path: Path) -> None:
    from PIL import Image, ImageDraw

    def picture(name: str, shift: int, size: int = 200, colour: str = "black") -> Path:
        image = Image.new("RGBA", (size, size), "white")
        ImageDraw.Draw(image).rectangle((20 + shift, 20, 60 + shift, 60), fill=colour)
        image.save(tmp_path / name)
        return tmp_path / name

    one = picture("a.png", 0)
    assert picture_distance(one, picture("b.png", 0, colour="#010101")) == pytest.approx(0, abs=1e-3)
    far = picture_distance(one, picture("c.png", 100))
    assert far is not None
    assert far > 0.05
    assert picture_distance(one, picture("d.png", 0, size=220)) is None


@pytest.mark.parametrize(("other", "tolerance", "same"), [
    ("1.0000001", 1e-6, True), ("1.0000001", 1e-9, False), ("1.1", 1e-6, False), ("x", 1e-6, False),
])  # fmt: skip
def test_numbers_may_differ_by_the_tolerance_asked_for(other: str, tolerance: float, same: bool) -> None:
    found = differing_parts({"column a": (("1",),)}, {"column a": ((other,),)}, tolerance=tolerance)
    assert (not found) is same
