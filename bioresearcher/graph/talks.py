"""The author's conversation as it stood after each step, in the run folder, so that the next step goes on with it."""

from __future__ import annotations

from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.conversation import Conversation

EXPLORED, WRITTEN = "talk-explored", "talk-written"


def planned(headings: int, outlines: int) -> str:
    """Return the name of the conversation after a plan that follows so many comments on headings and outlines."""
    return f"talk-planned-{headings}-{outlines}"


def read_talk(folder: RunFolder, *names: str) -> Conversation:
    """Return the first of some conversations that is there; an empty one when none is."""
    found = next((n for n in names if folder.has("design", f"{n}.json")), None)
    return folder.read(Conversation, "design", f"{found}.json") if found else Conversation()


def write_talk(folder: RunFolder, name: str, talk: Conversation) -> None:
    """Keep a conversation."""
    folder.write(talk, "design", f"{name}.json")
