"""A caller whose model is scripted, with the rules behind it."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from scripted_backend import ScriptedBackend

from bioresearcher.events import Event, EventLog
from bioresearcher.llm.ask import ModelClient
from bioresearcher.llm.ledger import Ledger
from bioresearcher.offline.backend import offline_backend
from bioresearcher.prompts import PromptBook
from bioresearcher.resources import Card, Resources, load_cards


def similar(left, right):
    return np.full((len(left), len(right)), 0.5, dtype=np.float32)


@cache
def packaged() -> tuple[PromptBook, dict[str, Card]]:
    """Load the packaged prompts and cards once for all tests: compiling them takes longer than most tests."""
    resources = Resources()
    return PromptBook(resources), load_cards(resources)


def caller(tmp_path: Path, replies, events: list[Event] | None = None, *, rules: bool = True) -> ModelClient:
    backend = ScriptedBackend(replies)
    backend.origin = "model"
    book, cards = packaged()
    return ModelClient(
        backend,
        Ledger(tmp_path / "ledger.sqlite"),
        book,
        dict(cards),
        EventLog(None, (events if events is not None else []).append),
        rules=offline_backend(similar) if rules else None,
    )


def notes(events: list[Event]) -> str:
    return "\n".join(e.message for e in events if e.kind == "note")
