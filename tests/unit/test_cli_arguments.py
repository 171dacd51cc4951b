"""Arguments that a command does not know: one line that guesses at what was meant."""

from __future__ import annotations

import pytest

from bioresearcher.cli.app import main


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "--objektive", "x"], "unrecognized arguments: --objektive; did you mean --objective?"),
        (["batch", "summary", "x", "--formt=csv"], "unrecognized arguments: --formt=csv; did you mean --format?"),
        (["run", "Does", "ER", "status", "matter"], "ER status matter; put a text with blanks into quotation marks"),
        (["review", "--qqqqqq"], "unrecognized arguments: --qqqqqq\n"),
        (["library", "list", "--jsn", "--wrkspace"], "unrecognized arguments: --jsn --wrkspace\n"),
    ],
)
def test_unknown_arguments_are_refused_with_a_guess(
    arguments: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert expected in capsys.readouterr().err
