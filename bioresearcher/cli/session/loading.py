"""Importing the pipeline: it takes seconds, which nobody at the prompt has to wait for."""

from __future__ import annotations

import asyncio


def load() -> None:
    """Import what a run and the commands on it need."""
    import bioresearcher.cli.drive
    import bioresearcher.cli.session.asking
    import bioresearcher.cli.session.counts
    import bioresearcher.cli.session.endings
    import bioresearcher.cli.session.gates
    import bioresearcher.cli.session.views
    import bioresearcher.graph.inputs
    import bioresearcher.sources.papers  # noqa: F401 - all are imported for their effect


async def loaded() -> None:
    """Wait until all of it is imported, without blocking the event loop; an import after that costs nothing."""
    await asyncio.to_thread(load)
