"""Names and numbers of tables as programs, spreadsheets and people change them on the way.

Row names that are no features or were made dates; sample names that were written otherwise; decimal commas, thousands
points, and values below a limit of detection. Only what is certain is set back; the rest is said.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from bioresearcher.schemas.columns import as_number
from bioresearcher.schemas.missing import is_missing

LIMIT = re.compile(r"[<>≤≥]\s*=?\s*([\d.,]+|LO[DQ]|LLO[DQ]|ULO[DQ])?", re.I)
"""A cell that states a limit instead of a value: `<0.5`, `> 100`, `<LOD`."""
_SURE = 20
"""Cells with three digits after the separator, and none with fewer, from which it separates thousands for certain."""
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+(?:[eE][+-]?\d+)?")
_BOTH_GERMAN = re.compile(r"[+-]?\d{1,3}(?:\.\d{3})+,\d+")
_BOTH_ENGLISH = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+\.\d+")


@dataclass(frozen=True)
class Writing:
    """A way to write numbers: what stands between thousands, what before decimals; `sure` False if it is a guess."""

    thousands: str = ""
    decimal: str = "."
    sure: bool = True
    why: str = ""

    @property
    def usual(self) -> bool:
        """True for the form that programs write."""
        return not self.thousands and self.decimal == "."

    def reader(self) -> Callable[[str], str]:
        """Return a function that writes a cell as a program would; cells that are no numbers stay as they are."""
        if self.usual:
            return lambda cell: cell

        def plain(cell: str) -> str:
            text = cell.replace(self.thousands, "") if self.thousands else cell
            text = text.replace("\u00a0", "").replace(self.decimal, ".") if self.decimal != "." else text
            return text if as_number(text) is not None else cell

        return plain


def find_writing(cells: Iterable[str], thousands: str | None = None) -> Writing:
    """Find out how the numbers among the cells of one table are written; `thousands` is what a description states.

    Whole numbers below 1,000 beside numbers with exactly three digits after a point or comma, and none with one or
    two, are whole numbers with a separator of thousands: a program that writes decimals leaves zeros at the end out.
    """
    known = [c.strip() for c in cells]
    known = [c for c in known if c and not is_missing(c)]
    if any(_BOTH_GERMAN.fullmatch(c) for c in known):
        return Writing(".", ",", why="cells such as 1.234,5")
    if any(_BOTH_ENGLISH.fullmatch(c) for c in known):
        return Writing(",", ".", why="cells such as 1,234.5")
    spaces = [c for c in known if re.fullmatch(r"[+-]?\d{1,3}([  ]\d{3})+([.,]\d+)?", c)]
    if spaces:
        return Writing(spaces[0].lstrip("+-0123456789")[0], "," if any("," in c for c in known) else ".", why="spaces")
    for mark, other in ((".", ","), (",", ".")):
        if thousands == mark:
            return Writing(mark, other, why="stated")
        found = _thousands(known, mark, other, stated=thousands is not None)
        if found is not None:
            return found
    commas = sum(_DECIMAL_COMMA.fullmatch(c) is not None for c in known)
    if commas and not any(re.fullmatch(r"[+-]?\d+\.\d+", c) for c in known):
        return Writing("", ",", why="decimal commas and no decimal point")
    return Writing()


def _thousands(known: list[str], mark: str, other: str, *, stated: bool) -> Writing | None:
    if stated or any(other in c and as_number(c.replace(other, ".")) is not None for c in known if mark not in c):
        return None
    parted = [c for c in known if mark in c and re.fullmatch(r"[+-]?[\d.,]+", c)]
    right = [c for c in parted if re.fullmatch(rf"[+-]?[1-9]\d{{0,2}}(?:{re.escape(mark)}\d{{3}})+", c)]
    whole = [c for c in known if re.fullmatch(r"[+-]?\d+", c)]
    if not right or len(right) < len(parted) or any(len(c.lstrip("+-")) > 3 for c in whole):
        return None
    twice = any(c.count(mark) > 1 for c in right)
    if not twice and (len(whole) < 0.05 * len(right) or max((abs(int(c)) for c in whole), default=0) < 10):
        return None
    zeros = any(c.endswith("0") for c in right)
    sure = twice or (len(right) >= _SURE and zeros)
    if not sure and mark == "." and not zeros:
        return None
    return Writing(mark, other, sure=sure, why=f"whole numbers below 1,000 beside such as {right[0]}")


_SPECIAL = re.compile(
    r"(X?_{1,2})?(no_feature|ambiguous|too_low_aqual|not_aligned|alignment_not_unique)"
    r"|N_(unmapped|multimapping|noFeature|ambiguous)|Unassigned_\w+|\*",
    re.I,
)
"""Rows in which HTSeq, STAR, featureCounts and samtools count reads that belong to no feature."""
_TOTAL = re.compile(r"(grand[ _]?)?(total|sum|library[ _]?size|totals|total[ _](reads|counts|mapped[ _]reads))", re.I)
_SCRIPT = "jan feb mar apr may jun jul aug sep sept oct nov dec".split()
_MONTHS = "(?P<month>jan|feb|mar|mär|mrz|apr|may|mai|jun|jul|aug|sept?|oct|okt|nov|dec|dez|dic)"
_DATE = re.compile(
    rf"(?P<day>\d{{1,2}})[-. ]{_MONTHS}\.?(-\d{{2,4}})?|{_MONTHS.replace('month', 'first')}[-. ](?P<last>\d{{1,2}})"
    r"|\d{4}-(?P<m>\d{2})-(?P<d>\d{2})|(?P<m2>\d{1,2})/(?P<d2>\d{1,2})/\d{2,4}",
    re.I,
)
_ENSEMBL = re.compile(r"(ENS[A-Z]{0,6}[GTPE]\d{6,})\.\d+")
_INFLUENZA = frozenset("PB2 PB1 PA HA NP M M1 M2 MP NS NS1 NS2 NEP PB1-F2 PA-X".split())
NEURAMINIDASE = "NA (neuraminidase)"
"""Name given to a gene called NA, which every reader of tables would take for a missing name."""
_MOST_DATES = 60


@dataclass
class Names:
    """Judgement of a matrix's row names.

    Attributes:
        dropped: Row name -> reason, for rows that are no features.
        renamed: Row name as written -> name, where that is certain.
        notes: Sentences on what was found.
        unsure: Sentences on names whose meaning cannot be told; their rows are left out.
    """

    dropped: dict[str, str] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unsure: list[str] = field(default_factory=list)


def judge_names(names: Iterable[str]) -> Names:
    """Judge the row names of a matrix."""
    counts = Counter(name.strip() for name in names)
    found = Names()
    _special(counts, found)
    _dates(counts, found)
    _called_na(counts, found)
    _versions(counts, found)
    return found


def _special(counts: Counter[str], found: Names) -> None:
    special = [n for n in counts if _SPECIAL.fullmatch(n)]
    totals = [n for n in counts if _TOTAL.fullmatch(n)]
    for name in special:
        found.dropped[name] = "reads without a feature"
    if special:
        found.notes.append(
            f"{len(special)} rows that count reads without a feature were left out: {', '.join(special[:5])}"
        )
    for name in totals:
        found.dropped[name] = "total"
    if totals:
        found.notes.append(f"{len(totals)} rows of totals were left out: {', '.join(totals[:3])}")


def _month(match: re.Match[str]) -> tuple[int, int] | None:
    """Return (month, number) of a date; of one in digits the day is the number."""
    word = (match["month"] or match["first"] or "").lower()
    if word:
        word = {"mrz": "mar", "mär": "mar", "mai": "may", "okt": "oct", "dez": "dec", "dic": "dec", "sept": "sep"}.get(
            word, word
        )
        order = [m for m in _SCRIPT if m != "sept"]
        return order.index(word) + 1, int(match["day"] or match["last"])
    month, day = match["m"] or match["m2"], match["d"] or match["d2"]
    return int(month), int(day)


def _dates(counts: Counter[str], found: Names) -> None:
    dates = {n: m for n in counts if (m := _DATE.fullmatch(n))}
    if not dates or len(dates) > max(3, min(_MOST_DATES, 0.2 * len(counts))):
        return  # rows may be days
    others = [n for n in counts if n not in dates]
    title = sum(n[1:2].islower() for n in others) > 0.5 * len(others)
    upper = {n.upper() for n in others}
    meant: dict[str, str] = {}
    for name, match in dates.items():
        symbol = _symbol(*(_month(match) or (0, 0)))
        if symbol and counts[name] == 1 and symbol not in upper:
            meant[name] = symbol.capitalize() if title else symbol
    twice = {s for s, n in Counter(meant.values()).items() if n > 1}
    found.renamed |= {n: s for n, s in meant.items() if s not in twice}
    if found.renamed:
        shown = ", ".join(f"{n} = {s}" for n, s in list(found.renamed.items())[:5])
        found.notes.append(f"{len(found.renamed)} gene symbols that a spreadsheet made dates were set back: {shown}")
    lost = [n for n in dates if n not in found.renamed]
    for name in lost:
        found.dropped[name] = "a date"
    if lost:
        rows = sum(counts[n] for n in lost)
        found.unsure.append(
            f"{rows} rows are named by a date ({', '.join(lost[:4])}): a spreadsheet made them of gene symbols such as "
            "MARCH1 and MARC1, which cannot be told apart any more; they were left out, correct them at the source"
        )


def _symbol(month: int, number: int) -> str:
    """Return the only gene symbol of which a spreadsheet makes this date; empty where there are several or none."""
    if month == 9 and 1 <= number <= 14:
        return f"SEPT{number}"
    if month == 9 and number == 15:
        return "SEP15"
    if month == 3 and 3 <= number <= 11:
        return f"MARCH{number}"
    return "DEC1" if (month, number) == (12, 1) else ""


def _called_na(counts: Counter[str], found: Names) -> None:
    if counts.get("NA") != 1:
        return
    if len(_INFLUENZA & set(counts)) >= 3:
        found.renamed["NA"] = NEURAMINIDASE
        found.notes.append(f"The gene called NA stands among genes of influenza; it is called {NEURAMINIDASE!r}")
    elif sum(n for name, n in counts.items() if is_missing(name)) == 1 and "nan" not in counts:
        found.notes.append("One row is called NA; it was taken for a row without a name, not for a gene called NA")


def _versions(counts: Counter[str], found: Names) -> None:
    versioned = {n: m[1] for n in counts if (m := _ENSEMBL.fullmatch(n))}
    plain = Counter(versioned.values())
    if len(versioned) < 0.5 * len(counts) or any(plain[s] > 1 or s in counts for s in plain):
        return
    found.renamed |= versioned
    first = next(iter(versioned))
    found.notes.append(
        f"Versions of {len(versioned):,} Ensembl identifiers were left out: {first} = {versioned[first]}"
    )


def restore_zeros(ids: Sequence[str], others: Sequence[str]) -> dict[str, str]:
    """Map names to names of another file that a program wrote otherwise, one to one; empty unless all map.

    R's `make.names` sets a point for every character that is no letter, digit or point and an X before a digit; a
    spreadsheet drops zeros before numbers; aligners add folders and suffixes to the names.
    """
    for rule in (_make_names, _without_zeros, _short, _loose):
        target: dict[str, list[str]] = {}
        for other in others:
            target.setdefault(rule(other), []).append(other)
        made = {name: target.get(rule(name), []) for name in ids}
        hits = {name: found[0] for name, found in made.items() if len(found) == 1}
        clash = any(len(found) > 1 for found in made.values())
        if (
            hits
            and not clash
            and len(set(hits.values())) == len(hits)
            and len(hits) >= 0.8 * min(len(ids), len(others))
        ):
            return hits
    return {}


def _make_names(name: str) -> str:
    text = re.sub(r"[^A-Za-z0-9.]", ".", name)
    return text if re.match(r"[A-Za-z]|\.(?!\d)", text) else f"X{text}"


def _without_zeros(name: str) -> str:
    return str(int(name)) if re.fullmatch(r"\d+", name) else re.sub(r"(?<!\d)0+(?=\d)", "", name)


_SUFFIX = re.compile(
    r"([._-]?(Aligned\.sortedByCoord\.out|Aligned\.out|sorted|sort|dedup|markdup|trimmed|fastq|fq|R1|htseq|counts?|"
    r"readspergene\.out|ReadsPerGene\.out|quant|abundance|genes\.results|isoforms\.results|bam|sam|cram|gz|txt|tsv|tab|"
    r"csv|sf|raw|mzML|d|CEL|featureCounts))+$",
    re.I,
)


def short_name(name: str) -> str:
    """Return the name of a sample without folders and the suffixes that programs add."""
    base = re.split(r"[\\/]", name.strip().rstrip("\\/"))[-1]
    return _SUFFIX.sub("", base) or base


def _short(name: str) -> str:
    return short_name(name)


def _loose(name: str) -> str:
    return re.sub(r"[\W_]+", "", short_name(name)).lower()
