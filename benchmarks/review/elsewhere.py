"""Checks on text from elsewhere: real protocols and methods as they are, and with one annotated value corrupted.

Material: the WLP corpus (311 protocols of protocols.io with annotated amounts, times, temperatures, speeds) and the
methods sections of PLOS articles, both in the test data, never in the project. Protocols are split in halves by the
first byte of the SHA-256 of their names: checks were built on the even half, the odd one was not looked at.

A finding in a document as it is counts as wrong, unless `mistakes.toml` names it as a mistake of its authors. A
finding in a corrupted copy counts as right when the line as it was does not have it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from lxml import etree

from bioresearcher.errors import InputError
from bioresearcher.review.checks import run_checks
from bioresearcher.review.metrics import review_without_model
from bioresearcher.review.reading.protocol import read_protocol
from bioresearcher.review.reading.text import protocol_from_text
from bioresearcher.schemas.protocol import Protocol, ProtocolPart, ProtocolStep

KINDS: Final = ("tenfold", "unit", "removal", "swap")
VALUES: Final = ("Amount", "Concentration", "Time", "Temperature", "Speed", "pH")
MISTAKES: Final = Path(__file__).with_name("mistakes.toml")
_UNITS: Final = (
    (r"[µμu][lL]\b", "ml"),
    (r"m[lL]\b", "L"),
    (r"\bmg\b", "g"),
    (r"mg", "g"),
    (r"[µμu]g", "mg"),
    (r"mM", "M"),
    (r"[µμu]M", "mM"),
    (r"nM", "µM"),
    (r"\bmin(?:utes?)?\b", "hours"),
    (r"\bsec(?:onds?)?\b", "hours"),
    (r"rpm", "x g"),
    (r"[x×] ?g\b", "rpm"),
)


@dataclass
class Tally:
    """Findings of every check, and corruptions found, in one collection."""

    clean: int = 0
    with_error: set[str] = field(default_factory=set)
    wrong: Counter[str] = field(default_factory=Counter)
    right: Counter[str] = field(default_factory=Counter)
    made: Counter[tuple[str, str]] = field(default_factory=Counter)
    found: Counter[tuple[str, str]] = field(default_factory=Counter)

    @property
    def corrupted(self) -> int:
        """Number of corrupted copies."""
        return sum(self.made.values())


def seen(name: str) -> bool:
    """Whether a document belongs to the half that checks were built on."""
    return hashlib.sha256(name.encode()).digest()[0] % 2 == 0


def protocols(data: Path, *, built_on: bool) -> list[tuple[str, str]]:
    """Names and texts of a half of the protocols."""
    rows = map(json.loads, (data / "protocols/wlp/protocols.jsonl").read_text(encoding="utf-8").splitlines())
    return [(r["id"], r["text"]) for r in rows if seen(r["id"]) == built_on]


def methods(data: Path) -> list[tuple[str, str]]:
    """Names and methods sections of the articles that have one, a paragraph a line."""
    found = []
    for path in sorted((data / "fulltext/plos").rglob("*.xml")):
        sections = etree.parse(path).xpath("//sec[contains(@sec-type, 'methods') or title[contains(., 'ethods')]]")
        lines = [" ".join("".join(p.itertext()).split()) for s in sections[:1] for p in s.iter("p")]
        if lines:
            found.append((path.stem, "# Methods\n\n" + "\n\n".join(lines)))
    return found


def articles(data: Path) -> Iterator[tuple[str, Protocol]]:
    """Names and sections of whole articles, as the product reads them."""
    for path in sorted((data / "fulltext").rglob("*.*ml")):
        try:
            yield path.stem, read_protocol(path).protocol
        except InputError:
            continue


def tally_clean(documents: Iterable[tuple[str, str]], tally: Tally) -> None:
    """Count the findings in documents as they are."""
    tally_protocols(_read(documents), tally)


def _read(documents: Iterable[tuple[str, str]]) -> Iterator[tuple[str, Protocol]]:
    for name, text in documents:
        try:
            yield name, protocol_from_text(text, name)[0]
        except InputError:
            continue


def tally_protocols(documents: Iterable[tuple[str, Protocol]], tally: Tally) -> None:
    """Count the findings in documents that were read, as they are."""
    known = {(m["document"], m["check"]): m["words"] for m in tomllib.loads(MISTAKES.read_text("utf-8"))["mistake"]}
    for name, protocol in documents:
        tally.clean += 1
        for f in run_checks(protocol):
            right = known.get((name, f.gate), "\0") in f.message
            (tally.right if right else tally.wrong)[f.gate] += 1
            if not right:
                tally.with_error.add(f"{name} {f.gate} {f.location} {f.message}")


def tally_corrupted(data: Path, documents: list[tuple[str, str]], tally: Tally) -> None:
    """Corrupt each annotated value of the documents in each way that it can be, and count what is found."""
    with gzip.open(data / "protocols/wlp/annotations.jsonl.gz", "rt", encoding="utf-8") as lines:
        annotations = {row["id"]: row["brat"] for row in map(json.loads, lines)}
    for name, text in documents:
        for kind, value, before, after in corruptions(text, annotations[name]):
            old = Counter(f.gate for f in run_checks(_line(before)))
            new = Counter(f.gate for f in run_checks(_line(after))) - old
            tally.made[kind, value] += 1
            tally.found[kind, value] += any(g.startswith(("G-QTY", "G-CNT", "G-VAL")) for g in new)
            tally.right.update(set(new))


def corruptions(text: str, brat: str) -> Iterator[tuple[str, str, str, str]]:
    """Yield each corruption: its kind, the kind of value, the line as it was, and the line with it."""
    spans = sorted(_spans(text, brat))
    for n, (start, end, value) in enumerate(spans):
        old = text[start:end]
        first, last = text.rfind("\n", 0, start) + 1, text.find("\n", end)
        last = len(text) if last < 0 else last
        for kind in KINDS:
            other = next((s for s in spans[n + 1 :] if end <= s[0] and s[1] <= last and s[2] != value), None)
            if kind == "swap" and other and re.search(r"\d", old):
                new = text[first:start] + text[other[0] : other[1]] + text[end : other[0]] + old + text[other[1] : last]
            elif kind != "swap" and (changed := _changed(kind, old)) is not None:
                new = text[first:start] + changed + text[end:last]
            else:
                continue
            yield kind, value, text[first:last], new


def _spans(text: str, brat: str) -> Iterator[tuple[int, int, str]]:
    for line in brat.split("\n"):
        if line.startswith("T"):
            _, place, words = line.split("\t", 2)
            value, start, *rest = place.replace(";", " ").split()
            if value in VALUES and text[int(start) : int(rest[-1])] == words:
                yield int(start), int(rest[-1]), value


def _changed(kind: str, old: str) -> str | None:
    if kind == "removal":
        return ""
    if not re.search(r"\d", old):
        return None
    if kind == "unit":
        return next((re.sub(p, u, old, count=1) for p, u in _UNITS if re.search(p, old)), None)
    m = re.search(r"\d[\d,]*(?:\.\d+)?", old)
    if m is None:
        return None
    number = float(m.group().replace(",", "")) * 10
    written = f"{number:,.0f}" if "," in m.group() else f"{number:.0f}" if number.is_integer() else f"{number:g}"
    return old[: m.start()] + written + old[m.end() :]


def _line(text: str) -> Protocol:
    step = ProtocolStep(id="1", title=" ".join(text.split()[:9])[:100] or "-", action=text, kind="wet", origin="source")
    part = ProtocolPart(id="1", title="Protocol", purpose="", steps=(step,))
    return Protocol(id="line", title="Line", objective_id="", parts=(part,), origin="source")


def shares(documents: list[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield lines of the documents with counts and their share, as they are and with the share's digits exchanged."""
    pattern = re.compile(
        r"\d+ of (?:the )?\d+[^.\n]{0,40}?[(\[] ?(?P<share>\d{2}(?:\.\d+)?) ?%|\d+/\d+ ?[(\[;,]"
        r" ?(?P<other>\d{2}(?:\.\d+)?) ?%"
    )
    for _, text in documents:
        for line in text.split("\n"):
            for m in pattern.finditer(line):
                start, end = m.span("share") if m.group("share") else m.span("other")
                turned = line[start:end][1] + line[start:end][0] + line[start:end][2:]
                if turned != line[start:end]:
                    yield line, line[:start] + turned + line[end:]


def in_folder(folder: Path, *, built_on: bool) -> tuple[int, dict[str, list[str]]]:
    """Number of readable documents in a half of a folder of own material, and the errors of those that have one."""
    read, errors = 0, {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if seen(name) != built_on:
            continue
        try:
            protocol = read_protocol(path).protocol
        except InputError:
            continue
        read += 1
        found = [f for f in review_without_model(protocol).findings if f.severity == "error"]
        if found:
            errors[name] = [f"{f.gate} {f.location} {f.message}" for f in found]
    return read, errors


def tally(data: Path, *, built_on: bool, with_methods: bool) -> Tally:
    """Count everything on one half of the protocols, and on the methods sections too."""
    done = Tally()
    documents = protocols(data, built_on=built_on)
    tally_clean(documents, done)
    tally_corrupted(data, documents, done)
    if with_methods:
        tally_clean(methods(data), done)
        tally_protocols(articles(data), done)
        for before, after in shares(_whole(data)):
            old = Counter(f.gate for f in run_checks(_line(before)))
            new = Counter(f.gate for f in run_checks(_line(after))) - old
            done.made["digits", "Share"] += 1
            done.found["digits", "Share"] += "G-CNT-02" in new
            done.right.update(g for g in new if g == "G-CNT-02")
    return done


def _whole(data: Path) -> list[tuple[str, str]]:
    """Names and whole texts of the articles, a paragraph a line."""
    trees = ((path.stem, etree.parse(path)) for path in sorted((data / "fulltext/plos").rglob("*.xml")))
    return [(name, "\n".join(" ".join("".join(p.itertext()).split()) for p in tree.iter("p"))) for name, tree in trees]


def record(done: Tally, checks: list[str]) -> str:
    """The text of `record.toml`: what was counted for each check."""
    lines = ["# Written by `python benchmarks/bench_review.py --record`; read by `review/record.py`."]
    for name in checks:
        lines += [
            f"\n[{name}]",
            f"right = {done.right[name]}",
            f"wrong = {done.wrong[name]}",
            f"clean = {done.clean}",
            f"corrupted = {done.corrupted}",
            'on = "protocols of protocols.io, half not used to build, and articles"',
        ]
    return "\n".join(lines) + "\n"
