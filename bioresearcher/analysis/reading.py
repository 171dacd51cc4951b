"""Reading of what a text asks for, bound to one data set; what is bound to nothing is kept as such."""

from __future__ import annotations

import re
from typing import Final

from bioresearcher.analysis.contrasts import sides_named
from bioresearcher.analysis.mentions import Lexicon
from bioresearcher.analysis.model_terms import read_terms
from bioresearcher.analysis.populations import denial, read_levels, read_numbers
from bioresearcher.analysis.terms import (
    asks_pairs,
    endpoints_named,
    loose_endpoints,
    methods_named,
    word,
)
from bioresearcher.analysis.unbound import missing_genes, missing_sets, read_restrictions
from bioresearcher.analysis.wishes import (
    Wishes,
    close_to,
    ends,
)
from bioresearcher.analysis.words import Text

_NOT_DONE: Final = (
    ("horizon", "no analysis ends the follow-up at a time; all of it is used"),
    ("separately", "one analysis is made of all groups; ask for each with “in … only”"),
)
"""Groups of words that ask for what no analysis does, with what is done instead."""


_MEASURED: Final = re.compile(r"(?i)^[\s-]+(?:gene |m?rna )?(?:expression|mrna|transcripts?|levels?)\b")
"""Words behind a name that is a gene's, even where a column is called after the gene."""
_VERB: Final = re.compile(
    r"(?i)(?:differs?|varies|vary|changes?|responds?|compares?|relates?)\s+"
    r"(?:significantly\s+|much\s+)?(?:between|by|among|across|from|with|in|over|to|according)\b"
)
"""A verb of the question, even where a column is called so."""
_ALTERED: Final = re.compile(
    r"(?i)^[\s-]*(mutat\w+|mutants?|amplif\w+|delet\w+|methylat\w+|loss|fusion\w*|status|copy)\b"
)


def read_wishes(text: Text, lexicon: Lexicon) -> Wishes:
    """Read what a text asks for, bound to a data set's columns, levels, genes and gene sets."""
    wishes = Wishes(text)
    wishes.methods = methods_named(text)
    wishes.endpoints = endpoints_named(text)
    wishes.loose = loose_endpoints(text)
    for named in (*(n for _, n in wishes.methods), *wishes.endpoints):
        wishes.use(named.first, named.end)
    read_terms(wishes, lexicon)
    levels = [m for m in lexicon.level_mentions(text) if not {*range(m.first, m.end)} <= wishes.used]
    read_levels(wishes, lexicon, levels)
    read_numbers(wishes, lexicon)
    read_restrictions(wishes, lexicon)
    _read_columns(wishes, lexicon)
    _read_features(wishes, lexicon)
    wishes.paired = asks_pairs(text.raw)
    for name, why in _NOT_DONE:
        for match in word(name).finditer(text.raw):
            wishes.miss(match[0], why, text.tokens_in(match.start(), match.end()).start)
            wishes.use(*ends(text.tokens_in(match.start(), match.end())))
    for match in word("paired").finditer(text.raw):
        wishes.use(*ends(text.tokens_in(match.start(), match.end())))
    return wishes


def _read_columns(wishes: Wishes, lexicon: Lexicon) -> None:
    """Read columns that are named beside levels and terms: what is compared by, and what is measured."""
    text = wishes.text
    sides = sides_named(text.raw)
    genes = {m.first for m in lexicon.gene_mentions(text) if _MEASURED.match(text.raw[text.tokens[m.end - 1].end :])}
    for mention in lexicon.column_mentions(text):
        if {*range(mention.first, mention.end)} & (wishes.used | genes):
            continue
        column = lexicon.columns[mention.name]
        left = text.raw[: text.tokens[mention.first].start]
        called = text.words(mention.first, mention.end)
        if _VERB.match(text.raw, text.tokens[mention.first].start):
            continue
        exact = called.casefold() in {column.name.casefold(), column.name.casefold().replace("_", " ")}
        if not exact and any(start <= len(left) < end for _, start, end in sides):
            continue  # it shares a word with what is compared by name, such as "renal", and is not what is compared
        told = column.role in ("id", "unit", "pair", "annotation")
        if not told and (said := denial(text, mention.first, mention.end)):
            why = f"no level of {mention.name} is named that this means"
            wishes.miss(f"{said} {called}", why, mention.first, "name the level", stops=True)
            continue
        if word("by").search(left) and column.role not in ("id", "time", "event"):
            wishes.by.append(mention)
        elif column.role not in ("id", "unit", "pair", "annotation", "time", "event") or exact:
            wishes.columns.append(mention)
    for name in re.findall(r"[`“\"‘']([\w.]+)[`”\"’']|\b([a-z][a-z0-9]*_[a-z0-9_]+)\b", text.raw):
        asked = name[0] or name[1]
        if asked.casefold() not in {c.casefold() for c in lexicon.columns} and asked not in lexicon.genes:
            at = text.raw.find(asked)
            places = text.tokens_in(at, at + len(asked))
            if places and not {*places} & wishes.used and asked not in lexicon.sets:
                wishes.miss(
                    asked,
                    "no column of the data is called so",
                    places.start,
                    close_to(asked, lexicon.columns),
                    stops=True,
                )
                wishes.use(places.start, places.stop)


def _read_features(wishes: Wishes, lexicon: Lexicon) -> None:
    """Read genes and gene sets."""
    text = wishes.text
    columns = lexicon.column_mentions(text)
    genes = {m.first for m in lexicon.gene_mentions(text) if _MEASURED.match(text.raw[text.tokens[m.end - 1].end :])}
    taken = {n for m in columns for n in range(m.first, m.end)} - genes
    adjusted = {s.gene_set for s, _ in wishes.scores}
    wishes.sets = [
        m for m in lexicon.set_mentions(text) if m.name not in adjusted or not {*range(m.first, m.end)} <= wishes.used
    ]
    for mention in lexicon.gene_mentions(text):
        behind = text.raw[text.tokens[mention.end - 1].end :]
        if _ALTERED.match(behind) and mention.first not in taken:
            altered = text.words(mention.first, mention.end) + " " + behind.split()[0].strip(".,;?!")
            why = "no column of the data says in which samples the gene is altered"
            wishes.miss(altered, why, mention.first, close_to(altered, lexicon.columns), stops=True)
            wishes.use(mention.first, mention.end)
        elif not {*range(mention.first, mention.end)} & (wishes.used | taken):
            wishes.genes.append(mention)
    missing_genes(wishes, lexicon, taken)
    missing_sets(wishes, lexicon)
