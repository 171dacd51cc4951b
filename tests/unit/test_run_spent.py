"""What a run's models were used for, summed from the steps of its ledger."""

from __future__ import annotations

from bioresearcher.graph.run_totals import spent_for
from bioresearcher.schemas.base import Usage, UsageRow


def row(step: str, tokens: int, cached: int = 0) -> UsageRow:
    return UsageRow(step=step, role="r", model="m", usage=Usage(calls=1, input_tokens=tokens, cached_tokens=cached))


def test_every_call_is_counted_once_under_what_it_was_for() -> None:
    rows = [
        row("programmer/repair_code", 700),
        row("literature/outline_paper", 1_000, 200),
        row("literature/report_part", 3_000),
        row("programmer/write_code", 500),
        row("programmer/run_cells", 100),
        row("search/screen_paper", 50),
        row("surprise/step", 5),
    ]
    found = spent_for(rows, papers=2, protocols=0, tasks=3)
    assert [s.work for s in found] == ["search", "reading", "code", "repairs", "other"]
    assert [(s.usage.calls, s.usage.input_tokens) for s in found] == [(1, 50), (2, 4_000), (2, 600), (1, 700), (1, 5)]
    reading = next(s for s in found if s.work == "reading")
    assert (reading.not_cached, reading.unit, reading.input_per_unit) == (3_800, "paper", 2_000.0)
    assert sum(s.usage.input_tokens for s in found) == sum(r.usage.input_tokens for r in rows)


def test_what_has_no_unit_yet_has_no_figure_for_each() -> None:
    (design,) = spent_for([row("designer/plan_protocol", 10)], papers=0, protocols=0, tasks=0)
    assert (design.units, design.input_per_unit) == (0, None)
