"""The README's commands are real: each `sh` block is run by CI (here or by `.ci/run`), options are known."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```sh\n(.*?)```", README, re.S)
CI = (ROOT / ".ci" / "run").read_text(encoding="utf-8") + (ROOT / "Makefile").read_text(encoding="utf-8")


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) <= 200


def test_every_make_command_is_run_by_ci() -> None:
    targets = [line.split()[1] for block in BLOCKS for line in block.splitlines() if line.startswith("make ")]
    assert targets == ["demo", "test"]
    for target in targets:
        assert re.search(rf"make {target}\b|^check:.*\b{target}\b", CI, re.M)


def test_every_program_command_is_run_by_ci() -> None:
    commands = [line for block in BLOCKS for line in block.splitlines() if "bioresearcher" in line]
    assert len(commands) == 3
    for command in commands:
        assert command.split("#")[0].strip().removeprefix(".venv/bin/") in CI, command


@pytest.mark.parametrize("command", ["run", "resume", "review", "report", "doctor", "prompts"])
def test_every_option_in_the_readme_exists(command: str) -> None:
    lines = re.findall(rf"bioresearcher {command} ((?:.*\\\n)*.*)", README)
    used = {o for line in lines for o in re.findall(r"--[a-z][a-z-]+", line.split("#")[0])}
    done = subprocess.run(
        [sys.executable, "-m", "bioresearcher", command, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONPATH": str(ROOT)},
    )
    if command != "prompts":
        assert {o for o in used if o not in done.stdout} == set()


def test_links_in_the_documents_point_to_files() -> None:
    for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"):
        text = (ROOT / name).read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:]+)\)", text):
            assert (ROOT / target).exists(), f"{name}: {target}"
