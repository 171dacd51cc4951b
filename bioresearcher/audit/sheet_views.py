"""Choice of the columns of a sample sheet that each view shows, and of those whose values are recoded.

The open view and the design view of a data set must not be joined: a column that is in both would join them where a
combination of its values is rare. Therefore a column is in both only as long as every combination of all shared
columns belongs to at least `CROWD` samples; the others go to one of the two.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from bioresearcher.audit.derived import CROWD, derived_columns, name_prefix
from bioresearcher.audit.gene_symbols import symbols
from bioresearcher.audit.leaks import Withheld, find_withheld, gives_away, is_technical
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.columns import as_number
from bioresearcher.schemas.dataset import Column
from bioresearcher.sources.datasets.endpoints import normal
from bioresearcher.sources.datasets.roles import names_clinical, names_outcome

LEAST_GENES = 20
"""Different genes of a reference table, at least."""
_GENES, _DIFFERENT = 0.8, 0.2
_GENE_ID = re.compile(r"ENS[A-Z]{0,5}[GT]\d{11}(\.\d+)?")
RESULTS = re.compile(r"(^|_)(p|q)_?(val|value)s?(_|$)|padj|adj_p|(^|_)fdr(_|$)|log2?_?f(old)?_?c|fold_?change|b_?stat")
"""Names, in their plain form, of columns that hold results of a comparison."""
_OF_SAMPLES = re.compile(r"sample|specimen|biops|barcode|cell_?line|replicate|(^|_)(tumou?r|normal)(_|$)")
_COMPARED = re.compile(r"log2?_?f(old)?_?c|fold_?change")
_FREE_TEXT_CHARS, _FREE_TEXT_WORDS, _MANY = 40, 4, 12
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}( [\d:.]+)?")
_ID = re.compile(
    r"(^|_)(id|ids|code|cod|barcode|accession|uuid|gsm|srr|srx|srs|biosample|sample_name|sample|title|alias|filename|file"
    r"|run|experiment|mrn)$|geo_accession|_file$|_path$|_url$|^name$"
)
_PERSON = re.compile(
    r"(^|_)(patient|subject|donor|person|participant|individual|case|pair|mouse|animal|litter|family)s?(_|$)"
)


@dataclass(frozen=True)
class SheetPlan:
    """Columns of the three views of a sheet.

    Attributes:
        open: Columns of the open view, as written in the file.
        design: Columns of the design view; empty if there is none.
        outcomes: Columns of the outcome view's files, each with codes of its own.
        recoded: Columns with names of persons or pairs, shown as codes in the view that holds them.
        prefix: Prefix of each sample's name, where the open view may show it.
        derived: Columns that are derived from dates and names, by which views may name them; see `derived`.
        alone: Columns that give an outcome away and are in no other view: each is shown by itself, with no other.
        withheld: What the open view does not hold, with the reason, in words.
    """

    open: tuple[str, ...]
    design: tuple[str, ...]
    outcomes: tuple[tuple[str, ...], ...]
    recoded: frozenset[str]
    prefix: tuple[str, ...]
    derived: Mapping[str, tuple[str, ...]]
    alone: tuple[str, ...]
    withheld: tuple[str, ...]


def plan_sheet(
    cells: Mapping[str, Sequence[str]],
    described: Sequence[Column],
    objective: Objective,
    *,
    units: Sequence[str],
    id_column: str | None,
    measured: bool,
) -> SheetPlan:
    """Divide the columns of a sheet among its views.

    Args:
        cells: Column name -> cells as written.
        described: What is known of the columns.
        objective: The question; see `leaks.find_withheld`.
        units: Name of each row's sample.
        id_column: Column that holds them; never shown.
        measured: True if a matrix belongs to the sheet.
    """
    names = {n for n in cells if n == id_column or _is_name(n, cells[n], units, described)}
    if id_column is not None and not measured and _repeats(units):  # names of rows would not repeat
        names.discard(id_column)
    persons = {id_column} if id_column is not None and id_column not in names else set()
    persons |= {n for n in cells if n not in names and _PERSON.search(normal(n)) and _repeats(cells[n])}
    found = find_withheld(cells, described, objective, measured=measured, ids=names | persons)
    why = {w.column: w for w in found}
    prefix = name_prefix(units)
    named = (names | persons) - ({id_column} if prefix and id_column is not None else set())
    if prefix and gives_away(prefix, found, cells):
        prefix = ()
    derived = _derived({n: v for n, v in cells.items() if n in named or n != id_column}, found, named, prefix)
    texts = {n for n in cells if n not in names | persons | set(why) and _is_free_text(cells[n])}
    outcomes = [w for w in found if w.reason in ("endpoint", "measured value")]
    groups = [w.column for w in found if w.reason == "compared group"]
    free = [n for n in cells if n not in names | texts | set(why)]
    free += derived
    every = {**cells, **derived}
    if groups:
        hidden = {w.column for w in outcomes} | _leaks_of(found, {w.column for w in outcomes}, cells)
        shared = _shared([n for n in free if n not in persons], every)
        opened = [n for n in free if n in shared or is_technical(n)]
        numbers = {n for n in opened if n not in shared}
        design = [n for n in every if n not in names | texts | hidden | numbers]
    else:
        opened, design = free, []
    notes = [w.why for w in found]
    notes += [f"{n}: free text, which is never shown ({_sizes(cells[n])}); facts describe it" for n in sorted(texts)]
    notes += [f"{n}: names of samples, which are recoded" for n in sorted(names)]
    notes += [
        f"{n}: in the design view only, because its values would join the two views"
        for n in design
        if n not in opened and n not in why
    ]
    alone = [w.column for w in found if outcomes and w.reason == "gives it away" and w.column not in design]
    alone = [n for n in alone if not _is_free_text(cells[n])]
    notes += [f"{n}: its values alone are in the outcome view, without their samples" for n in alone]
    first = tuple(w.column for w in outcomes if not w.asked)
    return SheetPlan(
        open=tuple(opened),
        design=tuple(design),
        outcomes=tuple(part for part in (first, *((w.column,) for w in outcomes if w.asked)) if part),
        recoded=frozenset(persons),
        prefix=prefix,
        derived=derived,
        alone=tuple(alone),
        withheld=tuple(notes),
    )


def _derived(
    cells: Mapping[str, Sequence[str]], found: Sequence[Withheld], names: set[str], prefix: Sequence[str]
) -> dict[str, tuple[str, ...]]:
    """Derive columns from those that are not withheld, as permuting an outcome must change no other view.

    One that itself gives something away is left out, and one that only repeats the prefixes of the samples' names.
    """
    used = {w.column for w in found}
    made = derived_columns({n: v for n, v in cells.items() if n not in used}, names)
    return {n: v for n, v in made.items() if v != tuple(prefix) and not gives_away(v, found, cells)}


def _sizes(values: Sequence[str]) -> str:
    known = [v.strip() for v in values if v.strip()]
    return f"{len(set(known))} different texts in {len(known)} rows"


def is_gene_table(
    cells: Mapping[str, Sequence[str]], described: Sequence[Column], features: Collection[str] = ()
) -> bool:
    """Return True for a reference table whose rows are about genes and nothing in which is about a sample or a person.

    One column holds mostly human gene symbols, Ensembl ids or `features` of the data set's matrices, many of them
    different. No column is called like a
    sample, a person, an outcome, a clinical variable or a fold change, has a role of a sample sheet, has a name like
    other columns but for a number, as samples of a matrix have, or holds texts that differ in nearly all rows.
    """
    genes = {n for n in cells if _holds_genes(cells[n], features)}
    if not genes or any(c.role not in ("other", "group", "annotation") for c in described):
        return False
    others = [n for n in cells if n not in genes]
    stems = Counter(re.sub(r"\d+", "", normal(n)) for n in others if re.search(r"\d", n))
    if names_clinical(tuple(cells)) or max(stems.values(), default=0) > 1:
        return False
    for name in cells:
        low = normal(name)
        if _PERSON.search(low) or _OF_SAMPLES.search(low) or _COMPARED.search(low):
            return False
        if names_outcome(name, list(dict.fromkeys(cells[name]))[:_MANY]):
            return False
    if any(_lists(cells[n], features) for n in genes):  # a row is a feature: texts that differ describe it
        return True
    return not any(_ID.search(normal(n)) or _differs(cells[n]) for n in others)


def _lists(values: Sequence[str], features: Collection[str]) -> bool:
    """Return True for a column that names features of the matrices, but for one in five, each in a row of its own."""
    known = [v.strip() for v in values if v.strip()]
    same = len(set(known) & {*features})
    return len(set(known)) == len(known) and same >= max(LEAST_GENES, _GENES * len(known))


def _holds_genes(values: Sequence[str], features: Collection[str]) -> bool:
    known = Counter(v.strip() for v in values if v.strip())
    if len(known) < max(LEAST_GENES, _DIFFERENT * known.total()):
        return False
    if features and sum(n for v, n in known.items() if v in features) >= _GENES * known.total():
        return True
    table = symbols()
    return sum(n for v, n in known.items() if _GENE_ID.fullmatch(v) or table.gene(v)) >= _GENES * known.total()


def _differs(values: Sequence[str]) -> bool:
    """Return True for texts that differ in nearly all rows, which may name samples."""
    texts = [v.strip() for v in values if v.strip() and as_number(v) is None]
    return len(texts) > 1 and len(texts) > 0.5 * len(values) and len(set(texts)) > 0.9 * len(texts)


def _leaks_of(found: Sequence[Withheld], outcomes: set[str], cells: Mapping[str, Sequence[str]]) -> set[str]:
    """Columns that give an outcome away, also those that give a group away even better."""
    ends = [w for w in found if w.column in outcomes]
    return {w.column for w in found if w.column not in outcomes and gives_away(cells[w.column], ends, cells)}


def _shared(names: Sequence[str], cells: Mapping[str, Sequence[str]]) -> set[str]:
    """Choose columns of which every combination of values is common, technical ones first."""
    chosen: list[str] = []
    for name in sorted(names, key=lambda n: (not is_technical(n), len(set(cells[n])), n)):
        counts = Counter(zip(*(cells[n] for n in (*chosen, name)), strict=True))
        if counts and min(counts.values()) >= CROWD:
            chosen.append(name)
    return set(chosen)


def _is_name(name: str, values: Sequence[str], units: Sequence[str], described: Sequence[Column]) -> bool:
    """Return True for a column that names rows: by role or name, and by values that hardly repeat."""
    known = [v.strip() for v in values if v.strip()]
    different = len(set(known)) > 0.9 * len(known) if known else False
    role = next((c.role for c in described if c.name == name), "other")
    if role == "id":
        return not _PERSON.search(normal(name)) or not _repeats(values)
    if role in ("time", "event", "group", "covariate", "batch"):
        return False
    same = sum(bool(v.strip()) and _plain(v) == _plain(u) for v, u in zip(values, units, strict=True))
    if same > 0.5 * len(values) and len(set(known)) > 1:
        return True
    named = _ID.search(normal(name)) or _PERSON.search(normal(name))
    words = sum(as_number(v) is None and not _DATE.fullmatch(v) for v in known)
    return different and len(known) > 1 and (bool(named) or (words > 0.5 * len(known) and len(known) >= 6))


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower()).lstrip("0")


def _repeats(values: Sequence[str]) -> bool:
    known = [v for v in values if v.strip()]
    return len(set(known)) < len(known)


def _is_free_text(values: Sequence[str]) -> bool:
    """Return True for sentences, lists of fields, and texts that differ in most rows."""
    known = [v.strip() for v in values if v.strip()]
    texts = [v for v in known if as_number(v) is None and not _DATE.fullmatch(v)]
    if len(texts) <= 0.1 * len(known):
        return False
    if any(len(v) > 2 * _FREE_TEXT_CHARS or len(v.split()) > 2 * _FREE_TEXT_WORDS for v in texts):
        return True
    different = set(texts)
    return len(different) > _MANY and len(different) > 0.5 * len(texts)
