"""Words of a text that ask for something and are bound to nothing at hand."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from bioresearcher.analysis.mentions import Lexicon, levels_of
from bioresearcher.analysis.wishes import (
    BOUND,
    JOIN,
    NOUNS,
    PLAIN,
    SKIP,
    Wishes,
    close_to,
    word_list,
)
from bioresearcher.analysis.words import Text
from bioresearcher.schemas.question import Unbound

_RESTRICTED: Final = re.compile(
    r"(?i)\b(?:(?:only|just|exclusively)\s+(?:in|among|for|within)|restrict(?:ed|ing)?\s+(?:\w+\s+){0,3}?to|limit(?:ed|ing)?\s+(?:\w+\s+){0,3}?to|exclud(?:e|ing|ed)|except\s+for|other\s+than|not\s+counting)\s+(?P<a>[^.,;?!()]+)"
    r"|\b(?:in|among|within|for)\s+(?P<b>[^.,;?!()]+?)\s+(?:only|alone)\b"
    r"|\b(?P<c>[\w/+-]+(?:\s+[\w/+-]+){0,3}?)\s+only\b"
)


_NARROWING: Final = re.compile(
    r"(?i)\b(?:\w+[\s-](?:positive|negative|mutants?|mutated|wild[\s-]?type|amplified|deficient|null)|\w+-(?:low|high|resistant|sensitive|naive|na[iï]ve)|"
    r"triple[\s-]negative|men|women|males?|females?|boys|girls|children|adults?|elderly|adolescents?|pre[\s-]?menopausal|post[\s-]?menopausal|"
    r"(?:non|never|ever|former|current)?[\s-]?smokers?|stages?\s+(?:[IVX]+|\d)\w*(?:\s*(?:[-–/]|and|or|to)\s*(?:[IVX]+|\d)\w*)*|"
    r"grades?\s+(?:[IVX]+|\d)(?:\s*(?:[-–/]|and|or|to)\s*(?:[IVX]+|\d))*|early[\s-]stage|late[\s-]stage|high[\s-]risk|low[\s-]risk|"
    r"luminal(?:[\s-][AB])?|basal(?:[\s-]like)?|her2[\s-]enriched|node[\s-](?:positive|negative)|metastatic|recurrent|relapsed|refractory|"
    r"(?:un)?treated|diabetics?|obese|responders?|non[\s-]?responders?)\b"
)


_GENE_ASKED: Final = re.compile(
    r"(?:(?<=\s)|^)(?P<a>[A-Z][A-Z0-9]{1,9}(?:-[A-Z0-9]+)?)\s+(?:gene\s+|m?RNA\s+|transcript\s+)?(?:expression|mRNA|levels?|transcripts?|gene(?!s|\s+set))\b"
    r"|\b(?:expression|levels?|mRNA)\s+of\s+(?:the\s+)?(?:gene\s+)?(?P<b>[A-Z][A-Z0-9]{2,9})\b"
    r"|\b(?:[Hh]igh|[Ll]ow|[Gg]ene)\s+(?P<c>[A-Z][A-Z0-9]{2,9})\b"
)


_NO_GENE: Final = frozenset(
    {"RNA", "DNA", "MRNA", "PCR", "HR", "OS", "RFS", "DFS", "PFS", "FDR", "GO", "ROC", "AUC", "FPKM", "TPM", "CI", "SD"}
)


_SET_ASKED: Final = re.compile(
    r"(?i)\b(?:the|an?|this|our)?\s*(?P<name>(?:[\w-]+\s+){1,4}?)(?:\([^)]*\)\s*)?(?P<kind>signatures?|gene[\s-]sets?|gene[\s-]scores?|pathway[\s-]scores?|gene[\s-]programs?|metagenes?)\b"
)


_GENES_OF: Final = re.compile(
    r"(?i)\b(?:expression|levels?|activity|scores?|abundance)\s+of\s+(?:the\s+|our\s+)?"
    r"(?P<name>(?:[\w-]+\s+){1,3}?)(?P<kind>genes)\b"
)
"""Genes of a group that is called after what they do: `the expression of proliferation genes`."""
_NO_GROUP_OF_GENES: Final = frozenset(
    "key marker candidate target other single individual human mouse coding certain different expressed these"
    " those which what all any many most each every differentially up-regulated down-regulated upregulated"
    " downregulated significant top leading".split()
)


def read_restrictions(wishes: Wishes, lexicon: Lexicon) -> None:
    """Note words that limit the population and are bound to nothing."""
    text = wishes.text
    constant = {c.name for c in lexicon.columns.values() if len(levels_of(c)) == 1}
    for match in _RESTRICTED.finditer(text.raw):
        group = next(g for g in ("a", "b", "c") if match[g])
        if group == "c" and re.match(r"(?i)(?:the\s+)?(?:data|own|dry|read)\b", match["c"]):
            continue
        places = text.tokens_in(match.start(group), match.end(group))
        if places and not {*places} & wishes.used and not _is_context(text, places):
            why = "the population is limited to it, and no column or level of the data is called so"
            wishes.miss(match[group], why, places.start, _levels_hint(lexicon, constant), stops=True)
            wishes.use(places.start, places.stop)
    for match in _NARROWING.finditer(text.raw):
        places = text.tokens_in(match.start(), match.end())
        if not places or {*places} & wishes.used:
            continue
        left = text.before(places.start, 4)
        heads = PLAIN | BOUND | {"between", "versus", "vs", "than", "and"}
        lead = next((w for w in left if w in heads or w not in SKIP), "")
        if lead in heads or match.start() == 0:
            why = "no column or level of the data is called so"
            wishes.miss(match[0], why, places.start, _levels_hint(lexicon, constant), stops=True)
            wishes.use(places.start, places.stop)


def _is_context(text: Text, places: range) -> bool:
    """True for words that tell of what kind all samples are rather than choose some."""
    return all(text.tokens[n].form in SKIP | NOUNS | word_list("context") for n in places)


def _levels_hint(lexicon: Lexicon, constant: set[str]) -> str:
    said = [
        f"{c.name} ({', '.join(levels_of(c)[:6])})"
        for c in lexicon.columns.values()
        if c.role in ("group", "covariate", "batch", "other") and 1 < len(levels_of(c)) <= 8 and c.name not in constant
    ]
    return f"the columns with levels are {'; '.join(said[:6])}" if said else "no column of the data has levels"


def missing_genes(wishes: Wishes, lexicon: Lexicon, taken: set[int]) -> None:
    """Note genes whose expression or alteration is asked for and that the data do not hold."""
    text = wishes.text
    known = {text.words(m.first, m.end).casefold() for m in wishes.genes}
    set_tokens = {n for m in wishes.sets for n in range(m.first, m.end)}
    altered = re.finditer(r"\b([A-Z][A-Z0-9]{2,9})(?=[\s-]+(?:mutat\w+|mutants?|amplif\w+|delet\w+))", text.raw)
    for match in (*_GENE_ASKED.finditer(text.raw), *altered):
        name = next(g for g in match.groups() if g)
        at = match.start(next(n for n, g in enumerate(match.groups(), 1) if g))
        places = text.tokens_in(at, at + len(name))
        if not places or {*places} & (wishes.used | taken | set_tokens):
            continue
        if name in _NO_GENE or name.casefold() in known:
            continue
        if match.re is not _GENE_ASKED:
            why = "no column of the data says in which samples the gene is altered"
        elif not lexicon.genes:
            why = "the data hold no matrix of genes"
        else:
            why = f"no row of the matrix is called so ({len(lexicon.genes):,} rows)"
        wishes.miss(
            name, why, places.start, close_to(name, lexicon.genes) if len(lexicon.genes) < 50_000 else "", stops=True
        )
        wishes.use(places.start, places.stop)


def missing_sets(wishes: Wishes, lexicon: Lexicon) -> None:
    """Note signatures that no gene set at hand is called after."""
    text = wishes.text
    if wishes.sets or any(m for m in wishes.genes):
        return
    grouped = [m for m in _GENES_OF.finditer(text.raw) if not {*m["name"].casefold().split()} & _NO_GROUP_OF_GENES]
    for match in (*_SET_ASKED.finditer(text.raw), *grouped):
        name = match["name"].strip()
        places = text.tokens_in(match.start("name"), match.end("name"))
        content = [n for n in places if text.tokens[n].form not in word_list("plain") | SKIP]
        if not content or match["kind"].lower().startswith("gene set") or {*content} & wishes.used:
            continue
        why = "no gene set of this name is among the data" if lexicon.sets else "there are no gene sets among the data"
        label = "_".join(text.tokens[n].form for n in content).upper()
        hint = close_to(name.replace(" ", "_"), lexicon.sets) or (
            f"give it with one more `--data FILE.gmt`: a line with tabs between {label}, a description and its genes"
        )
        wishes.miss(f"{text.words(content[0], places.stop)} {match['kind']}", why, content[0], hint, stops=True)
        wishes.use(places.start, places.stop)


def leftovers(wishes: Wishes, context: Iterable[str]) -> Iterator[Unbound]:
    """Words with a meaning of their own that no wish has used, each run of them once."""
    known = word_list("plain") | word_list("context") | SKIP | NOUNS | JOIN | PLAIN | BOUND | {*context}
    for mention in (*wishes.by, *wishes.columns, *wishes.genes, *wishes.sets):
        wishes.use(mention.first, mention.end)
    for mention in wishes.sets:  # a name before another in brackets is the same: proliferation (E2F target) signature
        if "(" in wishes.text.between(mention.first, mention.first):
            wishes.use(max(0, mention.first - 2), mention.first)
    run: list[int] = []
    for n, token in enumerate((*wishes.text.tokens, None)):
        free = token is not None and n not in wishes.used and token.form not in known and not token.form.isdigit()
        if free and token is not None and len(token.form) > 2:
            run.append(n)
            continue
        if run:
            yield Unbound(
                words=wishes.text.words(run[0], run[-1] + 1),
                why="no column, level, gene or method at hand is called so",
                narrows=False,
            )
        run = []
