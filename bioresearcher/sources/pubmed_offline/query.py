"""Translation of PubMed's Boolean queries to expressions of SQLite's full-text index (FTS5).

Operators are evaluated from left to right without precedence, as PubMed does; brackets group. Words are compared by
their stems. Headings include narrower ones as far as the program's selection of MeSH knows them; an unknown
one gives a warning. Words without a tag are searched as they are, not mapped to headings.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from bioresearcher.retrieval.bm25 import search_words, stemmed
from bioresearcher.sources.pubmed_offline.boolean import tokens
from bioresearcher.sources.pubmed_offline.mesh import exploded

SUBJECT: Final = ("title", "abstract", "mesh", "keywords", "substances")
COLUMNS: Final = tuple(
    "title abstract mesh major keywords substances authors journal types language year ids flags".split()
)
STEMMED: Final = frozenset(["title", "abstract", "mesh", "major", "keywords", "substances"])
EVERY: Final = "everyrecord"
SEPARATOR: Final = "0sep0"
"""Token between two values of a field, so that no phrase reaches from one into the next."""

MAX_LEAVES: Final = 100
MAX_VARIANTS: Final = 200
MAX_NESTING: Final = 20
"""Most nested brackets of an expression, those within terms included; FTS5's parser took 30."""

_MAX_LENGTH: Final = 8_000
_MAX_DEPTH: Final = 30
_ALL: Final = tuple(c for c in COLUMNS if c not in ("major", "flags"))
_TAGS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    name: (readable, columns)
    for names, readable, columns in (
        ("ti title", "Title", ("title",)),
        ("ab abstract", "Abstract", ("abstract",)),
        ("tiab title/abstract", "Title/Abstract", ("title", "abstract", "keywords")),
        ("tw text_word text_words", "Text Word", SUBJECT),
        ("mh mesh mesh_terms mesh_term sh mesh_subheading", "MeSH Terms", ("mesh",)),
        ("majr mesh_major_topic", "MeSH Major Topic", ("major",)),
        ("ot other_term kw keyword", "Other Term", ("keywords",)),
        ("nm supplementary_concept substance_name rn ec/rn_number", "Substance", ("substances",)),
        ("au author 1au author_-_first lastau author_-_last fau full_author_name", "Author", ("authors",)),
        ("ta jour journal", "Journal", ("journal",)),
        ("pt ptyp publication_type", "Publication Type", ("types",)),
        ("la lang language", "Language", ("language",)),
        ("dp pdat date date_-_publication publication_date edat crdt", "Date - Publication", ("year",)),
        ("pmid uid aid lid doi pmc pmcid article_identifier", "Identifier", ("ids",)),
        ("all all_fields", "All Fields", _ALL),
    )
    for name in names.split()
}
_LANGUAGES: Final = dict(
    zip(
        "english german french spanish chinese japanese russian italian portuguese".split(),
        "eng ger fre spa chi jpn rus ita por".split(),
        strict=True,
    )
)
_PHRASED: Final = frozenset(["mesh", "major", "types", "journal", "authors", "ids", "language"])
_YEARS: Final = re.compile(r"\s*(\d{4})(?:/\d{1,2}){0,2}\s*(?::\s*(\d{4})(?:/\d{1,2}){0,2}\s*)?")


@dataclass(frozen=True, slots=True)
class Leaf:
    """Words to search for; `tag` is empty without a field tag."""

    text: str
    quoted: bool = False
    tag: str = ""


@dataclass(frozen=True, slots=True)
class Node:
    """Two parts joined by AND, OR or NOT; `left` is None if the query begins with NOT."""

    operator: str
    left: Leaf | Node | None
    right: Leaf | Node


@dataclass(frozen=True, slots=True)
class TranslatedQuery:
    """Query translated for the index: FTS5's expression, its readable form, and warnings."""

    expression: str
    translation: str
    warnings: tuple[str, ...]
    leaves: tuple[tuple[str, str], ...]
    """(text as written, expression) of each part."""

    stems: tuple[str, ...]
    """Stems of the terms that are not excluded, for ranking."""


class Vocabulary:
    """Facts about the index that the translation needs; this one knows none and is overridden by the files."""

    def variants(self, prefix: str) -> Sequence[str]:
        """List the stems of indexed words that begin with a prefix."""
        return ()

    def years(self) -> Sequence[int]:
        """List the years of the indexed records."""
        return ()

    def matches(self, expression: str) -> bool:
        """Return True if any record matches an expression."""
        return True


def parse(query: str) -> Leaf | Node | None:
    """Parse a query; None if it has no terms. Unbalanced brackets and quotes close at the end."""
    plain = query[:_MAX_LENGTH].replace("“", '"').replace("”", '"')
    return _expression(tokens(plain)[: 6 * MAX_LEAVES], 0, 0)[0]


def _expression(found: list[tuple[str, str]], at: int, depth: int) -> tuple[Leaf | Node | None, int]:
    tree: Leaf | Node | None = None
    operator = "AND"
    while at < len(found):
        kind, value = found[at]
        if kind == ")":
            at += 1
            if depth:
                break
            continue
        if kind == "op":
            operator, at = value, at + 1
            continue
        part, at = _operand(found, at, depth)
        if part is not None:
            if tree is not None:
                tree = Node(operator, tree, part)
            else:
                tree = Node("NOT", None, part) if operator == "NOT" else part
        operator = "AND"
    return tree, at


def _operand(found: list[tuple[str, str]], at: int, depth: int) -> tuple[Leaf | Node | None, int]:
    kind, value = found[at]
    if kind == "tag":
        return None, at + 1
    if kind == "(":
        inner, at = _expression(found, at + 1, depth + 1) if depth < _MAX_DEPTH else (None, at + 1)
        if at < len(found) and found[at][0] == "tag":  # `(a OR b)[tiab]`
            inner, at = _tagged(inner, found[at][1]), at + 1
        return inner, at
    at += 1
    if kind == "word":
        run = [value]
        while at < len(found) and found[at][0] == "word" and value != ":":
            run.append(found[at][1])
            at += 1
        value = " ".join(run)
    tag = ""
    if at < len(found) and found[at][0] == "tag":
        tag, at = found[at][1], at + 1
    if tag and at + 1 < len(found) and found[at] == ("word", ":") and found[at + 1][0] in ("word", "quoted"):
        value, at = f"{value}:{found[at + 1][1]}", at + 2  # "2015"[dp] : "2020"[dp]
        at += at < len(found) and found[at][0] == "tag"
    return Leaf(value, kind == "quoted", tag), at


def _tagged(tree: Leaf | Node | None, tag: str) -> Leaf | Node | None:
    if isinstance(tree, Node):
        right = _tagged(tree.right, tag)
        return Node(tree.operator, _tagged(tree.left, tag), right) if right is not None else None
    return replace(tree, tag=tree.tag or tag) if tree is not None else None


def plain_words(text: str) -> list[str]:
    """Split a text into all its words in lower case, unstemmed: for names, types and numbers."""
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", text).casefold())


@dataclass(frozen=True, slots=True)
class _Part:
    """Part of an expression: a single term, or terms joined by one operator without brackets around them."""

    expression: str
    readable: str
    operator: str = ""
    height: int = 0
    """Depth of nested brackets: FTS5's parser has a stack of fixed size."""

    def joined(self, operator: str, right: _Part) -> _Part:
        """Join this and another part; a chain of one operator stays flat."""
        left = self if self.operator in ("", operator) else self._bracketed()
        right = right._bracketed() if right.operator and (operator == "NOT" or right.operator != operator) else right
        return _Part(
            f"{left.expression} {operator} {right.expression}",
            f"{left.readable} {operator} {right.readable}",
            operator,
            max(left.height, right.height),
        )

    def _bracketed(self) -> _Part:
        return _Part(f"({self.expression})", f"({self.readable})", "", self.height + 1)


class _Translation:
    """Translation of one query, with its warnings, terms and stems."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self.warnings: list[str] = []
        self.leaves: list[tuple[str, str]] = []
        self.stems: list[str] = []

    def warn(self, text: str) -> None:
        if text not in self.warnings:
            self.warnings.append(text)

    def of(self, tree: Leaf | Node, *, wanted: bool = True) -> _Part | None:
        """Translate a tree; None if it has no terms that can be searched."""
        if isinstance(tree, Leaf):
            if len(self.leaves) >= MAX_LEAVES:
                self.warn(f"only the first {MAX_LEAVES} terms were used")
                return None
            found = self._leaf(tree, wanted=wanted)
            return _Part(*found) if found else None
        left = self.of(tree.left, wanted=wanted) if tree.left is not None else None
        right = self.of(tree.right, wanted=wanted and tree.operator != "NOT")
        if right is None:
            return left
        if left is None:
            if tree.operator != "NOT":
                return right
            left = _Part(f'{{flags}} : "{EVERY}"', "all")
        return left.joined(tree.operator, right)

    def _leaf(self, leaf: Leaf, *, wanted: bool) -> tuple[str, str] | None:
        readable, columns = self._columns(leaf)
        if columns == ("year",):
            return self._years(leaf)
        text = leaf.text
        if columns == ("language",):
            text = _LANGUAGES.get(text.strip().lower(), text)
        parts = [text]
        if set(columns) <= {"mesh", "major"}:
            parts = text.split("/")  # heading/subheading
        elif columns == _ALL and not leaf.quoted:
            parts = text.split()  # each word may stand in another field
        found = [e for part in parts if (e := self._part(replace(leaf, text=part), columns, wanted=wanted))]
        if not found:
            self.warn(f"ignored: {leaf.text[:60]}")
            return None
        expression = found[0] if len(found) == 1 else f"({' AND '.join(found)})"
        self.leaves.append((f"{leaf.text}[{leaf.tag}]" if leaf.tag else leaf.text, expression))
        return expression, f'"{leaf.text}"[{readable}]' if leaf.quoted or leaf.tag else f"{leaf.text}[{readable}]"

    def _columns(self, leaf: Leaf) -> tuple[str, tuple[str, ...]]:
        if not leaf.tag:
            return "All Fields", _ALL
        name = leaf.tag.partition(":")[0].strip().replace(" ", "_")
        if name not in _TAGS:
            self.warn(f"field [{leaf.tag[:40]}] is not indexed; all fields were searched")
            return "All Fields", _ALL
        readable, columns = _TAGS[name]
        return readable, columns

    def _years(self, leaf: Leaf) -> tuple[str, str] | None:
        match = _YEARS.fullmatch(leaf.text)
        if match is None:
            self.warn(f"ignored: {leaf.text[:60]} is no year or range of years")
            return None
        if "/" in leaf.text:
            self.warn("dates are compared by year")
        first, last = int(match[1]), int(match[2] or match[1])
        within = [str(y) for y in self._vocabulary.years() if first <= y <= last] or ["none"]
        expression = "{year} : (" + " OR ".join(f'"{y}"' for y in within) + ")"
        self.leaves.append((f"{leaf.text}[{leaf.tag}]" if leaf.tag else leaf.text, expression))
        return expression, f"{first}:{last}[Date - Publication]"

    def _part(self, leaf: Leaf, columns: tuple[str, ...], *, wanted: bool) -> str:
        """Translate words in columns; stemmed and unstemmed columns get an expression each."""
        stem_columns = [c for c in columns if c in STEMMED]
        plain_columns = [c for c in columns if c not in STEMMED]
        asked = search_words(leaf.text)
        found = []
        if stem_columns:
            if not asked:
                return ""
            tokens = stemmed(asked)
            if wanted:
                self.stems += tokens
            choices = [[*tokens[:-1], last] for last in self._endings(leaf, asked[-1])]
            choices = choices or self._narrower(leaf, columns) or [tokens]
            found.append(self._in(stem_columns, choices, leaf, columns))
        names = plain_words(leaf.text)
        if plain_columns and names:
            # a name's last initial stands for any further ones
            opened = leaf.text.endswith("*") or (columns == ("authors",) and len(names) > 1)
            found.append(self._in(plain_columns, [names], leaf, columns, end=" *" if opened else ""))
        return found[0] if len(found) == 1 else f"({' OR '.join(found)})" if found else ""

    def _narrower(self, leaf: Leaf, columns: tuple[str, ...]) -> list[list[str]]:
        """List the stems of a heading and of those below it; empty if it is none or is searched alone (`noexp`)."""
        name, _, option = leaf.tag.partition(":")
        if not set(columns) <= {"mesh", "major"} or option == "noexp" or name in ("sh", "mesh subheading"):
            return []
        headings = exploded(leaf.text)
        if headings is None:
            self.warn(f"headings below {leaf.text[:60]} are not known here and were not added")
            return []
        return [stemmed(search_words(heading)) for heading in headings]

    def _endings(self, leaf: Leaf, word: str) -> list[str]:
        """List the stems of the indexed words that a truncated word matches; empty if it is not truncated."""
        if not leaf.text.endswith("*"):
            return []
        found = list(self._vocabulary.variants(word)) if len(word) >= 3 else []
        if len(found) > MAX_VARIANTS:
            self.warn(f"{word}* stands for more than {MAX_VARIANTS} words; the first were used")
        return found[:MAX_VARIANTS]

    def _in(
        self, columns: Sequence[str], choices: list[list[str]], leaf: Leaf, asked: tuple[str, ...], *, end: str = ""
    ) -> str:
        """Translate alternatives of a phrase in columns; unquoted words may stand apart if no record has the phrase."""
        scope = "{" + " ".join(columns) + "} : "
        phrases = scope + "(" + " OR ".join(f'"{" ".join(tokens)}"{end}' for tokens in choices) + ")"
        if leaf.quoted or len(choices[0]) == 1 or set(asked) <= _PHRASED or self._vocabulary.matches(phrases):
            return phrases
        last = " OR ".join(f'"{tokens[-1]}"{end}' for tokens in choices)
        return scope + "(" + " AND ".join([f'"{t}"' for t in choices[0][:-1]] + [f"({last})"]) + ")"


def translate(tree: Leaf | Node, vocabulary: Vocabulary) -> TranslatedQuery | None:
    """Translate a tree for FTS5; None if nothing in it can be searched or it is nested too deeply."""
    translation = _Translation(vocabulary)
    found = translation.of(tree)
    if found is None or found.height > MAX_NESTING:
        return None
    leaves = tuple(translation.leaves)
    return TranslatedQuery(
        found.expression, found.readable, tuple(translation.warnings), leaves, tuple(translation.stems)
    )
