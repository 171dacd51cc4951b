"""Arrays of two channels: the sample of a common reference, and the channels of arrays with swapped dyes.

A value of such an array is a ratio of its channels. Where the dyes are swapped, its direction changes from array to
array, so it is turned by the direction that the source states (`log2(Cy5/Cy3)`, `channel 2 / channel 1`, or the two
levels themselves). Beside a common reference that gives a value for each sample. Where two levels stand directly
against each other, each array gives two rows, half the ratio up and half of it down: their difference within an array
is the ratio, and a test of pairs by array is the test of the ratios against nought.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from bioresearcher.errors import InputError
from bioresearcher.schemas.columns import as_number
from bioresearcher.schemas.dataset import GeoSample, GeoSeries
from bioresearcher.sources.geo.matrix import Row, Rows

ARRAY, DYE = "array", "dye"
"""Columns of a sheet whose rows are channels: the array that a channel belongs to, and its dye."""

_SWAP: Final = re.compile(
    r"dye[\s-]?(swap|flip|revers)|(swapp?ed|revers\w+|exchang\w+) (of )?(the )?dyes"
    r"|dyes (are|were) (swapp?ed|reversed)",
    re.I,
)
_SIDE: Final = r"[\w.+ -]*?(cy-?[35]|alexa\s?(?:fluor\s?)?(?:555|647)|red|green|635|532|ch(?:annel)?\s?[12])[\w ]*?"
_RATIO: Final = re.compile(
    rf"(?i)(?<!\w){_SIDE}\)?\s*(?:/|\bover\b|\bversus\b|\bvs\.?|\bdivided by\b)\s*\(?{_SIDE}(?!\w)"
)
_TURNED: Final = re.compile(
    r"(?i)\b(?:invert\w*|revers\w*|flipp?\w*|reciprocal\w*|sign\s+(?:was|were)?\s*chang\w*|multipl\w+ by -\s?1|"
    r"turned)\b"
)
"""Words of a processing that may have turned ratios already."""
_STATED: Final = re.compile(r"(?i)\bVALUE is (?:the )?(?:normali[sz]ed )?log\w*\s*(?:ratio)?\s*\(([^()/]+)/([^()/]+)\)")
_RED, _GREEN = re.compile(r"(?i)cy-?5|red|635|647"), re.compile(r"(?i)cy-?3|green|532|555")
_PROBED = 2000
_Held = Mapping[str, str]


@dataclass
class TurnedRows:
    """Ratios of another matrix, turned by `signs`; with `halves` each array has its two channels, half of it each."""

    rows: Rows
    signs: list[int]
    samples: list[str]
    halves: bool
    genes: dict[str, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Row]:
        """Yield the rows."""
        for feature, values in self.rows:
            turned: list[str] = []
            for text, sign in zip(values, self.signs, strict=False):
                number = as_number(text)
                if self.halves:  # channel 1, channel 2
                    turned += ["", ""] if number is None else [f"{-sign * number / 2:.8g}", f"{sign * number / 2:.8g}"]
                else:
                    turned.append("" if number is None else f"{sign * number:.8g}")
            yield feature, turned


@dataclass(frozen=True)
class Arrays:
    """A series whose samples are described by what their values are of, with notes; `paired`: its rows are channels."""

    series: GeoSeries
    rows: Rows
    notes: tuple[str, ...] = ()
    paired: bool = False


def of_channels(series: GeoSeries, rows: Rows) -> Arrays:
    """Let the samples of arrays with two channels be described by what their values are of, and say so.

    Raises:
        InputError: The dyes are swapped, and the direction of the ratios is not stated or there are more than two
            levels without a common reference.
    """
    samples = [s for s in series.samples if s.channels == 2 and (s.source2 or s.characteristics2)]
    if not samples:
        return Arrays(series, rows)
    first = [dict((("source", s.source), *s.characteristics)) for s in samples]
    second = [dict((("source", s.source2), *s.characteristics2)) for s in samples]
    keys = [k for k in first[0] if all(k in f for f in first) and all(k in s for s in second)]
    swapped = [k for k in keys if _swaps([f[k] for f in first], [s[k] for s in second])]
    stated = next((t for t in (series.design, series.title, *(s.title for s in samples)) if _SWAP.search(t)), "")
    if swapped:
        return _turned(series, rows, samples, first, second, swapped)
    if stated:
        raise InputError(
            f"{series.accession}: arrays of two channels with swapped dyes (its description says {stated[:80]!r}), "
            "and the descriptions of the channels do not say in which arrays: each value is a ratio, and its "
            "direction changes from array to array.",
            hint="Correct the lines !Sample_source_name_ch1 and !Sample_source_name_ch2 of the file to what each "
            "channel of each array held.",
        )
    return _reference(series, rows, samples, first, second)


def _reference(
    series: GeoSeries, rows: Rows, samples: Sequence[GeoSample], first: Sequence[_Held], second: Sequence[_Held]
) -> Arrays:
    """Describe samples by the channel that differs where the dyes are not swapped."""
    varies = [any(len({d.get(k) for d in channel}) > 1 for k in channel[0]) for channel in (first, second)]
    if varies == [False, True]:
        turned = {s.accession: _second(s) for s in samples}
        kept = tuple(turned.get(s.accession, s) for s in series.samples)
        note = f"channel 1 holds a common reference ({samples[0].source}), the samples are described by channel 2"
        series = series.model_copy(update={"samples": kept})
    elif varies == [True, False]:
        note = f"channel 2 holds a common reference ({samples[0].source2}), the samples are described by channel 1"
    else:
        note = f"the samples are described by channel 1; channel 2 holds {samples[0].source2 or 'another sample'}"
    said = (
        f"Arrays of two channels: every value is a ratio of them; {note}. The direction of every difference "
        "depends on the ratio being channel 2 to 1 or 1 to 2: see the source's description of its processing."
    )
    return Arrays(series, rows, (said,))


def _second(sample: GeoSample) -> GeoSample:
    return sample.model_copy(update={"source": sample.source2, "characteristics": sample.characteristics2})


def _swaps(first: Sequence[str], second: Sequence[str]) -> bool:
    """Tell that a level stands in channel 1 of some arrays and in channel 2 of others, beside another level."""
    return any(
        level in {b for a, b in zip(first, second, strict=True) if a != b}
        for level in {a for a, b in zip(first, second, strict=True) if a != b}
    )


def _turned(
    series: GeoSeries,
    rows: Rows,
    samples: Sequence[GeoSample],
    first: Sequence[_Held],
    second: Sequence[_Held],
    swapped: Sequence[str],
) -> Arrays:
    """Turn the ratios of arrays with swapped dyes, by the direction that is stated."""
    held = {k: [(a[k], b[k]) for a, b in zip(first, second, strict=True)] for k in swapped}
    key = min(swapped, key=lambda k: (len({v for pair in held[k] for v in pair}), k == "source"))
    pairs, levels = held[key], sorted({v for pair in held[key] for v in pair})
    about = f"{series.accession}: arrays of two channels with swapped dyes ({key!r} is {levels[0]!r} in channel 1 of "
    about += "some arrays and in channel 2 of others)"
    numerators = [_numerator(series, s, n, held) for n, s in enumerate(samples)]
    line = "VALUE is log2(Cy5/Cy3)"
    if len(samples) < len(series.samples) or [s.accession for s in samples] != list(rows.samples):
        raise InputError(f"{about}, beside arrays of another kind.", hint="Give the arrays of two channels alone.")
    if None in numerators:
        raise InputError(
            f"{about}: each value is a ratio, and the file does not say of which channel to which.",
            hint=f'Say it in the file, before its table: a line `!Series_overall_design\t"{line}"`, or (Cy3/Cy5), or '
            f"({' / '.join(levels[:2])}) where the ratios were turned already.",
        )
    values = [n for _, cells in islice(iter(rows), _PROBED) for c in cells if (n := as_number(c)) is not None]
    if values and min(values) >= 0:
        raise InputError(
            f"{about}: its values have no negative ones, so they are no logarithms of ratios.",
            hint="Give the logarithms of the ratios.",
        )
    signs = [1 if n == 2 else -1 for n in numerators]  # of channel 2 to channel 1
    many = sum(n != numerators[0] or p != pairs[0] for n, p in zip(numerators, pairs, strict=True))
    common = [v for v in levels if all((v == a) != (v == b) for a, b in pairs)]
    if len(levels) == 2:
        return _both(series, rows, signs, f"{about}: {levels[0]} against {levels[1]} in each of {len(pairs)} arrays")
    if len(common) == 1:
        kept = [_second(s) if a == common[0] else s for s, (a, _) in zip(samples, pairs, strict=True)]
        turned = [n if a == common[0] else -n for n, (a, _) in zip(signs, pairs, strict=True)]
        said = f"{about}: the ratios were turned where needed, so that each is of the sample to {common[0]!r}."
        done = TurnedRows(rows, turned, list(rows.samples), False, rows.genes)
        return Arrays(series.model_copy(update={"samples": tuple(kept)}), done, (said,))
    raise InputError(
        f"{about}: {len(levels)} levels stand against each other ({', '.join(levels[:4])}) without a common reference, "
        f"{many + 1} arrays in different directions, and no vetted analysis does this (arrays in a loop).",
        hint="Give the arrays of two levels alone.",
    )


def _both(series: GeoSeries, rows: Rows, signs: Sequence[int], about: str) -> Arrays:
    """Give a row to each channel of each array."""
    found, names = [], []
    for sample in series.samples:
        dyes = dict(sample.fields)
        for at, own in enumerate((sample, _second(sample)), start=1):
            name = f"{sample.accession}.ch{at}"
            facts = (*own.characteristics, (ARRAY, sample.accession), (DYE, dyes.get(f"label_ch{at}", "")))
            kept = tuple((k, v) for k, v in sample.fields if not re.search(r"_ch[12]$", k))
            update = {"accession": name, "characteristics": facts, "fields": kept}
            found.append(own.model_copy(update=update))
            names.append(name)
    notes = (
        f"{about}. Each array has a row for each of its channels, and each value is half of the array's ratio, up in "
        "the one and down in the other: only differences within an array mean something, and comparisons are paired "
        f"by {ARRAY!r}.",
        "Arrays are taken as independent; two arrays of the same pair of samples with the dyes exchanged are not.",
    )
    done = TurnedRows(rows, list(signs), names, True, rows.genes)
    return Arrays(series.model_copy(update={"samples": tuple(found)}), done, notes, paired=True)


def _numerator(
    series: GeoSeries, sample: GeoSample, number: int, held: Mapping[str, Sequence[tuple[str, str]]]
) -> int | None:
    """The channel above the line of an array's ratio, as stated; None when it is not, or in two ways."""
    labels = dict(sample.fields)
    own = [labels.get("label_ch1", ""), labels.get("label_ch2", "")]
    levels = [pairs[number] for pairs in held.values()]
    texts = (sample.value_means, sample.processing, sample.description, series.design, series.summary)
    strict = [(m[1], m[2]) for t in texts for m in _STATED.finditer(t)]
    said = {_channel(a, b, own, levels) for a, b in strict} - {None}
    if len(said) == 1:
        return said.pop()
    if said or strict or any(_TURNED.search(t) for t in texts[:3]):
        return None
    for text in texts:
        found = {_channel(m[1], m[2], own, []) for m in _RATIO.finditer(text)} - {None}
        if found:
            return found.pop() if len(found) == 1 else None
    return None


def _channel(over: str, under: str, labels: Sequence[str], levels: Sequence[tuple[str, str]]) -> int | None:
    """The channel that a ratio's upper side names, if the lower side names the other one."""
    sides = [_named(side, labels, levels) for side in (over, under)]
    return sides[0] if None not in sides and sides[0] != sides[1] else None


def _named(side: str, labels: Sequence[str], levels: Sequence[tuple[str, str]]) -> int | None:
    text = side.strip().casefold()
    if match := re.search(r"ch(?:annel)?\s?([12])", text):
        return int(match[1])
    for pair in levels:
        at = [n for n, level in enumerate(pair, start=1) if level.strip().casefold() == text]
        if len(at) == 1:
            return at[0]
    for colour in (_RED, _GREEN):
        if colour.search(text):
            at = [n for n, label in enumerate(labels, start=1) if colour.search(label)]
            return at[0] if len(at) == 1 else None
    return None
