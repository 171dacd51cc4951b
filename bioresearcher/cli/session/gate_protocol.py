"""The gate of the protocol as a conversation."""

from __future__ import annotations

from typing import Final

from bioresearcher.cli.session.gate_lines import Verb, verbs_of
from bioresearcher.cli.session.gate_talk import Talk
from bioresearcher.report.text import clean
from bioresearcher.schemas.run import Decision

PROMPT: Final = "protocol> "
VERBS: Final = verbs_of(
    Verb("show", "nothing", "the whole protocol"),
    Verb("yes", "nothing", "carry out its dry-lab part"),
    Verb("no", "rest", "decline: the run ends here", "no [why]"),
    Verb("help", "nothing", "this list"),
    done="yes",
    approve="yes",
    y="yes",
    n="no",
)


async def converse(talk: Talk) -> Decision | None:
    """Whether the protocol may be carried out."""
    path = talk.context.folder.path("protocol.md")
    if talk.begin():
        talk.say(f"The protocol is ready: {path}", "Carry out its dry-lab part? yes or no; show prints it.")
    while True:
        answer = await talk.ask(PROMPT, VERBS)
        if answer is None:
            return None
        line, typed = answer
        if typed.verb == "show":
            talk.say(clean(path.read_text("utf-8")))
        elif typed.verb == "yes":
            return talk.decision(line, approved=True)
        else:
            return talk.decision(line, approved=False, comment=typed.text[:500])
