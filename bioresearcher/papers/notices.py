"""Notices of retraction, concern and correction: known by their titles, and bound to the papers they are about.

Also tells when one identifier stands on two different articles, so that neither text nor status of another article is
taken for a paper's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from bioresearcher.papers.identifiers import Identifiers
from bioresearcher.schemas.paper import Notice, NoticeKind, NoticeTarget, Paper, Status

_BY: Final = r"(?:(?:author|publisher|editorial)(?:['’]s)? )?"
_BREAK: Final = r"\s*[:.–—]\s*(.+)"
_TITLES: Final[dict[NoticeKind, re.Pattern[str]]] = {
    "retraction": re.compile(
        rf"{_BY}(?:(?:notice|statement) of retraction|(?:partial )?retraction(?: (?:notice|note|statement))?"
        rf"|withdrawal notice)(?:(?: (?:to|of|for))?{_BREAK}|)",
        re.IGNORECASE | re.DOTALL,
    ),
    "concern": re.compile(
        rf"{_BY}expressions? of concern(?:(?: (?:to|of|for|about|regarding))?{_BREAK}|)", re.IGNORECASE | re.DOTALL
    ),
    "correction": re.compile(
        rf"{_BY}(?:corrections?(?:(?: (?:to|for|in))?{_BREAK}|)"
        rf"|(?:corrigend(?:um|a)|errat(?:um|a))(?:{_BREAK}|\s+(?:to|for|in)\b\s*[:.–—]?\s*(.+)|))",
        re.IGNORECASE | re.DOTALL,
    ),
}
STATUS_BY: Final[dict[NoticeKind, Status]] = {
    "retraction": "retracted",
    "concern": "concern",
    "correction": "corrected",
}
NOTICE_WORDS: Final[dict[NoticeKind, str]] = {
    "retraction": "a retraction notice",
    "correction": "a correction notice",
    "concern": "an expression of concern",
}
_WORST: Final = ("retracted", "concern", "corrected", "ok", "unknown")
_LEAST_WORDS: Final = 5
"""Fewest words of a title by which a notice is bound to a paper."""


def notice_title(title: str) -> tuple[NoticeKind | None, str]:
    """The kind of notice that a title announces and the title of its paper; (None, "") for any other title."""
    plain = title.strip(' []"“”.')
    for kind, pattern in _TITLES.items():
        match = pattern.fullmatch(plain)
        if match:
            return kind, next((g for g in match.groups() if g), "").strip(" \"“”'‘’.")
    return None, ""


def bind_notices(papers: Iterable[Paper]) -> list[Paper]:
    """Give each paper the status and the notices that other papers of the same set state about it.

    A notice is bound by PMID, PMC id or DOI, or by the title it repeats where no identifier speaks against it. The
    worse of two states counts. Papers keep their order.
    """
    found = list(papers)
    about: dict[str, list[Notice]] = {}
    by_title: dict[str, list[Notice]] = {}
    for paper in found:
        for target in paper.notice_of:
            notice = Notice(
                what=target.what, pmid=paper.pmid, doi=paper.doi, date=_date(paper), source=f"notice {paper.id}"
            )
            keys = Identifiers(pmid=target.pmid, pmcid=target.pmcid, doi=target.doi).keys()
            for key in keys:
                about.setdefault(key, []).append(notice)
            title = _words(notice_title(paper.title)[1])
            if not keys and len(title.split()) >= _LEAST_WORDS:
                by_title.setdefault(title, []).append(notice)
    if not about and not by_title:
        return found
    return [paper if paper.notice_of else _bound(paper, about, by_title) for paper in found]


def _bound(paper: Paper, about: dict[str, list[Notice]], by_title: dict[str, list[Notice]]) -> Paper:
    keys = Identifiers(pmid=paper.pmid, pmcid=paper.pmcid, doi=paper.doi).keys()
    notices = [n for key in keys for n in about.get(key, ())] + by_title.get(_words(paper.title), [])
    if not notices:
        return paper
    status = min((paper.status, *(STATUS_BY[n.what] for n in notices)), key=_WORST.index)
    return paper.model_copy(update={"status": status, "notices": tuple(dict.fromkeys((*paper.notices, *notices)))})


def targets_of(kind: NoticeKind, targets: Sequence[Identifiers]) -> tuple[NoticeTarget, ...]:
    """The targets of a notice of one kind; one without identifiers if none is named."""
    named = (NoticeTarget(what=kind, pmid=t.pmid, pmcid=t.pmcid, doi=t.doi) for t in targets if t.keys())
    return tuple(dict.fromkeys(named)) or (NoticeTarget(what=kind),)


def _date(paper: Paper) -> str | None:
    return str(paper.year) if paper.year else None


def _words(title: str) -> str:
    return " ".join(re.findall(r"[^\W_]+", title.casefold()))


def as_recorded(paper: Paper, record: Paper) -> Paper:
    """A paper with title, authors, status and notices as a service's record under its identifier states them."""
    stated = {name: getattr(record, name) for name in ("title", "authors", "status", "notices")}
    return paper.model_copy(update=stated)


def another_article(one: Paper, other: Paper) -> bool:
    """Return True if two records under one identifier are of different articles.

    That is so when both have titles and first authors, fewer than half of the words of the shorter title stand in the
    other, and the first authors have different surnames. One of the two alone is not enough: titles are translated and
    changed, and authors are left out of exports.
    """
    if not (one.title and other.title and one.authors and other.authors):
        return False
    titles = [set(_words(p.title).split()) for p in (one, other)]
    shorter = min(map(len, titles))
    if shorter < 3 or len(titles[0] & titles[1]) * 2 >= shorter:
        return False
    first = [_surname(p.authors[0]) for p in (one, other)]
    return bool(first[0] and first[1] and not first[0] & first[1])


def _surname(name: str) -> set[str]:
    """The words of a surname in `Ann Alpha`, `Alpha A`, `Alpha, Ann` and `Alpha, A., Jr.`; of a group all words."""
    if "," in name:
        return set(_words(name.partition(",")[0]).split())
    words = [w for w in name.split() if w.rstrip(".").lower() not in ("jr", "sr", "ii", "iii")]
    if len(words) > 1 and re.fullmatch(r"[^\W\d_a-zß-ÿ.-]{1,3}", words[-1]):  # initials behind the surname
        return set(_words(" ".join(words[:-1])).split())
    return set(_words(words[-1]).split()) if len(words) <= 4 and words else set(_words(name).split())
