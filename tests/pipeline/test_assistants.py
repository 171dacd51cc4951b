"""The skills and the plug-in for assistants: valid, and every command block does what it says in an empty folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from skills_ref import validate

from bioresearcher.cli.app import main

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ASSISTANTS = Path(__file__).resolve().parents[2] / "docs" / "assistants"
SKILLS = ASSISTANTS / "bioresearcher" / "skills"
NAMES = ("bioresearcher-analyse", "bioresearcher-library", "bioresearcher-review")


def blocks(skill: Path) -> list[str]:
    """The command blocks of a skill, in order."""
    return re.findall(r"^```sh\n(.*?)^```$", (skill / "SKILL.md").read_text("utf-8"), re.M | re.S)


def followed(name: str, home: Path) -> list[str]:
    """Install the skills into an empty folder and do literally what one of them says."""
    installed = home / ".claude" / "skills"
    shutil.copytree(SKILLS, installed)
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    said = []
    for block in blocks(installed / name):
        command = ["bash", "-euo", "pipefail", "-c", block]
        done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
        said.append(done.stdout)
    return said


@pytest.mark.parametrize("name", NAMES)
def test_each_skill_is_valid_and_has_commands(name: str) -> None:
    assert sorted(p.name for p in SKILLS.iterdir()) == sorted(NAMES)
    assert validate(SKILLS / name) == []
    assert len(blocks(SKILLS / name)) >= 3


def test_the_review_skill_reviews_and_compares(tmp_path: Path) -> None:
    *_, compared = followed("bioresearcher-review", tmp_path)
    review = json.loads((tmp_path / "review.json").read_text("utf-8"))
    assert {"verdict", "summary", "findings"} <= set(review)
    assert review["verdict"] == "not judged"
    assert "protocol.md → protocol-2.md" in compared


def test_the_library_skill_finds_the_words_of_the_paper(tmp_path: Path) -> None:
    said = followed("bioresearcher-library", tmp_path)
    hits = json.loads(said[2])
    assert "expected share of false positives" in hits[0]["text"]
    assert "Controlling the false discovery rate" in said[3]


@pytest.mark.sandbox
def test_the_analyse_skill_answers_its_question_and_reproduces_it(tmp_path: Path) -> None:
    said = followed("bioresearcher-analyse", tmp_path)
    assert "1 of 1 question answered" in said[2]
    assert "1 of 1 question answered" in said[3]
    assert " 0 different, 0 not possible" in said[4]


def test_the_plug_in_names_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    market = json.loads((ASSISTANTS / ".claude-plugin" / "marketplace.json").read_text("utf-8"))
    (entry,) = market["plugins"]
    root = (ASSISTANTS / entry["source"]).resolve()
    assert root.parent == ASSISTANTS
    plugin = json.loads((root / ".claude-plugin" / "plugin.json").read_text("utf-8"))
    assert plugin["name"] == entry["name"] == "bioresearcher"
    assert plugin["author"]["name"]
    (server,) = json.loads((root / ".mcp.json").read_text("utf-8"))["mcpServers"].values()
    assert server["command"] == "bioresearcher"
    with pytest.raises(SystemExit) as stopped:
        main([*server["args"], "--help"])
    assert stopped.value.code == 0
    assert "--folder" in capsys.readouterr().out
