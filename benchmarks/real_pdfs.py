"""Publishers' own PDFs, read and compared with the JATS of the same article; the JATS is the truth.

The files are not part of the project: any folder of pairs `NAME.pdf`, `NAME.xml` will do. A heading and a paragraph
count as in `made_pdfs.py`. A quote is right when all its letters, digits and signs stand in a row in the article's XML
(lists, tables, legends and headings with it; without web addresses and numbers of citations, which many XML files hold
in another way), marked when it holds the mark of what cannot be read, and else wrong, which no reader can see.
Pairs are split by the first hexadecimal digit of the SHA-256 of their name: rules were made on the even ones, the odd
ones are unseen.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from figures import Figure
from made_pdfs import Count, Made, _compare, half_of, letters, quoted, set_article
from source_letters import article_of, mark_exponents, signed, told

from bioresearcher.papers.canonical import UnreadablePaper
from bioresearcher.papers.pdf import read_pdf
from bioresearcher.text.visible import LOST

WHAT = ("headings", "methods headings", "paragraphs", "articles with their methods", "titles")
QUOTES = ("quotes as the publisher has them", "quotes with a mark", "quotes that are wrong without a mark")
_LEFT_OUT = re.compile(r"https?://\s?(?:[\w-]+\.\s?)*[\w/.?=&%-]+|\[[\d,\s–−-]*\]")


def measure(folder: Path, half: str, limit: int | None = None) -> Iterator[tuple[Figure, dict[str, object]]]:
    """Read the pairs of one half and yield the figures; each with what was wrong, by article."""
    count = Count()
    wrong: dict[str, object] = {}
    pages, seconds = 0, 0.0
    names = [p.stem for p in sorted(folder.glob("*.xml")) if half_of(p.stem) == half]
    for name in names[:limit]:
        made = set_article(folder / f"{name}.xml", "one")
        if made is None or not any(said for _, _, said in made.sections):
            continue
        data = (folder / f"{name}.pdf").read_bytes()
        started = time.process_time()
        try:
            paper, document = read_pdf(data, sha256=hashlib.sha256(data).hexdigest(), name=name)
        except UnreadablePaper as error:
            wrong[name] = str(error)
            count.add("articles read", False)
            continue
        seconds, pages = seconds + time.process_time() - started, pages + len(document.pages)
        count.add("articles read", True)
        own = Count()
        _compare(made, document, own)
        own.add("titles", _same(paper.title, made))
        if any(kind == "methods" for _, kind, _ in made.sections):
            own.add("articles with their methods", any(s.kind == "methods" for s in document.sections))
        damaged = _count_quotes(folder / f"{name}.xml", quoted(document, paper.title), own)
        for what, total in own.all.items():
            count.right[what], count.all[what] = count.right[what] + own.right[what], count.all[what] + total
        lacking = {w: f"{own.right[w]} of {t}" for w, t in own.all.items() if own.right[w] < t and w not in QUOTES}
        if lacking or damaged:
            wrong[name] = lacking | {"quotes": damaged}
    for what in ("articles read", *WHAT):
        right, total = count.right[what], count.all[what]
        share = 100 * right / total if total else 0.0
        yield Figure(f"real PDFs, {half}: {what} right", f"{right} of {total} ({share:.1f} %)"), wrong
    for what in QUOTES:
        told_right, total = count.right[what], count.all[what]
        share = 100 * told_right / total if total else 0.0
        least = "0" if what == QUOTES[-1] else ""
        yield Figure(f"real PDFs, {half}: {what}", f"{told_right} of {total} ({share:.1f} %)", least), wrong
    yield Figure(f"real PDFs, {half}: pages a second of CPU", f"{pages / max(seconds, 0.001):.1f}", "≥ 8"), wrong


def _count_quotes(path: Path, quotes: Iterator[str], count: Count) -> list[str]:
    """Count the quotes of an article by what became of them; those that are not right, the marked ones too."""
    article = article_of(path)
    whole = signed("".join(told(mark_exponents(article))))
    for cited in article.iter("xref"):
        if cited.get("ref-type") == "bibr":
            cited.text = ""
            for part in list(cited):
                cited.remove(part)
    bare = signed(_LEFT_OUT.sub("", "".join(told(article))))
    found = []
    for quote in quotes:
        right = signed(quote) in whole or signed(_LEFT_OUT.sub("", quote)) in bare
        marked = LOST in quote
        for what, is_so in zip(QUOTES, (right, marked and not right, not right and not marked), strict=True):
            count.add(what, is_so)
        if not right:
            found.append(quote)
    return found


def _same(title: str, made: Made) -> bool:
    return letters(title) == letters(made.title)


def main() -> None:
    """Print the figures of one half of a folder, and write what was wrong beside it if asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--half", choices=("seen", "unseen"), default="seen")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--wrong", type=Path, help="JSON file for what was wrong, by article")
    asked = parser.parse_args()
    wrong: dict[str, object] = {}
    for figure, found in measure(asked.folder, asked.half, asked.limit):
        wrong = found
        sys.stdout.write(f"{figure.name}: {figure.value}\n")
    if asked.wrong:
        asked.wrong.write_text(json.dumps(wrong, indent=1, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()
