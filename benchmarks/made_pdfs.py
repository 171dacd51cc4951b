"""PDFs typeset from the JATS of the test data, and how they are read; the JATS is the truth.

Each article is set with typst in one of four layouts in turn: one column; two columns; a manuscript with numbered lines
and numbered headings; a wide margin with notes. A section is right when its heading is a section of the kind of its
top section in the JATS (by that section's title), a paragraph when its first letters stand in a section of that kind.
Superscripts are smaller, raised letters in the layout of two columns, and glyphs of the font's own, of full size, in
the others where the font has them, which only their outlines tell. Text in formulas, lists and pictures is not
compared: it is set in another way or not at all. Articles are split by the first hexadecimal digit of the SHA-256 of
their file's name: rules were made on the even ones, the odd ones are unseen.
"""

from __future__ import annotations

import hashlib
import re
import sys
import tempfile
import time
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from figures import ROOT, Figure, counted
from lxml import etree

from bioresearcher.offline.read import OfflineReader
from bioresearcher.papers.pdf import read_pdf
from bioresearcher.schemas.ask_literature import OutlinePaperInput, OutlineSection, ReportPartInput
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.paper import Document
from bioresearcher.stages.passages import Relevance, find_quote, readable

sys.path.insert(0, str(ROOT / "tests" / "support"))
from source_letters import exponent, signed

OBJECTIVE = Objective(id="o", text="How was it measured?")
_SPECIAL = re.compile(r"([\\#$*_`<>@\[\]~/=+\-\"'^{}&%])")
_SET_APART = frozenset(
    "fig table-wrap disp-formula inline-formula list boxed-text fn graphic inline-graphic supplementary-material "
    "fig-group media".split()
)
_KINDS = (
    ("methods", r"\b(methods?|materials|procedures|experimental (section|design))\b"),
    ("results", r"^results"),
    ("discussion", r"^(discussion|conclusions?|limitations)"),
    ("introduction", r"^(introduction|background)"),
)
_RUN = "Made Journal 12, 2014"
_LAYOUTS = {
    "one": f'#set page(paper:"a4",margin:2.5cm,header:[#text(8pt)[{_RUN}]],numbering:"1")\n'
    '#set text(font:"Libertinus Serif",size:10.5pt)',
    "two": "#set super(typographic:false)\n"
    f'#set page(paper:"a4",columns:2,margin:1.8cm,header:[#text(7.5pt)[{_RUN}]],numbering:"1")\n'
    '#set text(font:"Libertinus Serif",size:9.5pt)',
    "numbered": '#set page(paper:"a4",margin:3cm,numbering:"1")\n#set text(font:"New Computer Modern",size:11pt)\n'
    '#set par(leading:1em)\n#set par.line(numbering: n => text(6pt)[#n])\n#set heading(numbering:"1.1.")',
    "side": f'#set page(paper:"a4",margin:(left:5.5cm,right:1.8cm,y:2cm),footer:[#text(7pt)[{_RUN}] #h(1fr) #context '
    'counter(page).display()])\n#set text(font:"New Computer Modern",size:10pt)',
}
_HEADINGS = "\n".join(
    f'#show heading.where(level:{level}): it => block(above:1em,below:0.6em,text({size}pt,weight:"bold",it))'
    for level, size in ((1, 12.5), (2, 10.5), (3, 10))
)


@dataclass
class Made:
    """The typst source of an article and its truth: (heading, kind, paragraphs), and all of its letters."""

    layout: str
    lines: list[str] = field(default_factory=list)
    title: str = ""
    authors: list[str] = field(default_factory=list)
    sections: list[tuple[str, str, list[str]]] = field(default_factory=list)


def letters(text: str) -> str:
    """Letters and digits of a text alone, in small letters, after NFKC."""
    return re.sub(r"[\W_]+", "", unicodedata.normalize("NFKC", text)).casefold()


def half_of(name: str) -> str:
    """The half of the corpus that an article belongs to."""
    return "unseen" if int(hashlib.sha256(name.encode()).hexdigest()[0], 16) % 2 else "seen"


def _escaped(text: str) -> str:
    return re.sub(r"^(\s*\d+)\.", r"\1\\.", _SPECIAL.sub(r"\\\1", re.sub(r"\s+", " ", text)))


def _tag(element: Any) -> str:
    return etree.QName(element).localname if isinstance(element.tag, str) else ""


def _typst(element: Any) -> str:
    wrap = {"sup": "#super[{}];", "sub": "#sub[{}];", "italic": "#emph[{}];", "bold": "#strong[{}];"}
    said = [_escaped(element.text or "")]
    for child in element:
        inner = " " if _tag(child) in _SET_APART else _typst(child) if _tag(child) else ""
        said += [wrap.get(_tag(child), "{}").format(inner), _escaped(child.tail or "")]
    return "".join(said)


def _plain(element: Any) -> str:
    said = [element.text or ""]
    for child in element:
        said += ["^"] if _tag(child) == "sup" and exponent("".join(child.itertext())) else []
        said += [" " if _tag(child) in _SET_APART else _plain(child) if _tag(child) else "", child.tail or ""]
    return re.sub(r"\s+", " ", "".join(said)).strip()


def _kind(title: str) -> str:
    return next((kind for kind, pattern in _KINDS if re.search(pattern, title.lower())), "other")


def set_article(path: Path, layout: str) -> Made | None:
    """The typst source of an article; None when it has no body."""
    root = etree.parse(str(path)).getroot()
    meta, body = root.find(".//article-meta"), root.find("body")
    if body is None or meta is None:
        return None
    made = Made(layout, [_LAYOUTS[layout], "#set par(justify:true,first-line-indent:1em,spacing:0.65em)", _HEADINGS])
    title = meta.find(".//article-title")
    made.title = _plain(title)
    names = [c.find("name") for c in meta.iter("contrib") if c.get("contrib-type") == "author"]
    made.authors = [
        f"{n.findtext('given-names') or ''} {n.findtext('surname') or ''}".strip() for n in names if n is not None
    ]
    made.authors = made.authors[:25]
    places = " ".join(re.sub(r"^\d+\s*", "", _plain(a)) for a in meta.findall(".//aff")[:3])
    byline = ", ".join(f"{_escaped(a)}#super[{i % 3 + 1}];" for i, a in enumerate(made.authors))
    head = (
        f'#text(17pt,weight:"bold")[{_typst(title)}]\n\n#text(10pt)[{byline}]\n\n#text(8pt)[1 {_escaped(places)}]\n\n'
    )
    made.lines.append(f'#place(top,scope:"parent",float:true)[{head}]\n' if layout == "two" else head)
    abstract = meta.find("abstract")
    if abstract is not None:
        made.lines.append("#heading(numbering:none)[Abstract]\n")
        made.lines += [_typst(p) + "\n\n" for p in abstract.iter("p")]
        made.sections.append(("", "abstract", [_plain(p) for p in abstract.iter("p")]))
    if layout == "side":
        note = "Received 3 May 2013; accepted 12 June 2014. Editor: A. Nyone, University of Somewhere."
        made.lines.append(f"#place(left,dx:-4.6cm,block(width:4cm,text(7pt)[{note}]))\n")
    for block in body:
        if block.tag == "p":
            _paragraph(block, made, [])
        elif block.tag == "sec":
            _section(block, made, 1, "")
    _references(root, made)
    return made


def _section(section: Any, made: Made, level: int, kind: str) -> None:
    title = section.find("title")
    name = _plain(title) if title is not None else ""
    kind = kind or _kind(name)
    if name:
        made.lines.append(f"#heading(level:{min(level, 3)})[{_typst(title)}]\n")
    said: list[str] = []
    made.sections.append((name, kind, said))
    for block in section:
        if block.tag == "p":
            _paragraph(block, made, said)
        elif block.tag == "sec":
            _section(block, made, level + 1, kind)


def _paragraph(block: Any, made: Made, said: list[str]) -> None:
    made.lines.append(_typst(block) + "\n\n")
    said.append(_plain(block))
    for shown in block.iter("fig", "table-wrap"):
        label, caption = shown.findtext("label") or "", shown.find("caption")
        words = " ".join(_typst(x) for x in (caption.iter("title", "p") if caption is not None else ()))
        if label:
            drawn = "#rect(width:100%,height:2cm)" if shown.tag == "fig" else ""
            legend = f"{drawn}#text(7.5pt)[#strong[{_escaped(label)}.]; {words}]"
            made.lines.append(f"#place(auto,float:true,block(width:100%)[{legend}])\n\n")


def _references(root: Any, made: Made) -> None:
    entries = [_plain(r) for r in root.iter("ref")]
    if entries:
        made.lines.append(
            "#heading(numbering:none)[References]\n#set text(size:7.5pt)\n#set par(first-line-indent:0em)\n"
        )
        cut = (re.sub(r"^\d+\.?\s*", "", e) for e in entries)
        made.lines += [f"{n}\\. {_escaped(e)}\n\n" for n, e in enumerate(cut, 1)]


@dataclass
class Count:
    """Right and all of one half."""

    right: Counter[str] = field(default_factory=Counter)
    all: Counter[str] = field(default_factory=Counter)

    def add(self, what: str, right: bool) -> bool:
        """Count one."""
        self.right[what] += right
        self.all[what] += 1
        return right


def measure(plos: Path, limit: int | None = None) -> list[Figure]:
    """Set the articles, read them, and compare; typst must be installed (it is no dependency of the project)."""
    try:
        import typst
    except ImportError:
        return [Figure("sections of made PDFs", "not measured: install typst beside the project")]
    halves = {"seen": Count(), "unseen": Count()}
    pages, seconds = 0, 0.0
    with tempfile.TemporaryDirectory() as scratch:
        for number, path in enumerate(sorted(plos.glob("*.xml"))[:limit]):
            made = set_article(path, list(_LAYOUTS)[number % len(_LAYOUTS)])
            if made is None:
                continue
            source = Path(scratch) / "paper.typ"
            source.write_text("\n".join(made.lines), encoding="utf-8")
            data = typst.compile(str(source))
            started = time.process_time()
            paper, document = read_pdf(data, sha256="0" * 64, name=path.stem)
            seconds += time.process_time() - started
            pages += len(document.pages)
            count = halves[half_of(path.stem)]
            count.add("titles", letters(paper.title) == letters(made.title))
            count.add("authors", [*map(letters, paper.authors)] == [*map(letters, made.authors)])
            whole = _compare(made, document, count)
            count.add("PDFs", whole)
            source = signed(" ".join(p for _, _, said in made.sections for p in said))
            for quote in quoted(document, paper.title):
                count.add("quotes as the publisher has them", signed(quote) in source)
    return [
        *_figures(halves),
        Figure("made PDFs, pages a second of CPU", f"{pages / seconds:.1f}", "≥ 8", pages / seconds >= 8),
    ]


def _figures(halves: dict[str, Count]) -> Iterator[Figure]:
    targets = {"methods headings": 90.0, "quotes as the publisher has them": 100.0}
    for half, count in halves.items():
        for what in ("PDFs", "headings", "methods headings", "paragraphs", "titles", "authors"):
            right, total = count.right[what], count.all[what]
            share = 100 * right / total if total else 0.0
            least = targets.get(what)
            target = f"≥ {least:g} %" if least else "–"
            yield Figure(
                f"made PDFs, {half}: {what} right",
                f"{right} of {total} ({share:.1f} %)",
                target,
                least is None or share >= least,
            )
        what = "quotes as the publisher has them"
        yield counted(f"made PDFs, {half}: {what}", count.right[what], count.all[what])


def _compare(made: Made, document: Document, count: Count) -> bool:
    """Compare sections and paragraphs; True when every heading and 95 % of the paragraphs are right."""
    found, places = [], []
    for place, character in enumerate(document.text):
        for letter in letters(character):
            found.append(letter)
            places.append(place)
    text = "".join(found)
    whole, right, total = True, 0, 0
    for name, kind, said in made.sections:
        if name:
            named = [s for s in document.sections if _heading(s.title) == _heading(name)]
            fits = bool(named) and (
                kind == "other" or any(s.kind in (kind, "data_availability", "supplementary") for s in named)
            )
            whole = count.add("headings", fits) and whole
            if kind == "methods":
                count.add("methods headings", any(s.kind in ("methods", "data_availability") for s in named))
        for paragraph in (letters(p) for p in said):
            at = text.find(paragraph[:40])
            if len(paragraph) < 80:
                continue
            section = next((s for s in document.sections if at >= 0 and s.start <= places[at] < s.end), None)
            aside = section is None or section.kind in ("references", "legend", "table", "title")
            fits = not aside and section is not None and kind in ("other", section.kind)
            right, total = right + count.add("paragraphs", fits), total + 1
    return whole and right >= 0.95 * total


def _heading(text: str) -> str:
    return letters(text).lstrip("0123456789")


def quoted(document: Document, title: str) -> Iterator[str]:
    """The quotes that rules take from method sections, as they are located in the document."""
    reader = OfflineReader(lambda left, right: np.zeros((len(left), len(right))))
    sections = tuple(
        OutlineSection(number=n, title=s.title, kind=s.kind, opening=document.text[s.start : s.end][:300])
        for n, s in enumerate(document.sections)
        if s.kind not in ("references", "title", "abstract")
    )
    outline = reader.outline_paper(OutlinePaperInput(objective=OBJECTIVE, title=title, abstract="", sections=sections))
    shown = Relevance(document, readable(document, ())[0])
    for part in outline.parts:
        passages = shown.passages_for(part, parts=len(outline.parts))
        draft = reader.report_part(
            ReportPartInput(objective=OBJECTIVE, paper_title=title, part=part, passages=passages)
        )
        for quote in (q for s in draft.steps for q in s.quotes):
            evidence = find_quote(document, quote, ())
            if evidence is not None and evidence.section:
                yield evidence.text
