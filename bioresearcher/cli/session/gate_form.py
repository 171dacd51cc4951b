"""Editing something as a form: what cannot be read back is explained by line and edited again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bioresearcher.cli.session.gate_talk import Talk
from bioresearcher.stages.forms import MARK, FormError, Mistake

MOST_MISTAKES: Final = 12


async def edited_form(talk: Talk, text: str, differs: Callable[[str], bool]) -> str | None:
    """The form after the person edited it, once it can be read; None when nothing was changed or the person gave up.

    Args:
        talk: The conversation.
        text: The form as it is.
        differs: Reads a form and says whether it changes anything; raises `FormError` where it cannot be read.
    """
    while True:
        after = await talk.edited(text)
        if after is None:
            return None
        try:
            if differs(after):
                return after
            talk.say("Nothing was changed.")
            return None
        except FormError as error:
            talk.say("This cannot be read:")
            talk.say(*(f"  {mistake}" for mistake in error.mistakes[:MOST_MISTAKES]))
            if not await talk.confirmed("Edit it again? Type yes, or nothing is changed: "):
                talk.say("Nothing was changed.")
                return None
            text = with_mistakes(after, error.mistakes)


def with_mistakes(text: str, mistakes: tuple[Mistake, ...]) -> str:
    """The form with a note above each line that cannot be read; notes of an earlier time are gone."""
    wrong: dict[int, list[str]] = {}
    for mistake in mistakes:
        wrong.setdefault(max(1, mistake.line), []).append(f"{MARK}{mistake.text}")
    lines = []
    for number, line in enumerate(text.split("\n"), 1):
        lines += wrong.get(number, [])
        if not line.startswith(MARK):
            lines.append(line)
    return "\n".join(lines)
