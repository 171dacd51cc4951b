"""What reading the code shows before it runs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioresearcher.execution.code_checks import check_code
from bioresearcher.schemas.execution import DryLabTask, Outcome, TaskCode, TaskInput, TaskOutput

TASK = DryLabTask(
    id="T1",
    title="t",
    goal="g",
    step_ids=("S1",),
    inputs=(TaskInput(name="matrix", dataset="d", file="expression"),),
    outputs=(TaskOutput(name="table", file="table.tsv", kind="table"),),
)


def look(code: str, **support: str):
    files = {f"{name}.py": text for name, text in support.items()}
    return check_code(TASK, TaskCode(code=code, support=files, origin="model"), inside=("/data/matrix/m.tsv", "/work"))


@pytest.mark.parametrize(
    "code",
    [
        "x = 'path/to/file.csv'",
        "x = r'C:\\data\\m.csv'",
        "x = '/home/ann/m.csv'",
        "x = 'your_file.csv'",
        "x = 'example.csv'",
        "x = 'data/sample_data.tsv'",
        "x = '<input file>'",
        "x = '/mnt/project/counts.tsv'",
        "x = '/data/other/m.tsv'",
        "x = f'/root/{1}/path/to/x'",
    ],
)
def test_paths_that_are_no_files_of_the_task_are_placeholders(code: str) -> None:
    report = look(code)
    assert report.outcome is Outcome.PLACEHOLDER
    assert "line 1" in report.message


@pytest.mark.parametrize(
    "code",
    [
        "'''Give the path/to/file as an argument.'''\nx = 1",
        "x = '/data/matrix/m.tsv'",
        "x = '/work/table.tsv'",
        "x = '/tmp/scratch'",
        "x = 'mg/dl and 1/2'",
        "x = 'for example: csv'",
        "# path/to/file\nx = 1",
    ],
)
def test_other_texts_are_no_placeholders(code: str) -> None:
    assert look(code).outcome is None


@pytest.mark.parametrize(
    "code",
    [
        "def f(:",
        "x = '\0'",
        "(" * 3000,
        "-" * 100_000 + "1",
        "a" + ".a" * 50_000,
        "x = (1\n",
        "  x = 1\ny = 2",
        "\ud800",
    ],
)
def test_code_that_cannot_be_parsed_is_a_syntax_error_however_odd(code: str) -> None:
    assert look(code).outcome is Outcome.SYNTAX


@given(st.text(max_size=300))
def test_no_text_makes_the_check_fail(code: str) -> None:
    report = look(code)
    assert (report.outcome is None) == (report.message == "")


@pytest.mark.parametrize("name", ["../x.py", "/etc/x.py", "code.py", "task.json", "", "a b.py", ".x.py", "x/y.py"])
def test_helper_files_cannot_leave_their_folder_or_take_our_names(name: str) -> None:
    report = check_code(TASK, TaskCode(code="x = 1", support={name: "y = 2"}, origin="model"))
    assert report.outcome is Outcome.SYNTAX


def test_missing_packages_are_named_as_they_are_installed() -> None:
    assert "package scikit-survival" in look("import sksurv.metrics").message
    assert look("try:\n    import sksurv\nexcept ImportError:\n    sksurv = None").outcome is None
    assert look("from helper import f", helper="f = 1").outcome is None
    assert "helper.py, line 2" in look("import helper", helper="\nimport nowhere_to_be_found").message


@pytest.mark.parametrize(
    ("code", "varies"),
    [
        ("import random\nrandom.random()", True),
        ("import random\nrandom.seed(1)\nrandom.random()", False),
        ("import random\nrandom.seed()\nrandom.random()", True),
        ("import numpy as np\nnp.random.normal(size=3)", True),
        ("import numpy as np\nnp.random.seed(1)\nnp.random.normal(size=3)", False),
        ("import numpy as np\nimport random\nnp.random.seed(1)\nrandom.random()", True),
        ("import numpy as np\nrng = np.random.default_rng()\nrng.normal()", True),
        ("import numpy as np\nrng = np.random.default_rng(seed)\nrng.normal()", False),
        ("import numpy.random as r\nr.normal()", True),
        ("from random import gauss as g\ng(0, 1)", True),
        ("df.sample(frac=1)", True),
        ("df.sample(frac=1, random_state=1)", False),
        ("import time\ntime.time()", True),
        ("df['time'].mean()", False),
        ("import datetime\ndatetime.datetime.now()", True),
        ("open('/dev/urandom', 'rb').read(4)", True),
        ("exec(text)", True),
        ("import re\nre.compile('x')", False),
    ],
)
def test_code_whose_runs_may_differ_is_noticed(code: str, varies: bool) -> None:
    report = look("inputs = 1\n" + code)
    assert report.outcome is None
    assert report.varies is varies


def test_random_numbers_without_reading_are_invented_data() -> None:
    code = "import numpy as np\nx = np.random.default_rng(0).normal(size=9)"
    assert look(code).outcome is Outcome.PLACEHOLDER
    assert look("import sys\nprint(sys.argv)\n" + code).outcome is None


def test_looks_at_bytes_are_noticed() -> None:
    assert look("import hashlib").reads_bytes
    assert look("path.stat().st_size").reads_bytes
    assert look("hash(text)").reads_bytes
    assert not look("hash_of = 1\nimport json").reads_bytes


def test_warnings_name_network_dropped_exceptions_and_hidden_code() -> None:
    report = look(
        "import urllib.request\ntry:\n    f()\nexcept Exception:\n    pass\nexec('x')\ny = 'https://example.org/data.csv'\n"
    )
    text = "\n".join(report.warnings)
    assert report.outcome is None
    assert "urllib.request is on the network" in text
    assert "line 4: an exception is caught and dropped" in text
    assert "`exec` hides" in text
