"""Only what lies below the folders named at start can be named by a client."""

from __future__ import annotations

from pathlib import Path

import pytest

from bioresearcher.doors.folders import Folders
from bioresearcher.doors.program import text_of
from bioresearcher.doors.words import run_words, search_words
from bioresearcher.errors import InputError


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    (tmp_path / "study" / "data").mkdir(parents=True)
    (tmp_path / "study" / "plan.md").write_text("# Plan\n")
    (tmp_path / "secret.md").write_text("secret\n")
    (tmp_path / "study-secret").mkdir()
    (tmp_path / "work" / "runs" / "one").mkdir(parents=True)
    return Folders(tmp_path / "work", [tmp_path / "study"])


def test_files_below_a_folder_are_found_by_relative_and_absolute_paths(folders: Folders, tmp_path: Path) -> None:
    plan = tmp_path / "study" / "plan.md"
    assert folders.path("plan.md") == folders.path(str(plan)) == folders.path("data/../plan.md") == plan
    assert folders.run("one") == tmp_path / "work" / "runs" / "one"


@pytest.mark.parametrize(
    "name",
    [
        "../secret.md",
        "../../etc",
        "/etc/passwd",
        "data/../../secret.md",
        "../study-secret",
        "/",
        "..",
        "~/x",
        "data/no",
    ],
)
def test_no_other_path_is_accepted(folders: Folders, name: str) -> None:
    with pytest.raises(InputError, match=r"outside the folders|is not there"):
        folders.path(name)


@pytest.mark.parametrize("name", ["", "  ", "a\0b", "x" * 5_000, "/".join(["x" * 200] * 10)])
def test_what_is_no_path_is_refused(folders: Folders, name: str) -> None:
    with pytest.raises(InputError):
        folders.path(name)


@pytest.mark.parametrize("name", ["../runs", "..", ".", "", "two", "plan.md", "/etc"])
def test_no_other_folder_is_taken_for_a_run_by_name(folders: Folders, name: str, tmp_path: Path) -> None:
    if name == ".":
        assert folders.run(name) == tmp_path / "study"  # below the folders; reading it says that it is no run
        return
    with pytest.raises(InputError):
        folders.run(name)


def test_a_link_that_leads_out_is_refused_itself_and_inside_a_folder(folders: Folders, tmp_path: Path) -> None:
    (tmp_path / "study" / "link.md").symlink_to(tmp_path / "secret.md")
    with pytest.raises(InputError, match="outside the folders"):
        folders.path("link.md")
    (tmp_path / "study" / "data" / "deep").mkdir()
    (tmp_path / "study" / "data" / "deep" / "values.csv").symlink_to("/etc/passwd")
    with pytest.raises(InputError, match="link that leads out"):
        folders.path("data")


def test_a_link_to_a_file_inside_may_be_used(folders: Folders, tmp_path: Path) -> None:
    (tmp_path / "study" / "data" / "again.md").symlink_to(tmp_path / "study" / "plan.md")
    assert folders.path("data") == tmp_path / "study" / "data"
    assert folders.path("data/again.md") == tmp_path / "study" / "plan.md"


def test_a_circle_of_links_is_one_message(folders: Folders, tmp_path: Path) -> None:
    (tmp_path / "study" / "a").symlink_to("b")
    (tmp_path / "study" / "b").symlink_to("a")
    with pytest.raises(InputError):
        folders.path("a")


def test_a_folder_of_the_command_line_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no such folder"):
        Folders(tmp_path, [tmp_path / "no"])


@pytest.mark.parametrize("text", ["@/etc/passwd", "  @notes.txt", "", " ", "a\0b", "x" * 30_000])
def test_no_text_names_a_file_or_breaks_an_argument(text: str) -> None:
    with pytest.raises(InputError):
        text_of(text, "question")


def test_texts_that_look_like_options_stay_texts(tmp_path: Path) -> None:
    words = run_words("--workspace=/etc", workspace=tmp_path, requirements=["--yes"], max_usd=0, max_minutes=2)
    assert "--objective=--workspace=/etc" in words
    assert "--requirement=--yes" in words
    assert search_words("--json", tmp_path, where="library", limit=3)[-2:] == ["--", "--json"]
