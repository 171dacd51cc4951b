"""Importing the pipeline: it takes seconds, which nobody at the prompt has to wait for."""

from __future__ import annotations

import asyncio
from importlib import import_module
from typing import Final

_NEEDED: Final = (
    "bioresearcher.cli.drive",
    "bioresearcher.cli.session.approvals",
    "bioresearcher.cli.session.paper_questions",
    "bioresearcher.cli.session.past_runs",
    "bioresearcher.cli.session.views",
    "bioresearcher.graph.prepare",
    "bioresearcher.sources.literature.own_papers",
)
"""Modules of a run and of the commands on it; they import this package, so they are named and not imported above."""


def load() -> None:
    """Import what a run and the commands on it need."""
    for name in _NEEDED:
        import_module(name)


async def loaded() -> None:
    """Wait until all of it is imported, without blocking the event loop; an import after that costs nothing."""
    await asyncio.to_thread(load)
