"""The path that a run takes: all of the pipeline, or the short one of objectives that only say what is computed.

It is chosen before anything is searched, from the questions as they are bound to the data given, and looked at again
once a person has approved of them.
"""

from __future__ import annotations

from bioresearcher.graph.context import RunContext
from bioresearcher.schemas.question import Questions
from bioresearcher.schemas.run import ChosenPath
from bioresearcher.stages.computation import asks_for_more, why_designed

PATH = "path.json"


def is_short(c: RunContext) -> bool:
    """Return True if the run takes the short path."""
    return c.folder.has(PATH) and c.folder.read(ChosenPath, PATH).short


def barred(c: RunContext) -> str:
    """Return why the short path is out of question before any question is bound; empty when it is not."""
    if not c.own.datasets:
        return "no data were given that can be read"
    if c.settings.plan != "auto":
        return "it is asked for (`plan`)" if c.settings.plan == "full" else ""
    if c.own.papers or c.own.pubmed_files:
        return "papers were given"
    if c.settings.include:
        return "papers or data sets are named to be used"
    words = asks_for_more(c.objective)
    return f"the objective says “{words}”" if words else ""


def why_full(c: RunContext, questions: Questions) -> str:
    """Return why bound questions need all of the pipeline; empty when they do not, or the short path is asked for."""
    return "" if c.settings.plan == "short" else why_designed(c.objective, questions)


def take(c: RunContext, step: str, why: str) -> None:
    """Record the path, and say it: the short one where there is no reason against it."""
    c.folder.write(ChosenPath(short=not why, why=why), PATH)
    if why:
        said = f"the whole pipeline is carried out: {why}"
    else:
        asked = "as `plan` asks" if c.settings.plan == "short" else "as the questions say what is computed"
        said = f"short path, {asked}: no search, no design, no review of a plan; --plan full does them"
    c.caller.events.emit("note", step, "info", said)
