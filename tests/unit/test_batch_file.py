"""Batch files: four forms of the same, and every mistake told with its line."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from bioresearcher.batch.check import BatchFile, BatchFileError, load_batch_file
from bioresearcher.batch.file import Problem, RawEntry, read_batch_file
from bioresearcher.errors import InputError

OBJECTIVE = "How are tumours grouped by expression?"
ENTRIES: list[dict[str, Any]] = [
    {
        "id": "grouping",
        "objective": "How are tumours grouped, and “why”?\nSay it in two lines.",
        "conditions": ["80 samples; RNA", "a | b"],
        "requirements": ["|log2 fold change| > 1"],
        "papers": ["notes"],
        "settings": {"max_papers": 5, "limits": {"wall_s": 100}, "include": ["PMID:1"]},
        "budget": {"max_usd": 1.5},
        "repeats": 3,
    },
    {"id": "example", "example": "breast-cancer"},
]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "notes").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def load(path: Path, **flags: object) -> BatchFile:
    return load_batch_file(path, flags)


def mistakes(path: Path, text: str | bytes) -> list[tuple[int, str]]:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(BatchFileError) as caught:
        load(path)
    assert caught.value.exit_code == 2
    for problem in caught.value.problems:
        assert f"{path}:{problem.line}: {problem.message}" in str(caught.value)
    return [(p.line, p.message) for p in caught.value.problems]


def as_csv(entries: list[dict[str, Any]]) -> str:
    rows = []
    for entry in entries:
        row: dict[str, str] = {}
        for name, value in entry.items():
            if isinstance(value, list):
                row[name] = "\n".join(value)
            elif isinstance(value, dict):
                for key, inner in value.items():
                    row[f"{name}.{key}"] = json.dumps(inner)
            else:
                row[name] = str(value)
        rows.append(row)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def as_toml(entries: list[dict[str, Any]]) -> str:
    lines = []
    for entry in entries:
        lines.append("[[objectives]]")
        for name, value in entry.items():
            if isinstance(value, dict):
                inner = ", ".join(f"{k} = {json.dumps(v).replace(': ', ' = ')}" for k, v in value.items())
                lines.append(f"{name} = {{{inner}}}".replace('"wall_s"', "wall_s"))
            else:
                lines.append(f"{name} = {json.dumps(value, ensure_ascii=False)}")
        lines.append("")
    return "\n".join(lines)


FORMS = {
    "jsonl": lambda entries: "\n".join(map(json.dumps, entries)),
    "csv": as_csv,
    "yaml": lambda entries: yaml.safe_dump(entries, sort_keys=False),
    "toml": as_toml,
}


@pytest.mark.parametrize("form", FORMS)
def test_the_four_forms_say_the_same(place: Path, form: str) -> None:
    path = place / f"b.{form}"
    path.write_text(FORMS[form](ENTRIES), encoding="utf-8")
    grouping, example = load(path).ready
    assert grouping.entry.conditions == ("80 samples; RNA", "a | b")
    assert grouping.inputs.objective.text == "How are tumours grouped, and “why”? Say it in two lines."
    assert [r.text for r in grouping.inputs.objective.requirements] == ["|log2 fold change| > 1"]
    assert grouping.inputs.papers == ((place / "notes").resolve(),)
    assert (grouping.settings.max_papers, grouping.settings.include) == (5, ("PMID:1",))
    assert (grouping.settings.limits.wall_s, grouping.settings.max_usd) == (100, 1.5)
    assert (grouping.entry.repeats, example.entry.repeats) == (3, None)
    assert example.inputs.objective.id == "example"
    assert example.inputs.papers
    assert example.settings.only_own is True
    assert example.settings.max_papers == 20


def test_flags_win_over_an_objective_which_wins_over_the_settings_file(place: Path) -> None:
    (place / "bioresearcher.toml").write_text("max_papers = 7\nmax_parts = 7\n[limits]\nwall_s = 50\nmemory_mb = 900\n")
    path = place / "b.jsonl"
    settings = {"max_papers": 5, "max_datasets": 1, "limits": {"wall_s": 60}}
    path.write_text(json.dumps({"id": "a", "objective": OBJECTIVE, "papers": ["notes"], "settings": settings}))
    (one,) = load(path, max_datasets=2).ready
    assert (one.settings.max_papers, one.settings.max_parts, one.settings.max_datasets) == (5, 7, 2)
    assert (one.settings.limits.wall_s, one.settings.limits.memory_mb) == (60, 900)


def test_an_address_in_a_batch_file_gets_no_key_of_the_environment(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not-a-real-one")
    models = {"default": {"provider": "openai", "model": "m", "base_url": "http://elsewhere.example/v1"}}
    path = place / "b.jsonl"
    path.write_text(
        json.dumps({"id": "a", "objective": OBJECTIVE, "papers": ["notes"], "settings": {"models": models}})
    )
    (one,) = load(path).ready
    assert one.settings.models["default"].api_key_env is None


def test_all_mistakes_of_a_file_are_told_with_their_lines(place: Path) -> None:
    good = {"id": "a", "objective": OBJECTIVE, "papers": ["notes"]}
    lines = [
        json.dumps(good),
        json.dumps(good | {"papers": ["nots"], "data": ["x"]}),
        '{"id": "b", "objective": "How are',
        "",
        json.dumps({"id": "c", "objectve": OBJECTIVE, "repeats": "3"}),
        "[1, 2]",
        json.dumps(good | {"id": "../up"}),
        json.dumps(good | {"id": "d", "settings": {"max_paper": 3, "max_parts": 99, "sandbox": "none", "jobs": 2}}),
        json.dumps(good | {"id": "e", "budget": {"max_usd": -1}, "line": 3}),
        json.dumps(good | {"id": "f", "example": "breast-cancer"}),
        '{"id": "g", "id": "h"}',
        json.dumps({"id": "i", "objective": OBJECTIVE}),
        json.dumps({"id": "j", "example": "none-such"}),
        json.dumps(good | {"id": "k", "settings": {"models": {"default": {"api_key": "sk-0123456789"}}}}),
    ]
    found = mistakes(place / "b.jsonl", "\n".join(lines))
    expected = [
        (2, "a: id: the same as that of line 1"),
        (2, "a: papers: 'nots' is not there"),
        (2, "a: data: 'x' is not there"),
        (3, "is not valid JSON"),
        (5, "c: repeats: input should be a valid integer"),
        (5, "c: objectve: unknown field; did you mean `objective`?"),
        (6, "must be an objective with its fields, not [1, 2]"),
        (7, "../up: id: '../up' must be 1 to 64 letters"),
        (8, "d: settings.max_paper: unknown key; did you mean `max_papers`?"),
        (8, "d: settings.max_parts: input should be less than or equal to 12 (got 99)"),
        (8, "d: settings.sandbox: none cannot be set in a file"),
        (8, "d: settings.jobs: cannot be set for one objective"),
        (9, "e: line: unknown field"),
        (9, "e: budget.max_usd: input should be greater than 0"),
        (10, "f: objective and example are both given"),
        (11, "is not valid JSON: the field 'id' is given twice"),
        (12, "i: there are neither papers nor data"),
        (13, "j: --example none-such: there is no such example"),
        (14, "k: settings.models.default.api_key: keys are not read from files"),
    ]
    assert len(found) == len(expected)
    for (line, message), (at, begins) in zip(found, expected, strict=True):
        assert line == at
        assert message.startswith(begins)
    assert "sk-0123456789" not in str(found)


def test_mistakes_in_yaml(place: Path) -> None:
    text = f"# two\n- id: a\n  objective: {OBJECTIVE}\n  papers: [nots]\n\n- text\n- id: 3\n  when: 2024-01-01\n"
    found = mistakes(place / "b.yaml", text)
    assert [line for line, _ in found] == [2, 6, 7, 7, 7, 7][: len(found)]
    assert "nots" in found[0][1]
    assert [n for n, _ in mistakes(place / "b.yaml", "- id: &x a\n- id: b\n- id: *x\n")] == [3]
    assert "'id' is given twice" in mistakes(place / "b.yaml", "- id: a\n  id: b\n")[0][1]
    assert "list of objectives" in mistakes(place / "b.yaml", "id: a\n")[0][1]
    assert [n for n, _ in mistakes(place / "b.yaml", '- id: a\n- id: "b\n')] == [3]
    assert mistakes(place / "b.yaml", "[" * 100_000) == [(1, "is nested too deeply for a batch file")]
    made = mistakes(place / "b.yaml", "- !!python/object/apply:os.mkdir [made]\n")
    assert (made[0][0], (place / "made").exists()) == (1, False)


def test_mistakes_in_toml(place: Path) -> None:
    text = (
        '[[objectives]]\nid = "a"\nobjective = """\n[[objectives]]\nHow are tumours grouped?"""\npapers = ["nots"]\n\n'
        f'  [[ objectives ]]\nid = "a"\nobjective = "{OBJECTIVE}"\npapers = ["notes"]\n[other]\n'
    )
    found = mistakes(place / "b.toml", text)
    assert [line for line, _ in found] == [1, 8, 12]
    assert "other: unknown" in found[2][1]
    assert mistakes(place / "b.toml", "a = 1\nb = \n")[0][0] == 2
    assert mistakes(place / "b.toml", "x = " + "[" * 50_000) == [(1, "is nested too deeply for a batch file")]


def test_mistakes_in_csv(place: Path) -> None:
    text = f'id,objective,papers,repeats\na,{OBJECTIVE},"notes\nnots",\n\nb,x\nc,{OBJECTIVE},notes,many\n'
    found = mistakes(place / "b.csv", text)
    assert [line for line, _ in found] == [2, 5, 6]
    assert "has 2 cells where the first line has 4" in found[1][1]
    assert "given twice" in mistakes(place / "b.csv", "id,id\na,b\n")[0][1]
    assert "not valid CSV" in mistakes(place / "b.csv", 'id,objective\na,"How\n')[0][1]
    path = place / "semicolons.csv"
    path.write_bytes(f"\ufeffid;objective;papers\r\na;{OBJECTIVE};notes\r\n".encode())
    assert load(path).ready[0].entry.id == "a"


def test_files_that_are_none(place: Path) -> None:
    assert mistakes(place / "b.jsonl", "") == [(1, "holds no objective")]
    assert mistakes(place / "b.yaml", "") == [(1, "holds no objective")]
    assert mistakes(place / "b.jsonl", b'{"id": "a"}\n{"id": "\xff"}\n')[0][0] == 2
    for name in ("missing.jsonl", "b.txt", "."):
        with pytest.raises(InputError):
            load(place / name)


@pytest.mark.parametrize("form", FORMS)
@example(raw="[")
@given(raw=st.one_of(st.binary(max_size=200), st.text(alphabet='{}[]":,-&*!|>#= \n\tabid01;', max_size=200)))
def test_no_file_makes_the_reader_fail(tmp_path_factory: pytest.TempPathFactory, form: str, raw: str | bytes) -> None:
    path = tmp_path_factory.mktemp("fuzz") / f"b.{form}"
    path.write_bytes(raw if isinstance(raw, bytes) else raw.encode())
    for item in read_batch_file(path):
        assert isinstance(item, Problem | RawEntry)
        assert 1 <= item.line <= path.read_bytes().replace(b"\r", b"\n").count(b"\n") + 1


_TEXTS = (
    st.text(
        st.characters(blacklist_categories=("Cs", "Cc", "Zl", "Zp"), blacklist_characters="\x85"),
        min_size=1,
        max_size=30,
    )
    .map(str.strip)
    .filter(bool)
)


@pytest.mark.parametrize("form", FORMS)
@given(texts=st.lists(st.tuples(_TEXTS, st.lists(_TEXTS, min_size=1, max_size=3)), min_size=1, max_size=4))
def test_what_was_written_is_read_with_its_line(
    tmp_path_factory: pytest.TempPathFactory, form: str, texts: list[tuple[str, list[str]]]
) -> None:
    entries = [{"id": f"o{i}", "objective": text, "conditions": lines} for i, (text, lines) in enumerate(texts)]
    path = tmp_path_factory.mktemp("written") / f"b.{form}"
    text = FORMS[form](entries)
    path.write_text(text, encoding="utf-8", newline="")
    found = read_batch_file(path)
    assert [item.fields for item in found if isinstance(item, RawEntry)] == entries
    lines = text.split("\n")
    for item in found:
        assert isinstance(item, RawEntry)
        near = "".join(lines[item.line - 1 : item.line + 1])
        assert item.fields["id"] in near


def test_ten_thousand_objectives(place: Path) -> None:
    path = place / "many.jsonl"
    entry = {"objective": OBJECTIVE, "papers": ["notes"], "settings": {"max_papers": 3}}
    path.write_text("\n".join(json.dumps({"id": f"o{i}"} | entry) for i in range(10_000)))
    assert len(load(path).ready) == 10_000
    assert not (place / "workspace").exists()
