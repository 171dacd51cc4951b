"""An agreement as perception chart, Markdown and JSON.

Perception charts after Elangovan et al., arXiv 2410.03775: a panel for each aggregated human label, with the shares
of labels by people and by the machine; where the machine labels as people do, its bars follow theirs.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.errors import InputError
from bioresearcher.schemas.review import Agreement, Bin, Coefficient, Stratum
from bioresearcher.text.format import md, md_table
from bioresearcher.text.visible import one_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes


PEOPLE, MACHINE = "#4477aa", "#ee7733"
"""Two colours that colour-blind readers can tell apart (Paul Tol's bright and vibrant schemes)."""
_PER_ROW = 5


def draw_perception(found: Agreement, path: Path) -> None:
    """Draw the perception chart as PNG or SVG, by the suffix of the file name.

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
    distance = "" if b.jsd is None else f"\nJS {b.jsd:.2f}"
    axis.set_title(f"people say {one_line(b.label, 16)}\n{b.weight:.0%} of items (n = {b.items}){distance}", fontsize=9)


_HEAD = ("items", "n", "share", "α people", "α machine", "κ people", "κ machine", "JS_b")
_MEANING = (
    "α: Krippendorff's alpha; κ: Randolph's kappa; “people” is people with each other, “machine” is their aggregated "
    "label with the machine's; brackets: 95 % bootstrap interval over items. JS_b: binned Jensen-Shannon divergence "
    "for perception (as a distance): of the machine's labels from people's in bins of people's aggregated label, "
    "weighted by the bins' size (0 is best, 0.83 worst)."
)


def as_json(found: Agreement) -> str:
    """Format an agreement as JSON."""
    return found.model_dump_json(indent=2) + "\n"


def as_markdown(found: Agreement) -> str:
    """Format an agreement as a Markdown document: the table of coefficients and the bins."""
    lines = ["# Agreement", "", _scope(found), "", *_table(_HEAD, map(_cells, found.strata))]
    lines += ["## Perception", "", "Share of each label among people / the machine, by people's aggregated label:", ""]
    rows = []
    for b in found.bins:
        shares = [f"{h:.0%} / {m:.0%}" if b.items else "–" for h, m in zip(b.human, b.machine, strict=True)]
        rows.append((b.label, str(b.items), *shares, _number(b.jsd)))
    lines += _table(("people say", "n", *found.labels, "JS distance"), rows)
    lines += [*(f"- {md(x)}" for x in _remarks(found)), "", _MEANING]
    return "\n".join(lines) + "\n"


def _scope(found: Agreement) -> str:
    machine = f"up to {found.machines} machine labels each" if found.machines else "no machine labels"
    scale = ", ".join(one_line(x, 30) for x in found.labels)
    return f"{found.items} items, {found.raters} people, {machine}; {found.level} labels: {scale}."


def _cells(s: Stratum) -> tuple[str, ...]:
    coefficients = (_coefficient(c) for c in (s.alpha_hh, s.alpha_hm, s.kappa_hh, s.kappa_hm))
    return (s.name, str(s.items), f"{s.share:.0%}", *coefficients, _number(s.jsd))


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


def _table(header: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterable[str]:
    return md_table([md(c) for c in header], [[md(c) for c in row] for row in rows])
