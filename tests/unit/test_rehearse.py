"""Rehearsals: a script from end to end on copies of the data, and how its ends are told."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from test_audit_views import SURVIVAL, make_sheet, write_data

from bioresearcher.audit.rehearsal import make_copies
from bioresearcher.sandbox.base import Sandbox
from bioresearcher.sandbox.choose import UnsandboxedSandbox, choose_sandbox
from bioresearcher.sources.datasets.load import load_datasets
from bioresearcher.stages.rehearse import LIMITS, Rehearsed, rehearse

pytestmark = [pytest.mark.sandbox, pytest.mark.usefixtures("no_sandbox_skip")]

QUICK = LIMITS.model_copy(update={"wall_s": 3, "cpu_s": 3})


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rehearsal")
    write_data(folder / "data", make_sheet())
    datasets, _ = load_datasets([folder / "data"])
    make_copies(datasets, SURVIVAL, folder / "copies")
    return folder / "copies"


@pytest.fixture(scope="module")
def sandbox() -> Sandbox:
    return choose_sandbox("bubblewrap")


@pytest.fixture
def run(copies: Path, sandbox: Sandbox):
    def rehearsed(script: str, **options) -> Rehearsed:
        return asyncio.run(rehearse(sandbox, copies, script, **{"limits": QUICK, **options}))

    return rehearsed


def test_a_script_runs_from_end_to_end_on_the_copies(run) -> None:
    done = run(
        "import os\nfrom pathlib import Path\nimport pandas as pd\n"
        "data = Path(os.environ['DATA'])\n"
        "sheet = pd.read_csv(data / 'data' / 'samples.csv', index_col='sample')\n"
        "matrix = pd.read_csv(data / 'data' / 'expression.csv', index_col='gene')\n"
        "joined = sheet.join(matrix.T, how='inner')\n"
        "print(os.environ['REHEARSAL'], joined.shape, sorted(os.listdir(data)))\n"
        "Path('results').mkdir()\njoined.head(2).to_csv('results/head.csv')\nPath('done').write_text('yes')\n",
        limits=LIMITS,
    )
    assert (done.ok, done.exit_code, done.killed, done.refused, done.error, done.line) == (True, 0, "", "", "", None)
    assert done.shown.splitlines()[0] == "1 (60, 11) ['data']"
    assert done.shown.splitlines()[1] == "first lines of results/head.csv (201 bytes):"
    assert [name for name, _ in done.files] == ["done", "results/head.csv"]
    assert dict(done.files)["done"] == 3
    assert done.seconds > 0


def test_the_same_rehearsal_shows_the_same(run) -> None:
    script = (
        "import os, time\nprint(object(), {'b', 'a', 'c'}, os.environ['PATH'], os.getcwd())\nraise OSError(object())"
    )
    one, two = run(script), run(script)
    assert (one.shown, one.error, one.line) == (two.shown, two.error, two.line)


def test_an_error_is_told_by_the_scripts_own_lines(run) -> None:
    script = (
        "import pandas as pd\n\n\ndef load(frame):\n    return frame['no such column']\n\n\n"
        "def inner():\n    try:\n        1 / 0\n    except ZeroDivisionError:\n"
        "        return load(pd.DataFrame({'a': [1]}))\n\n\nprint('begun')\ninner()\n"
    )
    done = run(script, limits=LIMITS)
    assert (done.ok, done.exit_code, done.line, done.shown) == (False, 1, 5, "begun")
    assert done.error.endswith("KeyError: 'no such column'")
    assert [n for n in (5, 12, 16) if f'script.py", line {n}' in done.error] == [5, 12, 16]
    assert "return frame['no such column']" in done.error
    assert "site-packages" not in done.error
    assert "ZeroDivisionError" not in done.error


@pytest.mark.parametrize(
    ("script", "line", "told"),
    [
        ("x = 1\ndef", 2, "SyntaxError: invalid syntax"),
        ("x = 1\n  y = 2", 2, "IndentationError: unexpected indent"),
        ("print(1)\n1 / 0", 2, "ZeroDivisionError: division by zero"),
        ("raise SystemExit('no such group')", None, "no such group"),
        ("raise SystemExit(3)", None, "exit code 3, without a message"),
        ("import nothing_like_it", 1, "ModuleNotFoundError: No module named 'nothing_like_it'"),
        ("raise ValueError('a\\nb ' + 'x' * 9000)", 1, "ValueError: a"),
        ("raise ValueError('one\\u202e\\x07line')", 1, "ValueError: oneline"),
        ("def f(n):\n    f(n + 1)\nf(0)", 2, "RecursionError: maximum recursion depth exceeded"),
        ("import os\nos.abort()", 2, "Fatal Python error: Aborted"),
    ],
)
def test_a_failed_script_says_where_and_why(run, script: str, line: int | None, told: str) -> None:
    done = run(script)
    assert not done.ok
    assert done.line == line
    assert told in done.error
    assert len(done.error) <= 1500
    assert (done.killed, done.refused) == ("", "")


@pytest.mark.parametrize(
    ("script", "killed"),
    [
        ("print('begun', flush=True)\nwhile True: pass", {"wall_time", "cpu_time"}),
        ("print('begun')\nwhile True: print('x' * 1000)", {"output"}),
        ("with open('f', 'wb') as f:\n    while True: f.write(bytes(1 << 20))", {"file_size", "disk"}),
        ("import os\nwhile True: os.fork()", {"processes", "wall_time", "cpu_time", "memory"}),
    ],
)
def test_a_limit_ends_a_script_and_is_told(run, script: str, killed: set[str]) -> None:
    done = run(script)
    assert done.killed in killed
    assert (done.ok, done.exit_code, done.line, done.refused) == (False, None, None, "")
    assert done.error.startswith(f"ended by the limit {done.killed}: ")
    assert done.shown.startswith("begun") or "begun" not in script
    assert len(done.shown) <= 6000


def test_what_is_refused_is_not_run(run, copies: Path, sandbox: Sandbox, tmp_path: Path) -> None:
    assert run(" \n").refused == "there is no script"
    assert run("#" * 60_001).refused.startswith("the script has 60,001 bytes, more than the 60,000")
    none = asyncio.run(rehearse(UnsandboxedSandbox(), copies, "print(1)"))
    assert none.refused.startswith("a rehearsal needs a sandbox that isolates it")
    for folder in (tmp_path, tmp_path / "nothing"):
        assert asyncio.run(rehearse(sandbox, folder, "print(1)")).refused == "there are no copies of data"
    assert not none.ok


def test_a_script_reaches_no_network_no_original_and_writes_only_in_its_folder(run, copies: Path) -> None:
    done = run(
        "import os, socket\n"
        "def tried(f):\n    try: return f()\n    except Exception as e: return type(e).__name__\n"
        "print(tried(lambda: socket.create_connection(('192.0.2.1', 80), 1)))\n"
        f"print(tried(lambda: os.listdir({str(copies.parent)!r})))\n"
        "data = os.environ['DATA']\n"
        "print(tried(lambda: open(data + '/data/samples.csv', 'a')), tried(lambda: open(data + '/new', 'w')))\n"
        "print(tried(lambda: open(__file__, 'a')), tried(lambda: os.remove(data + '/data/samples.csv')))\n",
        limits=LIMITS,
    )
    assert done.ok
    first, second, third, fourth = done.shown.splitlines()
    assert (first, second) == ("PermissionError", "FileNotFoundError")
    assert set((third + " " + fourth).split()) <= {"OSError", "PermissionError"}


def test_long_output_keeps_whole_lines_of_head_and_tail(run) -> None:
    done = run("for i in range(3000): print('line', i, 'µ')")
    assert len(done.shown) <= 6000
    lines = done.shown.splitlines()
    assert (lines[0], lines[-1]) == ("line 0 µ", "line 2999 µ")
    cut = [n for n in lines if not n.startswith("line ")]
    assert len(cut) == 1
    assert cut[0].endswith(" characters left out …]")
    assert all(n.endswith(" µ") for n in lines if n not in cut)


def test_files_are_listed_whatever_they_are_called_and_links_are_not_followed(run) -> None:
    done = run(
        "import os\nos.symlink('/etc/passwd', 'link')\nos.symlink('/', 'all')\n"
        "open('a\\u202eb\\n.txt', 'w').write('xy')\n"
        "os.makedirs('/'.join('d' * 20))\nopen('/'.join('d' * 20) + '/deep', 'w')\nos.mkfifo('pipe')\n"
        "os.mkdir('closed'); open('closed/f', 'w'); os.chmod('closed', 0)\n"
    )
    assert done.ok
    assert ("ab .txt", 2) in done.files
    assert {n for n, _ in done.files} <= {"ab .txt", "closed/f"}


FINDINGS = """
import json, os, pathlib
import csv
rows = list(csv.DictReader(open(pathlib.Path(os.environ["DATA"]) / "data/samples.csv")))
findings = [
    {"statement": f"{len(rows)} samples were read.", "values": {"samples": len(rows)}},
    {"statement": "The score is 4.25 in group A and 7.77 more in B.", "values": {"mean": 4.25}},
]
pathlib.Path("findings.json").write_text(json.dumps(findings))
"""


def test_a_finding_whose_number_no_value_has_is_told_before_anything_is_registered(run) -> None:
    found = run(FINDINGS)
    assert found.ok
    (said,) = found.struck
    assert "7.77" in said
    assert "4.25 in group A" in said
    assert run("print(1)").struck == ()
    assert run("import os; os.symlink('/etc/passwd', 'findings.json')").struck == ()
    assert run("open('findings.json', 'w').write('[' * 100_000)").struck == ()
