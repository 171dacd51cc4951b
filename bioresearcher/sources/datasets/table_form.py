"""Form of a table as a program or a person wrote it, and the plain form it is brought to.

A form is found in a first pass and carried out in a second one; what was left out or renamed is said in its notes. A
table that is plain already has a form that changes nothing, and its file is used as it is.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import add
from pathlib import Path

from bioresearcher.schemas.columns import as_number
from bioresearcher.schemas.dataset import Reading
from bioresearcher.schemas.missing import is_missing
from bioresearcher.schemas.scale import judge_scale
from bioresearcher.sources.datasets.as_written import LIMIT, Writing, find_writing, judge_names, short_name
from bioresearcher.sources.datasets.describe import names_statistics
from bioresearcher.sources.datasets.endpoints import normal
from bioresearcher.sources.datasets.roles import names_clinical
from bioresearcher.sources.datasets.spec import FileSpec

RowsAgain = Callable[[], Iterator[list[str]]]
"""Rows of a table from the header on; can be repeated."""
_HEAD = 400
_MIN_COLUMNS = 3
_SCALE_ROWS, _SCALE_COLUMNS, _SCALE_CELLS = 20_000, 50, 200_000
_MOST_ROWS = 20_000
"""Rows of a table that may be a sheet or hold samples in rows."""

_ANNOTATION = re.compile(
    r"(entrez|entrezid|entrez_(gene_)?id|ncbi_?gene(_?id)?|geneid|gene_?ids?|gene_?names?|gene_?symbols?|genes?|symbols?"
    r"|hugo_symbol|hgnc(_id|_symbol)?|ensembl(_?(gene_?)?id)?|external_gene_(name|id)|transcripts?(_?ids?(_s)?)?"
    r"|description|gene_description|first_protein_description|chr|chrom|chromosome|seqnames?|contig|start|end|stop|strand"
    r"|width|length|gene_?length|eff_?length|effective_?length|(exon|transcript|cds)_?length|biotype|gene_?biotype"
    r"|gene_?type|source|locus|class_?code|cytoband|band|gc|gc_?content|id_ref|probe(_?set)?(_?id)?|accession|refseq"
    r"|unigene|uniprot(_?id)?|proteins?(_?(ids?|names?|groups?))?|majority_protein_ids|fasta_headers|organism|species"
    r"|pathway|go(_?terms?)?|annotation|tracking_id|nearest_ref_id|tss_id|coverage|composite_element_ref|unnamed_\d+|x"
    r"|proteotypic|precursor_(charge|id)|(stripped|modified)_sequence|n(umber)?_(proteotypic_)?sequences|numberpsm"
    r"|maxpepprob|referenceintensity|(.+_)?detection_p_?val(ue)?(_\d+)?)"
)
_TOTALS = re.compile(r"(row_?)?(sum|total|mean|average|median|sd|std|variance|totals|avg|cv|max|min)s?")
_FLAGS = re.compile(r"(reverse|(potential_)?contaminant|only_identified_by_site|decoy)")
_QUANTITY = re.compile(
    r"(?P<a>lfq intensity|maxlfq|intensity|ibaq|reporter intensity (corrected|count)|reporter intensity|ms/ms count"
    r"|((unique|razor) \+ )?(unique |razor )?(peptides|sequence coverage)|identification type|ratio|spectral count"
    r"|raw[ _]?counts?|read[ _]?counts?|expected_?count|counts?|fpkm|rpkm|tpm|cpm|avg_(signal|beta))"
    r"(?P<rest>( [hml])?[ ._-]+.+)"
    r"|(?P<other>.+?)[ ._-]+(?P<b>raw[ _]?counts?|read[ _]?counts?|expected_?count|counts?|fpkm|rpkm|tpm|cpm"
    r"|((maxlfq )?(total |unique |razor ))?(intensity|spectral count)|maxlfq intensity|lfq intensity"
    r"|avg[ _](beta|signal)|detection[ ._]?p[ ._-]?val(ue)?|signal[ _][ab]|bead[ _]?stderr|(avg_)?nbeads(_[ab])?"
    r"|narrays)",
    re.I,
)
_PREFERRED = (
    "avg beta",
    "avg signal",
    "lfq intensity",
    "maxlfq intensity",
    "maxlfq",
    "raw count",
    "raw counts",
    "read count",
    "read counts",
    "count",
    "counts",
    "expected count",
    "expectedcount",
    "reporter intensity corrected",
    "razor intensity",
    "total intensity",
    "unique intensity",
    "intensity",
    "reporter intensity",
    "ibaq",
    "tpm",
    "fpkm",
    "rpkm",
    "cpm",
)
_PROTEOMICS = ("lfq intensity", "maxlfq", "ibaq", "intensity", "reporter intensity", "razor", "total", "unique", "avg")
_OF_ALL = ("combined", "summarized", "")
"""Names before a quantity that stand for all samples together."""


@dataclass
class Form:
    """Changes that bring a table to the plain form, and why.

    Attributes:
        header: Names of the columns that are kept.
        kept: Their places among the source's columns.
        first: Rows before the data, the header among them.
        matrix: Whether the table holds features × samples.
        renamed, dropped: Row names, as `feature_names` judges them.
        flags: Columns in which a `+` marks a row that is left out.
        writing: How its numbers are written.
        zeros_missing: Whether zeros are written as missing.
        below: How a value below a limit of detection counts (`missing`, `limit`, `half`); empty: as written.
        groups: (sample, level) of a second header line.
        about: Name -> place of columns of a matrix that describe its features; they are kept in a table of their own.
        changed: Whether anything is to be done.
    """

    header: list[str]
    kept: list[int]
    first: int = 1
    matrix: bool = False
    renamed: dict[str, str] = field(default_factory=dict)
    dropped: dict[str, str] = field(default_factory=dict)
    flags: list[int] = field(default_factory=list)
    writing: Writing = field(default_factory=Writing)
    zeros_missing: bool = False
    below: str = ""
    groups: list[tuple[str, str]] = field(default_factory=list)
    about: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    changed: bool = False

    def described(self, again: RowsAgain) -> Iterator[list[str]]:
        """Yield the names of the matrix's features with what the other columns say of each, without a header."""
        places = [self.kept[0], *self.about.values()]
        for row in islice(again(), self.first, None):
            name, *texts = [row[at] if at < len(row) else "" for at in places]
            if name and name not in self.dropped:
                yield [self.renamed.get(name, name), *texts]

    def rows(self, again: RowsAgain) -> Iterator[list[str]]:
        """Yield the rows of the plain form, without its header."""
        number = self.writing.reader()
        as_is = self.writing.usual and not self.zeros_missing and not self.below
        run = slice(self.kept[0] + 1, self.kept[-1] + 1) if self.kept == list(range(*_ends(self.kept))) else None
        for row in islice(again(), self.first, None):
            cells = row + [""] * (max(self.kept) + 1 - len(row))
            if any(cells[at] in ("+", "True", "TRUE", "true") for at in self.flags):
                continue
            name = cells[self.kept[0]]
            if self.matrix and name in self.dropped:
                continue
            if as_is:
                values = cells[run] if run is not None else [cells[at] for at in self.kept[1:]]
            else:
                values = [self._value(number(cells[at])) for at in self.kept[1:]]
            if not self.kept[1:] and not name:
                continue
            yield [self.renamed.get(name, name) if self.matrix else number(name), *values]

    def _value(self, cell: str) -> str:
        if self.zeros_missing and as_number(cell) == 0:
            return ""
        if self.below and (found := LIMIT.fullmatch(cell)):
            limit = as_number((found[1] or "").replace(",", "."))
            if self.below == "missing" or limit is None:
                return ""
            return f"{limit / 2 if self.below == 'half' else limit:g}"
        return cell


@dataclass
class Plain:
    """A table in plain form, before it is written.

    Attributes:
        source: The file it came from.
        name: Name of its file without suffix.
        header, rows: As they are to be written; `rows` can be repeated and leaves the header out.
        matrix: Whether it is features × samples.
        changed: Whether it differs from the file as it is.
        origin: Name of the table within a file of several.
        again: The rows as they were before.
        about, described: Names of columns that describe a matrix's features, and rows of feature and these.
    """

    source: Path
    name: str
    header: list[str]
    rows: RowsAgain
    matrix: bool
    changed: bool
    notes: list[str] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    groups: list[tuple[str, str]] = field(default_factory=list)
    origin: str = ""
    again: RowsAgain | None = None
    about: tuple[str, ...] = ()
    described: RowsAgain | None = None
    _ids: tuple[RowsAgain, dict[str, list[str]]] | None = None

    @classmethod
    def of(cls, source: Path, name: str, form: Form, again: RowsAgain) -> Plain:
        """Make the plain table of a form."""
        return cls(
            source,
            name,
            form.header,
            lambda: form.rows(again),
            form.matrix,
            form.changed,
            list(form.notes),
            list(form.readings),
            form.groups,
            again=again,
            about=tuple(form.about) if form.matrix else (),
            described=lambda: form.described(again),
        )

    def ids(self) -> dict[str, list[str]]:
        """Return the columns (of the first ten) whose cells all differ, with their cells."""
        if self._ids is None or self._ids[0] is not self.rows:
            found: dict[str, list[str]] = {}
            rows = [row[:10] for row in islice(self.rows(), _MOST_ROWS + 1)]
            for at, name in enumerate(self.header[:10] if len(rows) <= _MOST_ROWS else ()):
                cells = [row[at] if at < len(row) else "" for row in rows]
                if all(cells) and len(set(cells)) == len(cells) and cells:
                    found[name] = cells
            self._ids = self.rows, found
        return self._ids[1]


def find_form(again: RowsAgain, name: str, stated: FileSpec | None = None, kind_hint: str = "") -> Form | None:
    """Find the form of a table; None of an empty one. `stated` is what `dataset.toml` says of its file.

    Args:
        again: The table's rows, from the first line after comments.
        name: The file's name, for notes and for what it says of the values.
        stated: What a description says of the file.
        kind_hint: `samples` or `table` if the description says that it is no matrix.
    """
    head = list(islice(again(), _HEAD))
    if not head:
        return None
    form = _header(head, name)
    body = [row for row in head[form.first :] if any(row)]
    if form.matrix and kind_hint not in ("samples", "table", "gene_sets"):
        _quantities(form, body, name)
        form.matrix = _choose_columns(form, body, name, stated)
    else:
        form.matrix = False
    _numbers(form, again, name, stated)
    if form.matrix:
        _features(form, again, name)
        _values(form, again, name, stated)
    return form


def _is_value(cell: str) -> bool:
    return as_number(cell.replace(",", "")) is not None or is_missing(cell) or LIMIT.match(cell) is not None


def _numeric(row: Sequence[str]) -> int:
    return sum(as_number(c.replace(",", ".")) is not None for c in row[1:])


def _header(head: list[list[str]], name: str) -> Form:
    """Find the header among the first rows: titles before it, a merged line of groups above or below it."""
    width = Counter(len(row) for row in head[len(head) // 2 :]).most_common(1)[0][0]
    start = 0
    while start < min(10, len(head) - 2) and width > 2 and sum(map(bool, head[start])) == 1 and len(head[start]) > 0:
        start += 1
    data = next(
        (at for at in range(start, min(len(head), start + 10)) if _numeric(head[at]) >= 0.5 * (width - 1)), None
    )
    matrix = data is not None and width > _MIN_COLUMNS
    lines = head[start : data if data is not None and data > start and matrix else start + 1]
    if any(_numeric(row) for row in lines[1:]):  # rows of a sheet with few numbers, not a second header line
        lines = lines[:1]
    names, groups = _names_and_groups(lines, width)
    form = Form(header=names, kept=list(range(len(names))), first=start + max(1, len(lines)), matrix=matrix)
    if len(lines) > 3:  # texts among the data rather than lines of a header
        form.header, form.first, groups = list(head[start]), start + 1, []
        form.kept = list(range(len(form.header)))
    if start:
        form.notes.append(f"{name}: {start} lines above the header were left out: {head[0][0] or head[0][-1]!r:.80}")
    body = head[form.first :]
    short = len(form.header) == width - 1 and all(len(row) == width for row in body[:20])
    if short and any(row[-1] for row in body if len(row) == width):  # else the rows end in a separator
        form.header = ["id", *form.header]
        form.kept = list(range(width))
        form.notes.append(f"{name}: the header has no name for the first column; it is called 'id'")
    if not form.header[0]:
        form.header[0] = "id"
        form.notes.append(f"{name}: the first column has no name; it is called 'id'")
    filled = {at for row in body for at, c in enumerate(row) if c}
    blank = [at for at, n in enumerate(form.header) if at and not n and at not in filled]
    if blank and len(head) < _HEAD:
        form.kept = [at for at in form.kept if at not in blank]
        form.header = [n for at, n in enumerate(form.header) if at not in blank]
        form.notes.append(f"{name}: {len(blank)} columns without a name and without a value were left out")
    form.header = [n or f"column_{at + 1}" for at, n in zip(form.kept, form.header, strict=True)]
    if groups:
        form.groups = [(n, g) for n, g in zip(form.header[1:], groups[1:], strict=False) if g]
        form.notes.append(
            f"{name}: the header has two lines; the samples are named in one, their groups in the other: "
            + "; ".join(f"{level} ({count})" for level, count in Counter(g for _, g in form.groups).most_common(6))
        )
    form.changed = bool(form.notes)
    return form


def _names_and_groups(lines: list[list[str]], width: int) -> tuple[list[str], list[str]]:
    """Divide the lines of a header into the names of the columns and, of two lines, the groups above or below."""
    padded = [row + [""] * (width - len(row)) if len(row) < width - 1 else row for row in lines]
    if len(padded) == 1 or len(padded) > 3:
        return list(padded[0]), []
    padded = [row for row in padded if any(row)]
    filled = [_forward(row) for row in padded]
    full = [row for row in padded if all(row[1:]) and len(set(row[1:])) == len(row) - 1]
    if full:
        names = full[-1]
        rest = [f for f, row in zip(filled, padded, strict=True) if row is not names]
        level = next((f for f in rest if 2 <= len(set(f[1:])) <= max(2, len(f) // 2)), [])
        first = names[0] or next((row[0] for row in padded if row[0]), "")
        return [first, *names[1:]], level
    joined = ["_".join(dict.fromkeys(c for c in cells if c)) for cells in zip(*filled, strict=True)]
    if len(set(joined)) == len(joined):
        return joined, []
    return list(padded[0]), []


def _forward(row: Sequence[str]) -> list[str]:
    """Fill the blank cells that merged cells leave with the text before them."""
    found, last = [row[0]], ""
    for cell in row[1:]:
        last = cell or last
        found.append(last)
    return found


def _quantities(form: Form, body: list[list[str]], name: str) -> None:
    """Of several quantities for each sample (counts and FPKM, LFQ and raw intensities), keep one."""
    families: dict[str, dict[int, str]] = {}
    for at, column in enumerate(form.header[1:], start=1):
        if found := _QUANTITY.fullmatch(column):
            word = re.sub(r"[ _]+", " ", (found["a"] or found["b"]).lower())
            sample = (found["rest"] or "").strip(" ._-") or found["other"]
            if sample.lower() not in _OF_ALL:
                families.setdefault(word, {})[at] = sample
    families = {w: f for w, f in families.items() if len(f) >= _MIN_COLUMNS}
    choice = next((w for w in _PREFERRED if w in families), None)
    measured = {at for family in families.values() for at in family}
    if choice is None or (len(families) == 1 and not choice.startswith(_PROTEOMICS)):
        return
    chosen = families[choice]
    form.flags = [at for at, column in enumerate(form.header) if _FLAGS.fullmatch(normal(column))]
    ids = [at for at, c in enumerate(form.header) if normal(c) in ("majority_protein_ids", "protein_ids", "protein_id")]
    first = max(ids, key=lambda at: "majority" in normal(form.header[at])) if ids else 0
    others = sorted(w for w in families if w != choice)
    if first:
        form.notes.append(f"{name}: column {form.header[first]!r} names the features")
    form.notes.append(
        f"{name}: of {len(form.header)} columns the {len(chosen)} of {choice!r} were taken, one for each sample"
        + (f"; those of {', '.join(others)} were left out" if others else "")
    )
    if form.flags:
        form.notes.append(
            f"{name}: rows marked with + in {', '.join(form.header[at] for at in form.flags)} were left out"
        )
    form.about = {
        column: at
        for at, column in enumerate(form.header)
        if at not in measured and at != first and _describes_features(column)
    }
    form.header = [form.header[first], *chosen.values()]
    form.kept = [first, *chosen]
    form.changed = True


def _choose_columns(form: Form, body: list[list[str]], name: str, stated: FileSpec | None) -> bool:
    """Leave out columns that are no samples; False if what remains is no matrix."""
    cells = {at: [row[at] for row in body if at < len(row)] for at in form.kept}
    known = {at: [c for c in column if not is_missing(c)] for at, column in cells.items()}
    number = {at: sum(map(_is_value, column)) >= 0.95 * len(column) > 0 for at, column in known.items()}
    named = dict(zip(form.kept, form.header, strict=True))
    if names_statistics(form.header[1:]) or names_clinical(form.header[1:]):
        return False
    feature = form.kept[0]
    if stated is not None and stated.feature_column in form.header:
        feature = form.kept[form.header.index(stated.feature_column)]
    elif _counts_rows(cells[feature]) and not number.get(form.kept[min(1, len(form.kept) - 1)], True):
        feature = form.kept[1]
    out = {at for at in form.kept if at != feature and _is_annotation(normal(named[at]), number[at], bool(known[at]))}
    samples = [at for at in form.kept if at not in out and at != feature]
    texts = [at for at in out if not number[at] and not _ANNOTATION.fullmatch(normal(named[at]))]
    if len(samples) < _MIN_COLUMNS or len(texts) > 0.2 * len(form.kept) + 2:
        return False
    if out or feature != form.kept[0]:
        form.notes.append(
            f"{name}: columns that are no samples were left out of the matrix: "
            + ", ".join(repr(named[at]) for at in sorted(out)[:12])
        )
        form.changed = True
        form.about |= {named[at]: at for at in sorted(out) if not number[at] or _describes_features(named[at])}
        if feature != form.kept[0] and not _counts_rows(cells[form.kept[0]]):
            form.about |= {named[form.kept[0]]: form.kept[0]}
    form.kept = [feature, *samples]
    form.header = [named[at] for at in form.kept]
    if any(re.search(r"[\\/]|\.(bam|sam|raw|mzML|d)$", n) for n in form.header[1:]):
        short = [short_name(n) for n in form.header[1:]]
        if len(set(short)) == len(short):
            form.notes.append(f"{name}: sample names were shortened, e.g. {form.header[1]!r} to {short[0]!r}")
            form.header = [form.header[0], *short]
            form.changed = True
    return True


def _is_annotation(word: str, number: bool, known: bool) -> bool:
    """Tell a column that is no sample: text, or numbers under a name that stands for a place, a length, a total."""
    if not number:
        return known or _ANNOTATION.fullmatch(word) is not None
    return _ANNOTATION.fullmatch(word) is not None or _TOTALS.fullmatch(word) is not None


def _describes_features(column: str) -> bool:
    """Tell names, ids and places of features from p-values of detection, which belong to samples."""
    return _ANNOTATION.fullmatch(normal(column)) is not None and "detection" not in normal(column)


def _counts_rows(cells: Sequence[str]) -> bool:
    numbers = [as_number(c) for c in cells]
    return len(numbers) > 2 and all(n is not None and n == (numbers[0] or 0) + at for at, n in enumerate(numbers))


def _numbers(form: Form, again: RowsAgain, name: str, stated: FileSpec | None) -> None:
    """Find out how numbers are written: in a matrix everywhere, in a sheet by the columns that need it."""
    part = islice(again(), form.first, form.first + 2_000)
    cells = [c for row in part for at in form.kept[1:101] if at < len(row) and (c := row[at])]
    if not form.matrix:
        cells = [c for c in cells if re.fullmatch(r"[+-]?[\d.,]+(e[+-]?\d+)?", c, re.I)]
    writing = find_writing(cells, stated.thousands if stated is not None else None)
    if writing.usual or (not form.matrix and writing.thousands):
        return
    what = (
        f"{writing.thousands!r} separates thousands"
        if writing.thousands
        else f"{writing.decimal!r} stands before decimals"
    )
    form.writing = writing
    form.changed = True
    form.notes.append(f"{name}: {what} ({writing.why}); numbers were written anew")
    form.readings.append(
        Reading(
            file=name,
            says=what,
            reason=writing.why,
            sure=writing.sure,
            decides=True,
            line=f'thousands = "{writing.thousands}"',
        )
    )


def _features(form: Form, again: RowsAgain, name: str) -> None:
    at = form.kept[0]
    found = judge_names(row[at] for row in islice(again(), form.first, None) if at < len(row))
    form.renamed, form.dropped = found.renamed, found.dropped
    form.changed = form.changed or bool(found.renamed or found.dropped)
    form.notes += [f"{name}: {note}" for note in (*found.notes, *found.unsure)]
    form.readings += [
        Reading(file=name, column=form.header[0], says="rows left out", reason=note, sure=False)
        for note in found.unsure
    ]


def _ends(kept: Sequence[int]) -> tuple[int, int]:
    return kept[0], kept[-1] + 1


def _numbers_of(cells: Sequence[str]) -> list[float | None]:
    try:
        found = list(map(float, cells))
    except ValueError:
        return [as_number(cell) for cell in cells]
    return list(found) if math.isfinite(sum(found)) else [as_number(cell) for cell in cells]


def _values(form: Form, again: RowsAgain, name: str, stated: FileSpec | None) -> None:
    """Look at the values for zeros that mean "not quantified" and for limits of detection."""
    values: list[float] = []
    limits: Counter[str] = Counter()
    sums = [0.0] * (len(form.header) - 1)
    for number, row in enumerate(form.rows(again)):
        numbers = _numbers_of(row[1:])
        if number < _SCALE_ROWS:
            sums = list(map(add, sums, [n or 0.0 for n in numbers]))
            if len(values) < _SCALE_CELLS:
                values += [n for n in numbers[:_SCALE_COLUMNS] if n is not None]
        if None in numbers:
            limits.update(cell for cell in row[1:] if cell and cell[0] in "<>≤≥" and LIMIT.fullmatch(cell))
    scale = judge_scale(values, f"{name} {stated.scale if stated and stated.scale else ''}", sums)
    if scale.kind and not scale.sure and not (stated is not None and stated.scale):
        form.readings.append(
            Reading(
                file=name,
                says=f"scale {scale.kind}",
                reason=scale.why,
                sure=False,
                decides=True,
                line=f'scale = "{scale.kind}"  # or "counts", "linear", "log2"',
            )
        )
    zeros = stated.zeros if stated is not None else None
    if zeros == "missing" or (zeros is None and scale.zeros_missing):
        count = sum(v == 0 for v in values)
        form.zeros_missing = form.changed = True
        form.notes.append(
            f"{name}: zeros ({count:,} of the first {len(values):,} values) were not quantified ({scale.why}); "
            "they count as missing"
        )
        form.readings.append(
            Reading(file=name, says="zeros are missing", reason=scale.why, decides=True, line='zeros = "values"')
        )
    if limits:
        _limits(form, limits, name, stated)


def _limits(form: Form, limits: Counter[str], name: str, stated: FileSpec | None) -> None:
    shown, total = ", ".join(repr(c) for c in list(limits)[:3]), sum(limits.values())
    form.below = (stated.below_limit if stated is not None else None) or ""
    if form.below:
        form.changed = True
        form.notes.append(f"{name}: {total} values below a limit ({shown}) count as {form.below}, as stated")
        return
    form.readings.append(
        Reading(
            file=name,
            says="values below a limit of detection",
            reason=f"{total} cells such as {shown}: how they count decides on every test of these features",
            sure=False,
            decides=True,
            line='below_limit = "half"  # or "limit", "missing"',
        )
    )
