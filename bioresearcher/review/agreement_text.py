"""An agreement as Markdown and JSON."""

from __future__ import annotations

from collections.abc import Iterable

from bioresearcher.schemas.agreement import Agreement, Coefficient
from bioresearcher.text.format import md
from bioresearcher.text.visible import one_line

_HEAD = ("items", "n", "share", "α people", "α machine", "κ people", "κ machine", "JS_b")
_MEANING = (
    "α: Krippendorff's alpha; κ: Randolph's kappa; “people” is people with each other, “machine” is their aggregated "
    "label with the machine's; brackets: 95 % bootstrap interval over items. JS_b: binned Jensen-Shannon divergence "
    "for perception (as a distance): of the machine's labels from people's in bins of people's aggregated label, "
    "weighted by the bins' size (0 is best, 0.83 worst)."
)


def as_json(found: Agreement) -> str:
    """The whole value as JSON."""
    return found.model_dump_json(indent=2) + "\n"


def as_markdown(found: Agreement) -> str:
    """A Markdown document: the table and the bins."""
    lines = ["# Agreement", "", _what(found), "", _md_row(_HEAD), "|" + "---|" * len(_HEAD)]
    lines += [_md_row(row) for row in _rows(found)]
    lines += ["", "## Perception", "", "Share of each label among people / the machine, by people's aggregated label:"]
    lines += ["", _md_row(("people say", "n", *found.labels, "JS distance")), "|" + "---|" * (len(found.labels) + 3)]
    for b in found.bins:
        shares = [f"{h:.0%} / {m:.0%}" if b.items else "–" for h, m in zip(b.human, b.machine, strict=True)]
        lines.append(_md_row((b.label, str(b.items), *shares, _number(b.jsd))))
    lines += [""] + [f"- {md(x)}" for x in _remarks(found)] + ["", _MEANING]
    return "\n".join(lines) + "\n"


def _what(found: Agreement) -> str:
    machine = f"up to {found.machines} machine labels each" if found.machines else "no machine labels"
    scale = ", ".join(one_line(x, 30) for x in found.labels)
    return f"{found.items} items, {found.raters} people, {machine}; {found.level} labels: {scale}."


def _rows(found: Agreement) -> list[tuple[str, ...]]:
    return [
        (
            s.name,
            str(s.items),
            f"{s.share:.0%}",
            _coefficient(s.alpha_hh),
            _coefficient(s.alpha_hm),
            _coefficient(s.kappa_hh),
            _coefficient(s.kappa_hm),
            _number(s.jsd),
        )
        for s in found.strata
    ]


def _coefficient(c: Coefficient) -> str:
    if c.value is None:
        return "–"
    return f"{c.value:.3f}" if c.low is None or c.high is None else f"{c.value:.3f} [{c.low:.2f}, {c.high:.2f}]"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _remarks(found: Agreement) -> Iterable[str]:
    if found.jsd_people is not None:
        yield f"For comparison, one person held against the others reaches a JS_b of {found.jsd_people:.3f}."
    yield from (f"Warning: {one_line(w, 400)}." for w in found.warnings)
    yield from (f"Note: {one_line(n, 400)}." for n in found.notes)


def _md_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(md(c) for c in cells) + " |"
