"""Perception charts: how people and a machine label the items that people, taken together, label alike.

After Elangovan et al., arXiv 2410.03775: a panel for each aggregated human label; where the machine sees things as
people do, its bars follow theirs.

An agreement as Markdown and JSON.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.errors import InputError
from bioresearcher.schemas.review import Agreement, Bin, Coefficient
from bioresearcher.text.format import md
from bioresearcher.text.visible import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes


PEOPLE, MACHINE = "#4477aa", "#ee7733"
"""Two colours that colour-blind readers can tell apart (Paul Tol's bright and vibrant schemes)."""
_PER_ROW = 5


def draw_perception(found: Agreement, path: Path) -> None:
    """Write the chart as PNG or SVG, by the name's ending.

    Raises:
        InputError: Another ending, no machine labels, or the file cannot be written.
    """
    if path.suffix.lower() not in {".png", ".svg"}:
        raise InputError(f"--chart {path}: charts are PNG or SVG.", hint="End the name in .png or .svg.")
    used = [b for b in found.bins if b.items]
    if not used:
        raise InputError(
            "there are no machine labels to draw.", hint="Add a column `machine`, or name one by --machine."
        )
    import matplotlib as mpl
    from matplotlib.figure import Figure

    columns = min(_PER_ROW, len(used))
    rows = math.ceil(len(used) / columns)
    with mpl.rc_context({"svg.hashsalt": "perception", "svg.fonttype": "none", "text.parse_math": False}):
        figure = Figure(figsize=(max(6.4, 2.3 * columns), 2.6 * rows + 1.1), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, sharey=True)
        for axis, b in zip(axes.flat, used, strict=False):
            _panel(axis, b, found.labels)
        for axis in list(axes.flat)[len(used) :]:
            axis.set_visible(False)
        for row in axes:
            row[0].set_ylabel("share of labels")
        handles, names = axes.flat[0].get_legend_handles_labels()
        whole = found.strata[0].jsd
        figure.suptitle(
            f"Perception: labels by people’s aggregated label (JS_b {whole:.3f})" if whole is not None else ""
        )
        figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False)
        metadata: dict[str, str | None] = {"Date": None} if path.suffix.lower() == ".svg" else {"Software": None}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            figure.savefig(path, dpi=150, metadata=metadata)
        except OSError as error:
            raise InputError(f"--chart {path} cannot be written: {error.strerror}.") from error


def _panel(axis: Axes, b: Bin, labels: tuple[str, ...]) -> None:
    places = range(len(labels))
    axis.bar([p - 0.2 for p in places], b.human, width=0.4, color=PEOPLE, label="people")
    axis.bar(
        [p + 0.2 for p in places], b.machine, width=0.4, color=MACHINE, hatch="//", edgecolor="white", label="machine"
    )
    axis.set_xticks(list(places), [one_line(x, 12) for x in labels], rotation=45 if max(map(len, labels)) > 3 else 0)
    axis.set_ylim(0, 1)
    axis.grid(axis="y", alpha=0.3)
    axis.set_axisbelow(True)
    shown = "" if b.jsd is None else f"\nJS {b.jsd:.2f}"
    axis.set_title(f"people say {one_line(b.label, 16)}\n{b.weight:.0%} of items (n = {b.items}){shown}", fontsize=9)


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
