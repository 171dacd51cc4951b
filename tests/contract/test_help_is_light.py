"""`--help` loads nothing heavy: what takes time is imported where it is used."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    "asyncio", "chromadb", "jinja2", "langchain_core", "langgraph", "lxml", "matplotlib", "numpy", "onnxruntime",
    "pandas", "pydantic", "pypdf", "rich", "scipy", "sqlite3", "yaml",
}  # fmt: skip


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["run", "--help"],
        ["review", "--help"],
        ["review", "agreement", "--help"],
        ["doctor", "--help"],
        ["--version"],
    ],
)
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = f"import sys\nsys.argv[1:] = {arguments!r}\nfrom bioresearcher.cli.app import main\n"
    code += "try:\n    main()\nexcept SystemExit:\n    pass\nprint(*sys.modules, file=sys.stderr)\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout
    assert HEAVY & {name.partition(".")[0] for name in done.stderr.split()} == set()
