"""docs/review.md followed to the letter: the pre-commit hook and the shell steps of the workflow."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

DOCS = Path(__file__).parents[2] / "docs" / "review.md"
BLOCKS = [yaml.safe_load(b) for b in re.findall(r"```yaml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.S)]
GOOD = "# Lysis\n\n1. Add 500 µl of buffer to the tube.\n2. Incubate at 37 °C for 30 min in the tube.\n"
BAD = GOOD.replace("37 °C", "370 °C")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "protocols").mkdir()
    (tmp_path / "protocols" / "lysis.md").write_text(GOOD, encoding="utf-8")
    return tmp_path


def shell(command: str, project: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command as the code host does: `bash -e`, with the program of this checkout on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-e", "-c", command],
        cwd=project,
        env=os.environ | {"PATH": path} | more,
        capture_output=True,
        text=True,
    )


def test_the_hook_lets_sound_protocols_pass_and_stops_others(project: Path):
    hook: dict[str, Any] = BLOCKS[0]["repos"][0]["hooks"][0]
    assert re.search(hook["files"], "protocols/lysis.md")
    assert not re.search(hook["files"], "README.md")
    command = f"{hook['entry']} {shlex.quote('protocols/lysis.md')}"
    assert shell(command, project).returncode == 0
    (project / "protocols" / "lysis.md").write_text(BAD, encoding="utf-8")
    stopped = shell(command, project)
    assert stopped.returncode == 1
    assert "370 °C" in stopped.stdout


@pytest.mark.parametrize(("text", "ends"), [(GOOD, 0), (BAD, 1)])
def test_the_steps_of_the_workflow_leave_sarif_a_summary_and_the_right_status(project: Path, text: str, ends: int):
    (project / "protocols" / "lysis.md").write_text(text, encoding="utf-8")
    summary = project / "summary.md"
    steps = BLOCKS[1]["jobs"]["protocols"]["steps"]
    commands = [s["run"] for s in steps if "run" in s]
    assert commands.pop(0) == "pip install bioresearcher"
    codes = [shell(c, project, GITHUB_STEP_SUMMARY=str(summary)).returncode for c in commands]
    assert codes == [*[0] * (len(commands) - 1), ends]
    upload = next(s["with"] for s in steps if "upload-sarif" in s.get("uses", ""))
    run = json.loads((project / upload["sarif_file"]).read_text(encoding="utf-8"))["runs"][0]
    assert len(run["results"]) == ends
    assert all(r["locations"][0]["physicalLocation"]["region"]["startLine"] == 4 for r in run["results"])
    assert "lysis.md" in summary.read_text(encoding="utf-8")
