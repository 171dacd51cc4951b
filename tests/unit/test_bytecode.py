"""Bytecode of the packages that tasks import, where an installer left it out."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bioresearcher.cli.doctor import mending
from bioresearcher.sandbox import bytecode
from bioresearcher.settings import Settings


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package without bytecode that stands for all, on the search path."""
    folder = tmp_path / "site" / "heavy"
    (folder / "inner" / "tests").mkdir(parents=True)
    for name in ("__init__.py", "inner/__init__.py", "inner/part.py", "inner/tests/test_part.py"):
        (folder / name).write_text("A = 1\n")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setattr(bytecode, "PACKAGES", ("heavy", "not_installed_here"))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    return folder


def test_what_is_missing_is_made_once_and_tests_are_left_out(package: Path) -> None:
    assert bytecode.missing_bytecode() == [package]
    bytecode.make_bytecode()
    made = sorted(p.name.split(".")[0] for p in package.rglob("*.pyc"))
    assert made == ["__init__", "__init__", "part"]
    assert bytecode.missing_bytecode() == []


def test_a_wish_to_have_none_written_is_kept_and_the_doctor_offers_the_command(
    package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    bytecode.make_bytecode()
    assert not [*package.rglob("*.pyc")]
    (command,) = [c for c in mending("packages", Settings(), {}, ok=True) if "compileall" in c]
    assert str(package) in command


def test_a_package_with_a_broken_module_does_not_stop_a_run(package: Path) -> None:
    (package / "broken.py").write_text("def (:\n")
    bytecode.make_bytecode()
    assert [p.name for p in bytecode.missing_bytecode()] == ["heavy"]
