"""Looks at views: what a script can see, how its ends are told, and which facts it supports."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_audit_views import BOTH, make_sheet, permuted, views_of, write_data

from bioresearcher.audit.views import view_names
from bioresearcher.llm.converse import FAILED, Done, Place
from bioresearcher.sandbox.base import Sandbox
from bioresearcher.sandbox.choose import UnsandboxedSandbox, choose_sandbox
from bioresearcher.schemas.conversation import FactAction, LookAction
from bioresearcher.schemas.facts import Fact, View
from bioresearcher.stages.explore import FactTool
from bioresearcher.stages.fact_numbers import unseen_numbers
from bioresearcher.stages.look import LIMITS, LookTool, Shown, run_look, state_fact
from bioresearcher.stages.look_basis import quantiles_of

pytestmark = [pytest.mark.sandbox, pytest.mark.usefixtures("no_sandbox_skip")]

QUICK = LIMITS.model_copy(update={"wall_s": 3, "cpu_s": 3})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("looks")
    write_data(folder / "data", make_sheet())
    (folder / "data" / "sets.gmt").write_text("SET\tabout\tGENE0\tGENE1\n")
    with (folder / "data" / "dataset.toml").open("a") as file:
        file.write('[[files]]\nname = "sets"\nkind = "gene_sets"\npath = "sets.gmt"\n')
    return folder


@pytest.fixture(scope="module")
def views(place: Path) -> dict[str, View]:
    return views_of(place / "views", place / "data", BOTH)


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return choose_sandbox("bubblewrap")


@pytest.fixture
def look(place: Path, views: dict[str, View], sandbox: Sandbox):
    def run(code: str, kind: str = "open", **options) -> Shown:
        return asyncio.run(run_look(sandbox, place / "views", views[kind], code, **{"limits": QUICK, **options}))

    return run


def test_a_look_loads_the_views_files_and_prints_compactly(look) -> None:
    shown = look(
        "m = table('matrix.csv')\nshow(m)\nshow(table('samples').groupby('batch').size())\n"
        "show({'a': 0.123456, 'b': 12345.678})\nprint(table('data-sets.gmt'))",
        limits=LIMITS,
    )
    first, *rest = shown.text.splitlines()
    assert first == f"exit 0 · {len(shown.body.encode()):,} bytes shown"
    assert "... 49 more columns (of 6 x 61)" in rest
    assert "a\t0.123" in rest
    assert "b\t1.23e+04" in rest
    assert "{'SET': ['GENE0', 'GENE1']}" in rest
    assert (shown.exit_code, shown.killed, shown.refused) == (0, "", "")


def test_the_same_look_prints_the_same(look) -> None:
    code = (
        "import os, time\nprint(object(), time.time() > 0, {'b', 'a', 'c'}, os.environ['PATH'])\nshow(table('samples'))"
    )
    assert look(code, limits=LIMITS).text == look(code, limits=LIMITS).text


def test_a_long_output_keeps_head_and_tail_at_character_borders(look) -> None:
    shown = look("print('first' + 'µ' * 20_000 + 'last')", shown_bytes=2048)
    assert shown.head.endswith("of 40,009 bytes shown")
    assert len(shown.body.encode()) <= 2048
    assert shown.body.startswith("first")
    assert shown.body.endswith("last")
    assert "\ufffd" not in shown.body
    assert shown.bytes_seen == 40_010


@pytest.mark.parametrize(
    ("code", "first"),
    [
        ("pass", "exit 0 · nothing was printed"),
        ("print(1)\n1 / 0", "exit 1 (failed) · 1 bytes shown"),
        ("raise SystemExit(3)", "exit 3 (failed) · nothing was printed"),
        ("def", "exit 1 (failed) · nothing was printed"),
        ("while True: pass", "killed, ended by the limit "),
        ("while True: print('x' * 1000)", "killed, ended by the limit output"),
        ("with open('f', 'wb') as f:\n    while True: f.write(bytes(1 << 20))", "killed, ended by the limit "),
        ("import os\nwhile True: os.fork()", "killed, ended by the limit "),
        ("#" * 9000, "not run: the code has 9,000 bytes, more than the 8,000"),
        (" \n", "not run: there is no code"),
        ("print('\ud800')", "exit "),
    ],
)
def test_the_first_line_tells_how_a_look_ended(look, code: str, first: str) -> None:
    shown = look(code)
    assert shown.text.splitlines()[0].startswith(first)
    assert len(shown.text.encode()) < 5000


def test_too_much_memory_is_told(look) -> None:
    few = LIMITS.model_copy(update={"memory_mb": 200})
    shown = look("x = []\nwhile True: x.append(b'1' * (10 << 20))", limits=few)
    assert shown.text.splitlines()[0].startswith("killed, ended by the limit memory")


def test_a_traceback_begins_at_the_looks_own_line(look) -> None:
    shown = look("x = 1\n\ntable('nope')", limits=LIMITS)
    assert 'task/look.py", line 3' in shown.body
    assert "no file 'nope' here; there is matrix.csv, samples.csv, data-sets.gmt" in shown.body
    assert "runpy" not in shown.body


def test_a_look_reaches_no_network_no_other_view_and_nothing_of_the_host(look, place: Path) -> None:
    backwards = [v[::-1] for v in make_sheet()["time_months"][:20]]  # so that the script itself does not hold them
    code = (
        "import os, socket\n"
        "def tried(f):\n    try: return f()\n    except Exception as e: return type(e).__name__\n"
        "print(tried(lambda: socket.create_connection(('192.0.2.1', 80), 1)))\n"
        "print(tried(lambda: open('/etc/passwd').read()), tried(lambda: open('/etc/shadow').read()))\n"
        f"print(tried(lambda: os.listdir({str(place)!r})))\n"
        "view = os.environ['LOOK_VIEW']\n"
        "print(tried(lambda: open(view + '/samples.csv', 'a')), sorted(os.listdir(view + '/..')), os.listdir('.'))\n"
        "tops = ['/data', '/work', '/task', '/tmp', '/srv', '/mnt', '/root', '/home', '/run', '/var']\n"
        "for top in (view + '/..', '.', *tops):\n"
        "    for folder, _, files in os.walk(top):\n"
        "        if '/lib/' in folder or '/.venv' in folder: continue\n"
        "        for name in files:\n"
        "            text = tried(lambda: open(os.path.join(folder, name), errors='replace').read())\n"
        f"            if any(v[::-1] in text for v in {backwards!r}): print('FOUND', folder, name)\n"
    )
    shown = look(code, limits=LIMITS)
    assert shown.exit_code == 0
    assert "FOUND" not in shown.body
    assert shown.body.startswith("PermissionError\nsandbox:x:1000")
    assert "FileNotFoundError" in shown.body
    assert "['gene_sets', 'view'] []" in shown.body


def test_asking_for_outcomes_finds_none(look) -> None:
    shown = look("print(table('samples')['death'])", limits=LIMITS)
    assert "KeyError: 'death'" in shown.body


def test_without_isolation_nothing_is_run(place: Path, views: dict[str, View]) -> None:
    shown = asyncio.run(run_look(UnsandboxedSandbox(), place / "views", views["open"], "print(1)"))
    assert shown.refused
    assert shown.text.startswith("not run: looks need a sandbox")


@settings(max_examples=5)
@given(seed=st.integers(0, 10**6))
def test_no_look_depends_on_outcomes_or_groups(
    tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox, seed: int
) -> None:
    """The most telling look, all bytes of all files, is the same whoever has which outcome."""
    code = (
        "import hashlib, os, pathlib\n"
        "for p in sorted(pathlib.Path(os.environ['LOOK_VIEW']).iterdir()):\n"
        "    print(p.name, p.stat().st_size, hashlib.sha256(p.read_bytes()).hexdigest())\n"
    )
    folder = tmp_path_factory.mktemp("property")
    sheet = make_sheet(80, seed)
    sheet["entered"] = [f"{1 + i % 12}/{1 + i % 28}/{1997 + i % 3}" for i in range(80)]  # years are derived of it
    sheet["cod"] = [f"{'3 12 28'.split()[i % 3]}{i * 7:03}" for i in range(80)]  # and series of this
    variants = {
        "real": sheet,
        "outcomes": permuted(sheet, ["time_months", "death"], seed + 1),
        "groups": permuted(sheet, ["arm"], seed + 2),
    }
    texts: dict[str, dict[str, str]] = {}
    for name, variant in variants.items():
        write_data(folder / "data", variant)
        views = views_of(folder / name, folder / "data", BOTH)
        texts[name] = {
            kind: asyncio.run(run_look(sandbox, folder / name, views[kind], code)).text for kind in ("open", "design")
        }
    assert all(t.startswith("exit 0") for found in texts.values() for t in found.values())
    assert texts["real"] == texts["outcomes"]
    assert texts["real"]["open"] == texts["groups"]["open"]
    assert texts["real"]["design"] != texts["groups"]["design"]


def action(code: str, view: str = "data/open") -> LookAction:
    return LookAction(kind="look", why="to see", view=view, code=code)


def test_the_tool_runs_looks_and_its_key_names_what_they_depend_on(
    place: Path, views: dict[str, View], sandbox: Sandbox
) -> None:
    tool = LookTool(sandbox, place / "views", views.values())
    view = views["open"].id
    seen = asyncio.run(tool.run(action("print('µ' * 3000)", view), Place("L1", 1, ())))
    later = asyncio.run(tool.run(action("print('µ' * 3000)", view), Place("L7", 3, ())))
    assert 4000 < len(seen.text.encode()) < 4300
    assert 1900 < len(later.text.encode()) < 2200
    assert json.loads(json.dumps(seen.meta))["exit_code"] == 0
    key = tool.key(action("print(1)", view))
    assert key == tool.key(LookAction(kind="look", why="for another reason", view=view, code="print(1)"))
    other = views["open"].model_copy(update={"digest": "0"})
    changed = LookTool(sandbox, place / "views", [other]).key(action("print(1)", view))
    assert len({key, changed, tool.key(action("print(2)", view)), tool.key(action("print(1)", "data/outcome"))}) == 4


def test_the_tool_refuses_in_words(place: Path, views: dict[str, View], sandbox: Sandbox) -> None:
    tool = LookTool(sandbox, place / "views", views.values())
    unknown = asyncio.run(tool.run(action("print(1)", "data/all"), Place("L1", 1, ())))
    assert unknown.text.startswith("not run: there is no view 'data/all'; there is ")
    before = (Done("L1", action("print(1)"), "exit 0", {"seconds": 181.0}),)
    spent = asyncio.run(tool.run(action("print(1)", views["open"].id), Place("L2", 1, before)))
    assert spent.meta["refused"] == "all looks together have used their 180 s"


SHOWN = (
    "exit 0 · 4,096 of 24,888,890 bytes shown\n<<<untrusted output of the look\n"
    "n\t1980\nshare 0.402 12.5% r=-0.31 [39,26] 1,234,567\n[… 777 bytes left out …]\n>>>"
)


@pytest.mark.parametrize(
    ("statement", "missing"),
    [
        ("1,980 of the values, a share of 0.402 or 12.5 %", ()),
        ("1980.0 values, 1,234,567 in all, in series of 39 and 26", ()),
        ("The correlation is −0.31 in GSE4335 for E2F1", ()),
        ("The correlation is 0.31", ("0.31",)),
        ("about 0.40 or 40 %", ("0.40", "40")),
        ("40.2 % of the values", ()),
        ("40.2 of the values", ("40.2",)),
        ("4,096 of 24,888,890 bytes, 777 left out", ("4,096", "24,888,890", "777")),
        ("seven samples and 1,981 values", ("1,981", "seven")),
        ("between 39–27", ("27",)),
        (".402 and 1e3", ("1e3",)),
    ],
)
def test_every_number_of_a_fact_must_stand_in_what_the_look_printed(statement: str, missing: tuple[str, ...]) -> None:
    assert unseen_numbers(statement, SHOWN) == missing
    made = state_fact({"L3": ("data/open", SHOWN)}, fact_of(statement), "F9")
    if missing:
        assert isinstance(made, str)
        assert all(number in made for number in missing)
    else:
        assert isinstance(made, Fact)
        assert (made.id, made.dataset, made.shown_by, made.statement) == ("F9", "data", "L3", statement)


def test_the_quantile_that_a_look_asks_for_may_be_named() -> None:
    code = "x = table('matrix'); print(x.quantile(0.95), np.percentile(x, [2.5, 50]), x.head(77))"
    assert quantiles_of(code) == {0.95, 95.0, 0.025, 2.5, 0.5, 50.0}
    assert quantiles_of("this is ( no Python") == quantiles_of("print(0.95)") == frozenset()
    said = "0.402 at the 95% quantile, 12.5% at the 0.025 quantile"
    assert unseen_numbers(said, SHOWN, quantiles_of(code)) == ()
    assert unseen_numbers(said, SHOWN) == ("95", "0.025")


def fact_of(statement: str, look: str = "L3") -> FactAction:
    return FactAction(kind="fact", look=look, statement=statement, consequence="treat as missing")


def test_a_fact_needs_a_look_that_showed_something() -> None:
    looks = {"L3": ("data/open", SHOWN), "L4": ("data/open", "exit 0 · nothing was printed")}
    assert state_fact(looks, fact_of("39 samples", "L9"), "F1") == "there is no look 'L9'; there is L3, L4"
    assert state_fact(looks, fact_of("No sample is filled in", "L4"), "F1") == "L4 showed nothing"
    assert state_fact(looks, fact_of(" "), "F1") == "it says nothing"


@given(st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=6), st.integers(0, 10**7))
def test_printed_numbers_are_always_found_and_others_never(printed: list[int], invented: int) -> None:
    shown = "exit 0 · 9 bytes shown\n<<<untrusted output of the look\n" + "\n".join(map(str, printed)) + "\n>>>"
    assert unseen_numbers("; ".join(f"a count of {n:,}" for n in printed), shown) == ()
    assert bool(unseen_numbers(f"a count of {invented:,}", shown)) == (invented not in printed)


def test_a_failed_look_says_its_own_line_and_which_columns_there_are(look) -> None:
    shown = look("s = table('samples')\nfor n in range(900): print(n)\ns['age_years'].mean()", limits=LIMITS)
    assert "line 3" in shown.body
    assert "KeyError: 'age_years'" in shown.body
    assert "columns of samples.csv: sample, " in shown.body
    assert "columns of matrix.csv: gene, s" in shown.body
    assert "pandas" not in shown.body
    assert len(shown.body.encode()) < 2400


def test_numpy_pandas_and_statistics_are_there_without_an_import(look) -> None:
    shown = look("print(np.mean([1, 2]), pd.Series([3]).sum(), round(stats.norm.cdf(0), 2))", limits=LIMITS)
    assert shown.body == "1.5 3 0.5"


def test_a_long_output_is_cut_at_ends_of_lines_and_never_within_a_number(look) -> None:
    lines = [str(n * 1.5) for n in range(10_000, 11_000)]
    shown = look("print('\\n'.join(str(n * 1.5) for n in range(10_000, 11_000)))", shown_bytes=1000)
    kept = shown.body.splitlines()
    assert len(shown.body.encode()) <= 1000
    assert {line for line in kept if "left out" not in line} <= set(lines)
    one = look("print(','.join(str(n * 1.5) for n in range(10_000, 11_000)))", shown_bytes=1000).body
    numbers = {n for line in one.splitlines() if "left out" not in line for n in line.split(",") if n}
    assert numbers <= set(lines)


def test_the_tool_says_of_a_failure_that_it_is_one(place: Path, views: dict[str, View], sandbox: Sandbox) -> None:
    tool = LookTool(sandbox, place / "views", views.values())
    failed, fine = (
        asyncio.run(tool.run(action(code, views["open"].id), Place("L1", 1, ()))) for code in ("1 / 0", "print(1)")
    )
    assert (failed.meta[FAILED], fine.meta[FAILED]) == (True, False)


TABLE = (
    "exit 0 · 200 bytes shown\n<<<untrusted output of the look\n"
    "src  sex  score  ratio\n  N   M    -3.50   7.90\n  N   F    -1.20   1.10\n  T   M     0.80  51.37\n"
    "  T   M     1.64  32.63\n  T   F     3.41   2.25\n"
    "by floor {'low': 1095, 'mid': 120, 'high': 42}\n>>>"
)


@pytest.mark.parametrize(
    ("statement", "missing"),
    [
        ("Of the rows three are T", ()),
        ("Of the rows four are T", ("four",)),
        ("2 samples are T and M", ("2",)),  # the clause ends before the second level
        ("two arrays are T M", ()),
        ("five arrays in the table", ()),
        ("six arrays in the table", ("six",)),
        ("two arrays from -3.50 to -1.20, three from 0.80 to 3.41", ()),
        ("three arrays from -3.50 to -1.20", ("three",)),
        ("the ratio is 51.37 and 32.63 in two arrays", ()),
        ("the ratio is 51.37 and 32.63 in three arrays", ("three",)),
        ("two couples: N M, T F", ()),
        ("two couples: N M, T X", ("two",)),
        ("162 = 120 + 42 features", ()),
        ("120 + 42 = 162 features", ()),
        ("163 = 120 + 42 features", ("163",)),
        ("161 = 120 + 41 features", ("161", "41")),
        ("42 of 120 (35%)", ()),
        ("a share of 0.35 (42 of 120)", ()),
        ("42 of 120 (36%)", ("36",)),
        ("1,257 features in all", ()),
        ("1,257 features", ("1,257",)),
        ("12,632 features", ()),
    ],
)
def test_what_arithmetic_over_the_output_gives_is_kept_and_nothing_else(
    statement: str, missing: tuple[str, ...]
) -> None:
    assert unseen_numbers(statement, TABLE, {12_632}) == missing


def test_a_table_that_was_cut_has_no_number_of_rows() -> None:
    cut = TABLE.replace("by floor", "[… 99 bytes left out …]\nby floor")
    assert unseen_numbers("five arrays in the table", cut) == ("five",)
    assert unseen_numbers("three arrays are T", cut) == ("three",)


def test_a_fact_says_on_which_rows_its_look_computed(views: dict[str, View], sandbox: Sandbox, place: Path) -> None:
    tool = FactTool([], views.values())
    looks = LookTool(sandbox, place / "views", views.values())
    whole = "m = table('matrix.csv').set_index('gene')\nprint(int((m > 0).sum().sum()))"
    part = "m = table('matrix.csv').set_index('gene')\nkeep = (m > 2).mean(axis=1) >= 0.5\nprint(len(m[keep]))"
    told = []
    for number, code in enumerate((whole, part), 1):
        act = action(code, views["open"].id)
        seen = asyncio.run(looks.run(act, Place(f"L{number}", 1, ())))
        done = Done(f"L{number}", act, seen.text, {})
        kept = asyncio.run(tool.run(fact_of(f"There are {seen.text.split()[-2]}", done.id), Place("", 1, (done,))))
        told.append(Fact.model_validate(kept.meta["fact"]).statement)
    assert "matrix.csv: 6 features × 60 samples; its code takes them whole" in told[0]
    assert "its code takes parts by `(m > 2).mean(axis=1) >= 0.5`" in told[1]


def test_samples_with_accessions_can_be_left_out_by_name(
    tmp_path_factory: pytest.TempPathFactory, sandbox: Sandbox
) -> None:
    folder = tmp_path_factory.mktemp("named")
    sheet = make_sheet(40)
    sheet["sample"] = [f"GSM{700 + i}" for i in range(40)]
    write_data(folder / "data", sheet)
    made = views_of(folder / "views", folder / "data", BOTH)
    tool = LookTool(sandbox, folder / "views", made.values())
    code = "m = table('matrix.csv').set_index('gene')\n"
    code += "print(m.drop(columns=[code_of('GSM702'), code_of('GSM717')]).shape)"

    def ask(text: str, kind: str = "open", before: tuple[Done, ...] = ()) -> Shown:
        return asyncio.run(tool.run(action(text, made[kind].id), Place("L2", 1, before)))

    assert "(6, 38)" in ask(code).text
    assert "KeyError" in ask("print(code_of('GSM702'))", "outcome").text
    assert "KeyError" in ask("print(code_of('GSM' + '702'))").text
    many = "; ".join(f"print(code_of('GSM{n}'))" for n in range(703, 706))
    refused = ask(many, before=(Done("L1", action(code, made["open"].id), "exit 0"),))
    assert "codes of 5 samples are asked for by name in all; at most 4" in refused.text
    five = "; ".join(f"print(code_of('GSM{n}'))" for n in range(710, 715))
    denied = Done("L1", action(five, made["open"].id), refused.text, {"refused": "not run"})
    assert "(6, 38)" in ask(code, before=(denied,)).text, "what was refused gave no code"
    full = Done("L1", action(many + f"; print(code_of('GSM{720}'))", made["open"].id), "exit 0")
    assert "60" in ask("print(60)", before=(full, full)).text
    for variant in (permuted(sheet, ["time_months", "death"], 3), permuted(sheet, ["arm"], 4)):
        write_data(folder / "data", variant)
        other = views_of(folder / "again", folder / "data", BOTH)
        assert view_names(folder / "again", other["open"]) == view_names(folder / "views", made["open"])


def test_names_that_may_say_something_have_no_codes(place: Path, views: dict[str, View]) -> None:
    assert all(view_names(place / "views", view) == {} for view in views.values())
