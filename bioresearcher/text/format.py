"""Formats values for a reader: text that Markdown shows literally, numbers, counts, time spans and links."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath
from urllib.parse import quote

from bioresearcher.text.visible import one_line, visible

_MD_ENTITY = re.compile(r"&(?=#?\w+;)")
_MD_SPECIAL = re.compile(r"[\\`*\[\]|~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_MD_TAG = re.compile(r"<(?![ =0-9.])")
_MD_START = re.compile(r"^(?:[#>]|[+-](?= |$)|[-=](?=[-= ]*$)|\d{1,9}(?=[.)](?: |$)))")

_DOI = re.compile(r"10\.\d{4,9}/[^\s\"'<>\\^`{|}]+")
_PMID = re.compile(r"\d{1,9}")
_PMCID = re.compile(r"PMC\d{1,9}")
_GEO = re.compile(r"G(?:SE|PL|DS|SM)\d{1,9}")
_SECRET = re.compile(r"api_?key|secret|password|credential|authorization", re.IGNORECASE)


def md(text: str) -> str:
    """Escape a text to one line that Markdown shows literally: no tag, link, emphasis, table cell or list can arise."""
    flat = md_literal(one_line(text))
    start = _MD_START.match(flat)
    if start is None:
        return flat
    digits = start.group()
    return digits + "\\" + flat[len(digits) :] if digits.isdigit() else "\\" + flat


def md_literal(text: str) -> str:
    """Escape a piece from within a line, where no list, heading or quote can begin."""
    flat = _MD_SPECIAL.sub(lambda m: "\\" + m.group(), _MD_ENTITY.sub("&amp;", text))
    return _MD_TAG.sub("&lt;", flat)


def md_code(text: str) -> str:
    """Inline code; the fence is longer than any run of backticks inside."""
    flat = one_line(text)
    fence = "`" * (max((len(m) for m in re.findall("`+", flat)), default=0) + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") else ""
    return f"{fence}{pad}{flat}{pad}{fence}" if flat else ""


def md_code_block(text: str) -> Iterable[str]:
    """Lines of a code block; the fence is longer than any run of backticks inside."""
    fence = "`" * max((len(m) + 1 for m in re.findall("`{3,}", text)), default=3)
    return (fence, *visible(text).splitlines(), fence, "")


def md_table(header: Sequence[str], rows: Iterable[Sequence[str]], numeric: Sequence[bool] = ()) -> Iterable[str]:
    """A Markdown table with `numeric` columns set to the right; cells must be escaped already, but for `|` in code."""
    right = [*numeric, *[False] * (len(header) - len(numeric))]
    yield f"| {' | '.join(header)} |"
    yield f"|{'|'.join('---:' if r else '---' for r in right)}|"
    yield from (f"| {' | '.join(_BAR.sub(_escaped_bar, cell) for cell in row)} |" for row in rows)
    yield ""


_BAR = re.compile(r"\\*\|")


def _escaped_bar(match: re.Match[str]) -> str:
    """Escape a bar that is not escaped yet: an even number of backslashes stands before it."""
    return match[0] if len(match[0]) % 2 == 0 else match[0][:-1] + "\\|"


def md_list(lines: Iterable[str], empty: str = "") -> Iterable[str]:
    """Lines of a Markdown list, or the sentence `empty`; the lines must be escaped already."""
    items = [f"- {line}" for line in lines]
    yield from (*(items or [empty]), "")


def number(value: float) -> str:
    """A number for reading: integers with thousands separators, others with four significant digits."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not math.isfinite(value):
        return {math.inf: "∞", -math.inf: "−∞"}.get(value, "not a number")
    if isinstance(value, int) or (value.is_integer() and abs(value) < 1e15):
        return f"{int(value):,}"
    return f"{value:.2e}" if abs(value) < 1e-3 or abs(value) >= 1e6 else f"{value:.4g}"


def value_text(value: object) -> str:
    """A JSON value for reading; nested values become `key: value` lists."""
    if value is None:
        return "not known"
    if isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return number(value)
    if isinstance(value, list | tuple):
        return ", ".join(value_text(v) for v in value) or "none"
    if isinstance(value, dict):
        return "; ".join(f"{k}: {value_text(v)}" for k, v in value.items()) or "none"
    return str(value)


STAMPS = {"retracted": "RETRACTED", "concern": "EXPRESSION OF CONCERN", "corrected": "corrected later"}
"""Marks of papers by their status: retracted, under concern, or corrected."""


def duration(seconds: float) -> str:
    """A time span: `0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    return f"{minutes // 60} h {minutes % 60} min"


def size(count: int) -> str:
    """A file size in decimal units."""
    amount = float(count)
    for unit in ("bytes", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" or amount >= 10 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def percent(part: int, whole: int) -> str:
    """`75 %`; `–` when there is nothing to count. Rounds down, so that 100 % means all."""
    return f"{100 * part // whole} %" if whole else "–"


def timestamp_text(stamp: str | None) -> str:
    """An ISO time stamp to the second, as written; anything else is returned cleaned."""
    if stamp is None:
        return ""
    plain = re.sub(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(?:\.\d+)?", r"\1 \2", one_line(stamp))
    return re.sub(r"(?:\+00:00|Z)$", " UTC", plain)


def as_sentence(text: str) -> str:
    """A text on one line with a full stop at its end."""
    flat = re.sub(r"(?<!\.)\.\.$", ".", one_line(text))
    return flat if not flat or flat[-1] in ".!?…" else flat + "."


def label_text(identifier: str) -> str:
    """`level_of_detail` as `level of detail`."""
    return one_line(identifier).replace("_", " ")


def count_of(n: int, noun: str, plural: str = "") -> str:
    """`1 step`, `2 steps`."""
    return f"{n:,} {noun if n == 1 else plural or noun + 's'}"


def listing(items: Iterable[str], limit: int = 5, each: int = 60) -> str:
    """Items as `a, b, c and 4 more`, without repeats, each on one line of at most `each` characters."""
    unique = [one_line(i, each) for i in dict.fromkeys(items)]
    shown = ", ".join(unique[:limit])
    return shown if len(unique) <= limit else f"{shown} and {len(unique) - limit} more"


def file_link(path: str) -> str | None:
    """A relative link to a file below the run folder, or None when the path leads out of it."""
    pure = PurePosixPath(path)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts or "\\" in path:
        return None
    # "./" keeps a first component such as `javascript:x` from being read as a scheme.
    return "./" + quote(pure.as_posix(), safe="/")


def doi_link(doi: str | None) -> str | None:
    """The resolver's address of a well-formed DOI, else None."""
    return f"https://doi.org/{quote(doi, safe='/')}" if doi and _DOI.fullmatch(doi) else None


def pmid_link(pmid: str | None) -> str | None:
    """PubMed's address of a well-formed PMID, else None."""
    return f"https://pubmed.ncbi.nlm.nih.gov/{pmid}/" if pmid and _PMID.fullmatch(pmid) else None


def pmcid_link(pmcid: str | None) -> str | None:
    """PubMed Central's address of a well-formed PMCID, else None."""
    return f"https://pmc.ncbi.nlm.nih.gov/articles/{pmcid}/" if pmcid and _PMCID.fullmatch(pmcid) else None


def accession_link(accession: str | None) -> str | None:
    """GEO's address of a well-formed accession, else None."""
    if accession and _GEO.fullmatch(accession):
        return f"https://www.ncbi.nlm.nih.gov/geo/query/acc.cgi?acc={accession}"
    return None


def setting_text(name: str, value: object) -> str:
    """A setting for the report; anything named like a credential is left out."""
    return "(left out)" if _SECRET.search(name) else value_text(value)
