"""Samples of another kind among the main kind, as names, texts and columns show them, with their events counted."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bioresearcher.audit.sheet_material import Material, clipped, counted, listed, normal
from bioresearcher.audit.tables import FactDraft

_L, _R = r"(?<![A-Za-z])", r"(?![A-Za-z])"
_NOT_THAT = re.compile(r"(\bno|\bnon|\bnot|\bwithout|\bnever|\bun|\bfree of|negative for|\bfor|\bin)[\s\-_]*$", re.I)
_NOT_AFTER = re.compile(r"\s*[-_:=]?\s*(free|negative|none|no\b|0\b|absent|signature|risk|potential)", re.IGNORECASE)
_YES = frozenset("1 yes y true present positive pos +".split())


@dataclass(frozen=True)
class Kind:
    """A kind of samples: words for it in texts, and shorter ones that stand for it in names only."""

    words: str
    pattern: re.Pattern[str]
    in_names: re.Pattern[str]
    column: re.Pattern[str] | None = None


def _kind(words: str, text: str, names: str = "", column: str = "") -> Kind:
    return Kind(
        words,
        re.compile(f"{_L}(?:{text}){_R}", re.IGNORECASE),
        re.compile(f"{_L}(?:{text}{'|' + names if names else ''}){_R}", re.IGNORECASE),
        re.compile(column) if column else None,
    )


_AFTER = r"(?:post|after|following)[\s\-_]*(?:neo-?adjuvant[\s\-_]*)?"
_KINDS = (
    _kind(
        "metastases",
        r"metastas[ei]s|metastatic|mets|(?:ln|node|brain|lung|liver|bone|skin)[\s\-_]met",
        "met",
        r"^(is_)?(metastas[ei]s|metastatic)$",
    ),
    _kind("recurrences", r"recurren(?:t|ce|ces)|relapsed?(?: sample| tumou?r)?", r"recurr?|recur"),
    _kind(
        "samples taken after treatment",
        _AFTER + r"(?:chemo\w*|treatment|therapy|nac|rx|tx|radiation|radiotherapy)|(?:chemo|radio)[\s\-_]?treated",
        r"post|posttx|postchemo",
    ),
    _kind(
        "cell lines", r"cell[\s\-_]?lines?|xenografts?|pdx|organoids?", r"mcf-?7|hela|a549|hek293t?|k562|jurkat|hepg2"
    ),
    _kind(
        "normal or adjacent tissue",
        r"normal(?![\s\-_](?:karyotype|diet|chow|weight|saline|medium|glucose))|(?:tumou?r[\s\-_]?)?adjacent|healthy|"
        r"non[\s\-_]?(?:tumou?r(?:al)?|malignant|neoplastic)|benign",
        r"nat|norm",
    ),
    _kind("carcinomas in situ", r"in[\s\-_]situ(?! hybridi)|dcis|lcis"),
    _kind(
        "references, pools or controls of the assay",
        r"(?:universal|common|stratagene)[\s\-_]*(?:human[\s\-_]*)?reference|pool(?:ed)?|uhrr?|qc|blank|"
        r"no[\s\-_]template",
        r"ntc|ref|reference",
    ),
)
_OUTCOME = re.compile(
    r"relapse|recur|progress|event|status|death|died|remission|response|follow|date|time|reference|"
    r"cyto|normal_?i[sz]ation|process|protocol|platform|label|karyo|months|days|ccr"
)
_NORMAL_CODE = re.compile(r"TCGA-\w\w-\w{4}-(1[0-4])")
_OTHER_CODE = re.compile(r"TCGA-\w\w-\w{4}-(0[2-9])")


def kind_facts(material: Material) -> Iterator[FactDraft]:
    """State samples of another kind, each kind once, with where it is said and how many have an event."""
    found = _in_names(material)
    for name, cells in material.variables.items():
        key = normal(name.split(": ")[-1])
        if _OUTCOME.search(key) or material.is_outcome(name):
            continue
        for kind in _KINDS:
            for i in _rows(kind, key, cells):
                found[kind.words][i].append(name)
    for words, rows in found.items():
        if rows and not _is_comparison(material, words, rows):
            yield _fact(material, words, rows)
    yield from _all_kinds(material, found)


def _in_names(material: Material) -> dict[str, dict[int, list[str]]]:
    """Kind → row → `name`, for the kinds that the samples' names say."""
    found: dict[str, dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for i, name in enumerate(material.labels if material.named else ()):
        for kind in _KINDS:
            if _said(kind.in_names, name):
                found[kind.words][i].append("name")
        if _NORMAL_CODE.match(name):
            found["normal or adjacent tissue"][i].append("name")
        if _OTHER_CODE.match(name):
            found["metastases, recurrences or other tumour samples by TCGA's code"][i].append("name")
    return found


def names_a_kind(part: str) -> bool:
    """Return True for a part of a sample's name that one of the kinds explains."""
    return any(kind.in_names.fullmatch(part) for kind in _KINDS) or part.casefold() in ("chemo", "primary")


def _said(pattern: re.Pattern[str], text: str) -> bool:
    """Return True if a text says it, and does not deny it."""
    return any(
        not _NOT_THAT.search(text[: m.start()]) and not _NOT_AFTER.match(text[m.end() :])
        for m in pattern.finditer(text)
    )


def _rows(kind: Kind, key: str, cells: Sequence[str]) -> list[int]:
    """Rows of a variable that say the kind: by a value that names it, or by yes in a variable of its name."""
    if kind.column is not None and kind.column.search(key):
        return [i for i, cell in enumerate(cells) if cell.casefold() in _YES]
    saying = {cell for cell in set(cells) if cell and not cell[0].isdigit() and _said(kind.pattern, cell)}
    return [i for i, cell in enumerate(cells) if cell in saying] if saying else []


def _is_comparison(material: Material, words: str, rows: dict[int, list[str]]) -> bool:
    """Return True when the kind is a level of what is compared, or most samples: then it is no other kind."""
    if len(rows) > 0.6 * material.n:
        return True
    if material.event is not None:
        return False
    return any(
        {c for i, c in enumerate(cells) if i in rows}.isdisjoint({c for i, c in enumerate(cells) if i not in rows})
        for cells in material.groups.values()
    )


def _fact(material: Material, words: str, rows: dict[int, list[str]]) -> FactDraft:
    where: dict[str, int] = defaultdict(int)
    for sources in rows.values():
        for source in dict.fromkeys(sources):
            where[source] += 1
    only_names = set(where) == {"name"}
    names = [material.labels[i] for i in sorted(rows)]
    one = len(rows) == 1
    text = f"{len(rows)} of {material.n} samples {'is' if one else 'are'}, by "
    text += f"{'its name' if one else 'their names'} alone, " if only_names else f"{_sources(where)}, "
    text += f"among the {words}" if one else words
    values = {c for n in where if n != "name" for i in rows if (c := material.variables[n][i]).casefold() not in _YES}
    if values and not only_names:
        text += f" ({listed(sorted(values), 4)})"
    numbers = {"samples": material.n, words: len(rows)}
    events, every = material.events_among(rows), material.events_among(range(material.n))
    if events and every:
        text += f"; {_have_event(*events)}, against {every[0]} of {every[1]} over all samples"
        numbers |= {"events among them": events[0], "with known event": events[1], "events": every[0]}
    if only_names:
        text += f": {listed(names, 8)}. A name only suggests it"
    flag = any(n != "name" and _KINDS[0].column and _KINDS[0].column.search(normal(n.split(": ")[-1])) for n in where)
    if flag:
        text += ". It is not stated if the sample is a metastasis or its patient had one, at diagnosis or later"
    return material.draft(
        "sample kinds",
        3 if material.event is not None or len(rows) >= 0.1 * material.n else 2,
        text + ".",
        "Decide by a stated rule if they are eligible; give the result without them, and with them as a sensitivity "
        "analysis.",
        "sheet_kinds.kind_facts",
        numbers,
        names,
    )


def _have_event(events: int, known: int) -> str:
    return f"{events} of {known} {'has' if known == 1 else 'have'} an event"


def _sources(where: dict[str, int]) -> str:
    return ", ".join(f"{'the names' if n == 'name' else f'{clipped(n)!r}'} (in {c})" for n, c in where.items())


def _all_kinds(material: Material, found: dict[str, dict[int, list[str]]]) -> Iterator[FactDraft]:
    """State all kinds that names suggest together: eligibility is one decision."""
    by_name = {words: [i for i, s in rows.items() if "name" in s] for words, rows in found.items()}
    by_name = {w: rows for w, rows in by_name.items() if rows and not _is_comparison(material, w, found[w])}
    together = sorted({i for rows in by_name.values() for i in rows})
    events = material.events_among(together)
    if len(by_name) < 2 or events is None:
        return
    counts = {words: len(rows) for words, rows in by_name.items()}
    yield material.draft(
        "sample kinds",
        3,
        f"Together {len(together)} of {material.n} samples are of another kind by their names ({counted(counts)}); "
        f"{_have_event(*events)}.",
        "Eligibility is one decision for all of them, made before results.",
        "sheet_kinds.kind_facts",
        {"samples": material.n, "of another kind": len(together), "events among them": events[0], **counts},
        [material.labels[i] for i in together],
    )
