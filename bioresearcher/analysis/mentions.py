"""Mentions of a data set's columns, levels, genes and gene sets in the words of an objective."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal

from bioresearcher.analysis.words import (
    COLUMNS,
    GENERIC,
    NO,
    POLAR,
    ROMAN,
    SAME,
    YES,
    Text,
    forms,
    occurrences,
    stem,
)
from bioresearcher.schemas.columns import as_number
from bioresearcher.schemas.dataset import Column, Dataset
from bioresearcher.schemas.missing import NO_GROUP, key
from bioresearcher.text.words import STOP

_EVERYDAY: Final = frozenset({"yes", "no", "true", "false", "y", "n", "other", "unknown", "none", "all", "any"})
_BARE: Final = frozenset({*POLAR, "high", "low", "wildtype", "wt", "mut", "present", "absent"})
_BESIDE: Final = frozenset({"versus", "vs", "v", "status", "is", "are", "group", "only", "compared", "for"})
_AGENT: Final = ("er", "ic", "ee")
_ABSENCE: Final = re.compile(
    r"(?i)[\s,]+(?:(?:therapy|treatment)[\s,]+)?(?:and|or|versus|vs\.?|against|than|(?:as\s+)?compared\s+(?:with|to))\s+"
    r"(?:(?:in|with|to|of|for|among|on|the|those|these|all|other|others|patients?|women|men|people|persons|individuals"
    r"|subjects|participants|donors|animals|mice|samples|cases|tumou?rs|who|which|that|were|are|had|have|has|received"
    r"|receiving|got|took|given|treated)\s+)*?(?P<word>none|nothing|without|no\s+(?:treatment|therapy|drug))"
    r"(?=\s*(?:[.,;:?!)]|$)|\s+(?:and|or|in|at|by|on|after|for|when|if|adjusted|adjusting|it|any)\b)"
)
"""Words behind a level that compare it with those of whom it is not true."""
_COUNTED: Final = re.compile(r"(?i)\s*(?:%|[.,]\d|-?\s?(?:years?|months?|weeks?|days?|fold|[cm]m|of)\b)")
"""Words behind a number that make it an amount, and no level."""
_GENE: Final = re.compile(r"(?<![\w-])[A-Za-z][A-Za-z0-9]*(?:[-.][A-Za-z0-9]+)*(?![\w-])")
_NOT_LEVELLED: Final = frozenset({"id", "time", "event"})
_RANK: Final = {"group": 0, "covariate": 1, "batch": 1, "other": 2, "pair": 3, "unit": 3, "annotation": 4}


@dataclass(frozen=True)
class Mention:
    """Words of a text, from token `first` up to `end`, that name something of the data.

    Attributes:
        name: The column, gene or gene set.
        level: Of a level, as in the data; empty when `problem` says why it is not known which one is meant.
    """

    first: int
    end: int
    kind: Literal["column", "level", "gene", "set"]
    name: str
    level: str = ""
    problem: str = ""

    def covers(self, other: Mention) -> bool:
        """True if the other lies within this one and is shorter."""
        inside = self.first <= other.first and other.end <= self.end
        return inside and self.end - self.first > other.end - other.first


def canonical(column: Column, cell: str) -> str:
    """The level that a cell means, by the description's codes; without any, levels that differ in case are one."""
    text = cell.strip()
    coded = dict(column.codes).get(text, text)
    if column.codes:
        return coded
    return next((v.strip() for v in column.levels if v.strip().casefold() == coded.casefold()), coded)


def levels_of(column: Column) -> tuple[str, ...]:
    """The canonical levels of a column that can be compared, in the order of the description."""
    missing = {key(m) for m in column.missing_values}
    found = dict.fromkeys(canonical(column, level) for level in column.groups if key(level) not in missing)
    return tuple(level for level in found if level and key(level) not in NO_GROUP)


def poles(column: Column) -> tuple[str, str] | None:
    """The levels of a column that mean yes and no; None when it has no such two levels."""
    levels = levels_of(column)
    if len(levels) != 2:
        return None
    yes = [v for v in levels if key(v) in YES]
    no = [v for v in levels if key(v) in NO]
    if {*levels} == {"0", "1"} or (len(yes) == 1 and len(no) == 1 and yes != no):
        return (yes[0], no[0])
    return None


def is_number(column: Column) -> bool:
    """True for a column of numbers that are amounts rather than codes of levels."""
    if column.dtype not in ("integer", "number") or column.codes:
        return False
    return not column.levels or len(levels_of(column)) > 5 or column.role == "time"


def mend_of(dataset: Dataset, column: str, otherwise: str) -> str:
    """The line of `dataset.toml` that settles how a column is read: that of its reading, else another."""
    lines = [r for r in dataset.readings if r.column == column and r.line and r.open]
    return mend_line(column, lines[0].line if lines else otherwise)


def mend_line(column: str, line: str, file: str = "") -> str:
    """A line of `dataset.toml` with the table that it stands in."""
    if column:
        return f"{line} under [files.columns.{column}] of dataset.toml"
    return f"{line} under the [[files]] of {file} in dataset.toml" if file else f"{line} in dataset.toml"


def column_forms(column: Column) -> tuple[tuple[str, ...], ...]:
    """The ways in which a column can be called: its names and label, and other words for the same variable."""
    found = [forms(column.name), *(forms(a) for a in column.aliases)]
    label = forms(column.label)
    if 0 < len(label) <= 4:
        found.append(label)
    spread = [*found, *((w,) for f in found[:1] for w in f if w not in GENERIC)]
    for row in COLUMNS:
        rows = [forms(name) for name in row]
        if any(r == f or (len(r) == 1 and r[0] in f and r[0] not in GENERIC) for r in rows for f in spread):
            found += rows
    return tuple(dict.fromkeys(f for f in found if f and not (len(f) == 1 and f[0] in STOP and f[0] != "er")))


def _partial(column: Column) -> tuple[str, ...]:
    """Single words of a column's name by which it may be called when no other column has them."""
    return tuple(w for w in forms(column.name) if w not in GENERIC and len(w) > 1 and not w.isdigit())


@dataclass(frozen=True)
class Lexicon:
    """A data set's names as an objective can use them.

    Attributes:
        genes: Names of the matrix's rows.
        sets: Names of the gene sets at hand.
    """

    dataset: Dataset
    genes: frozenset[str] = frozenset()
    sets: tuple[str, ...] = ()
    columns: dict[str, Column] = field(default_factory=dict)

    @classmethod
    def of(cls, dataset: Dataset, genes: Iterable[str] = (), sets: Sequence[str] = ()) -> Lexicon:
        """Make the lexicon of a data set from its description."""
        sheet = dataset.file("samples")
        columns = {c.name: c for c in sheet.columns} if sheet else {}
        return cls(dataset, frozenset(genes), tuple(sets), columns)

    @cached_property
    def _column_index(self) -> dict[tuple[str, ...], list[str]]:
        """Form → columns that are called so in full; else those one of whose own words it is."""
        full: dict[tuple[str, ...], list[str]] = {}
        for column in self.columns.values():
            for form in column_forms(column):
                full.setdefault(form, []).append(column.name)
        part: dict[tuple[str, ...], list[str]] = {}
        for column in self.columns.values():
            for word in _partial(column):
                part.setdefault((word,), []).append(column.name)
        exact = {f: self._best([n for n in names if forms(n) == f] or names) for f, names in full.items()}
        return {**{f: self._best(names) for f, names in part.items()}, **exact}

    def _best(self, names: Sequence[str]) -> list[str]:
        """Those of some columns whose role is the most telling."""
        names = list(dict.fromkeys(names))
        rank = {n: _RANK.get(self.columns[n].role, 2) for n in names}
        return [n for n in names if rank[n] == min(rank.values())]

    def columns_called(self, wanted: Sequence[str]) -> list[str]:
        """The columns that a run of word forms means; several when it is not clear which."""
        found = self._column_index.get(tuple(wanted))
        if found:
            return found
        if len(wanted) != 1 or len(wanted[0]) < 4:
            return []
        cut = stem(wanted[0])
        near = [n for f, names in self._column_index.items() if len(f) == 1 and _alike(f[0], wanted[0]) for n in names]
        if not near and len(cut) >= 5:
            near = [n for f, names in self._column_index.items() if len(f) == 1 and _begins(f[0], cut) for n in names]
        return self._best(near) if near else []

    def column_mentions(self, text: Text, first: int = 0, end: int | None = None) -> list[Mention]:
        """The columns that a part of a text names, the longest names first taken."""
        end = len(text.tokens) if end is None else end
        found: list[Mention] = []
        place = first
        while place < end:
            for size in range(min(5, end - place), 0, -1):
                run = [t.form for t in text.tokens[place : place + size]]
                names = self.columns_called(run)
                if names and self._as_written(text, place, size, names[0]):
                    problem = f"{text.words(place, place + size)!r} may be {' or '.join(names)}"
                    found.append(
                        Mention(place, place + size, "column", names[0], problem=problem if len(names) > 1 else "")
                    )
                    place += size
                    break
            else:
                place += 1
        return found

    def _as_written(self, text: Text, place: int, size: int, name: str) -> bool:
        """False for a short everyday word that stands for a column by chance: a name of two letters has capitals."""
        raw = text.tokens[place].raw
        return size > 1 or len(raw) > 2 or raw.isupper() or raw == name

    @cached_property
    def _level_index(self) -> list[tuple[tuple[str, ...], str, str, bool]]:
        """(form, column, level, whether case counts) of all levels of all columns."""
        return [row for column in self.columns.values() for row in self._levels(column)]

    def _levels(self, column: Column) -> Iterator[tuple[tuple[str, ...], str, str, bool]]:
        if column.role in _NOT_LEVELLED or is_number(column):
            return
        levels, called = levels_of(column), column_forms(column)
        called = (*called, *((w,) for w in _partial(column) if self.columns_called((w,)) == [column.name]))
        heads = Counter(f[0] for level in levels if len(f := forms(level)) > 1)
        for level in levels:
            form = forms(level)
            for one in _numerals(form):
                capitals = 1 < len(level) <= 5 and level.isupper() and level.isalpha()
                if (capitals and one == form) or self._tells(one):  # a bare 2 is no stage II
                    yield one, column.name, level, capitals
                for name in called:
                    yield (*name, *one), column.name, level, False
                    yield (*one, *name), column.name, level, False
            alone = len(form) > 1 and heads[form[0]] == 1 and (form[0],) not in {forms(v) for v in levels}
            if alone and self._tells(form[:1]) and form[0] not in GENERIC:
                yield form[:1], column.name, level, False
            for word in _same_words(form, levels):
                yield word, column.name, level, False
                for name in called:
                    yield (*name, *word), column.name, level, False
        yield from self._polar(column, called)

    @staticmethod
    def _tells(form: tuple[str, ...]) -> bool:
        """True for the form of a level that means something without its column's name."""
        if len(form) > 1:
            return not all(w.isdigit() or w in _EVERYDAY for w in form)
        word = form[0]
        return len(word) > 1 and word not in _EVERYDAY and word not in STOP and as_number(word) is None

    def _polar(
        self, column: Column, called: Iterable[tuple[str, ...]]
    ) -> Iterator[tuple[tuple[str, ...], str, str, bool]]:
        """Forms of the levels of a column of yes and no, such as `ER-negative`, `smokers`, `without diabetes`."""
        two = poles(column)
        levels = levels_of(column)
        words = {key(v): v for v in levels}
        if two is None:
            yes = next((words[w] for w in ("positive", "pos", "mutant", "mut", "mutated") if w in words), "")
            no = next((words[w] for w in ("negative", "neg", "wildtype", "wt", "wild type") if w in words), "")
            two = (yes, no) if yes and no else None
        if two is None:
            if len(levels) == 2 and all(as_number(v) is not None for v in levels):
                for name in called:
                    for word in POLAR:
                        yield (*name, word), column.name, "", False
            return
        bare = [tuple(w for w in name if w not in ("positive", "negative")) for name in called]
        for name in [n for n in bare if n]:
            for word, side in POLAR.items():
                yield (*name, word), column.name, two[0] if side == "yes" else two[1], False
            for before in ("non", "no", "without", "not", "never"):
                yield (before, *name), column.name, two[1], False
            for behind in (("wildtype",), ("wild", "type"), ("wt",), ("free",)):
                yield (*name, *behind), column.name, two[1], False
            yield ("with", *name), column.name, two[0], False

    def level_mentions(self, text: Text) -> list[Mention]:
        """The levels that a text names; where two columns have the level, one mention for each."""
        raw: list[Mention] = []
        for form, column, level, cased in self._level_index:
            for place in occurrences(text, form):
                written = text.words(place, place + len(form))
                if cased and written != written.upper():
                    continue
                if form[0] in _BARE and len(form) == 1 and not _stands_alone(text, place):
                    continue  # HER2-positive is no level of another receptor
                behind = text.after(place + len(form), 1)
                if behind and behind[0] in POLAR and not {*form} & {*POLAR}:
                    continue  # HER2-positive is no HER2-enriched
                problem = "" if level else self._codes_problem(column)
                raw.append(Mention(place, place + len(form), "level", column, level, problem))
        raw += self._agents(text)
        raw += self._sexes(text)
        raw += self._written_letters(text)
        raw += self._second_poles(text, raw)
        raw += self._further_numbers(text, raw)
        raw += self._absences(text, raw)
        kept = [m for m in dict.fromkeys(raw) if not any(o.covers(m) for o in raw)]
        return sorted(kept, key=lambda m: (m.first, m.end, m.name))

    def _codes_problem(self, column: str) -> str:
        codes = ", ".join(levels_of(self.columns[column]))
        return f"{column} holds {codes}, and nothing says which is which"

    def _agents(self, text: Text) -> Iterator[Mention]:
        """Persons called after a column of yes and no: smokers, diabetics."""
        for place, token in enumerate(text.tokens):
            if not (token.form.endswith(_AGENT) and len(token.form) > 5):
                continue
            for name in self.columns_called((token.form,)):
                two = poles(self.columns[name])
                if two is not None and text.after(place + 1, 1)[:1] != ["status"]:
                    before = text.before(place, 1)
                    no = before[:1] == ["non"] or before[:1] == ["never"]
                    yield Mention(place - no, place + 1, "level", name, two[1] if no else two[0])

    def _sexes(self, text: Text) -> Iterator[Mention]:
        """Men and women of a column of sex that is coded in numbers nobody explained."""
        for column in self.columns.values():
            if not {"sex", "gender"} & {*forms(column.name)} or column.role in _NOT_LEVELLED:
                continue
            if not all(as_number(v) is not None for v in levels_of(column)):
                continue
            for row in SAME[:2]:
                for word in row:
                    if len(word) > 2:
                        for place in occurrences(text, forms(word)):
                            yield Mention(place, place + 1, "level", column.name, "", self._codes_problem(column.name))

    def _written_letters(self, text: Text) -> Iterator[Mention]:
        """Levels of one letter, as written, where the words before or after are those of a comparison."""
        wanted = {
            v: c.name
            for c in self.columns.values()
            if c.role == "group"
            for v in levels_of(c)
            if len(v) == 1 and v.isalpha()
        }
        joined = {"and", "v", "versus", "between", "against", "group", "condition", "arm", "or", "than", "to", "with"}
        for place, token in enumerate(text.tokens):
            near = {*text.before(place, 1), *text.after(place + 1, 1)}
            if token.raw in wanted and near & joined and not (token.raw == "A" and place == 0):
                yield Mention(place, place + 1, "level", wanted[token.raw], token.raw)

    def _second_poles(self, text: Text, known: Sequence[Mention]) -> Iterator[Mention]:
        """The second of `ER-positive and -negative`, and both of `positive and negative ER status`."""
        index = {(form, column): level for form, column, level, _ in self._level_index}
        for one in known:
            if one.kind != "level" or one.end >= len(text.tokens):
                continue
            name = tuple(t.form for t in text.tokens[one.first : one.end - 1])
            if not name or text.tokens[one.end - 1].form not in POLAR:
                continue
            for place in range(one.end, min(one.end + 4, len(text.tokens))):
                level = index.get(((*name, text.tokens[place].form), one.name))
                joined = all(t.form in ("and", "or", "versus", "v", "from", "to") for t in text.tokens[one.end : place])
                if level is not None and joined and level != one.level:
                    yield Mention(place, place + 1, "level", one.name, level)

    def _further_numbers(self, text: Text, known: Sequence[Mention]) -> Iterator[Mention]:
        """The other numbers of `grade 1, 2 and 3` and `grades 1-2`: levels of the same column by number."""
        taken = {n for m in known for n in range(m.first, m.end)}
        for one in known:
            levels = {forms(v): v for v in levels_of(self.columns[one.name])}
            if not one.level or not (forms(one.level)[-1].isdigit() or forms(one.level)[-1] in ROMAN):
                continue
            at = one.end
            while at < len(text.tokens):
                if text.tokens[at].form in ("and", "or", "to") and at + 1 < len(text.tokens):
                    at += 1
                form, between = text.tokens[at].form, text.between(at, at).strip()
                level = next((levels[f] for f in _numerals((form,)) if f in levels), "")
                if not level or at in taken or between not in ("", ",", "/", "-", "–", "&"):
                    break
                counts = _COUNTED.match(text.raw, text.tokens[at].end)
                if counts or not (form.isdigit() or text.tokens[at].raw.isupper()):
                    break
                yield Mention(at, at + 1, "level", one.name, level)
                at += 1

    def _absences(self, text: Text, known: Sequence[Mention]) -> Iterator[Mention]:
        """The other side of `those with X and those with none` (or `without`): the level for nothing of X's column.

        Where more than one level may be meant, the mention has that as its problem.
        """
        taken = {n for m in known for n in range(m.first, m.end)}
        for one in known:
            match = _ABSENCE.match(text.raw, text.tokens[one.end - 1].end)
            places = text.tokens_in(match.start("word"), match.end("word")) if match and one.level else ()
            if not match or not places or {*places} & taken:
                continue
            levels = levels_of(self.columns[one.name])
            nothing = [v for v in levels if _means_nothing(v)]
            others = [v for v in levels if v != one.level]
            if one.level in nothing:
                continue
            if match["word"].casefold() == "without" and len(others) > 1:
                problem = f"“without” {one.level} may be {' or '.join(others)} of {one.name}"
                yield Mention(places[0], places[-1] + 1, "level", one.name, "", problem)
            elif len(nothing) == 1 or (match["word"].casefold() == "without" and len(others) == 1):
                yield Mention(places[0], places[-1] + 1, "level", one.name, (nothing or others)[0])
            else:
                problem = f"{one.name} holds {', '.join(levels)}, and nothing says which of them means {match['word']}"
                yield Mention(places[0], places[-1] + 1, "level", one.name, "", problem)

    def gene_mentions(self, text: Text) -> list[Mention]:
        """The rows of the matrix that a text names as they are written there."""
        found = []
        small = {g.casefold(): g for g in self.genes if any(ch.isdigit() for ch in g)}
        for match in _GENE.finditer(text.raw):
            word = match[0]
            whole = word in self.genes and (len(word) > 2 or word.isupper()) and word.casefold() not in STOP
            name = word if whole else small.get(word.casefold(), "") if len(word) > 3 else ""
            if not name or (word.islower() and not any(ch.isdigit() for ch in word)):
                continue
            places = text.tokens_in(match.start(), match.end())
            if places:
                found.append(Mention(places[0], places[-1] + 1, "gene", name))
        return found

    def set_mentions(self, text: Text) -> list[Mention]:
        """The gene sets that a text names: all words of a set's name, apart from the collection's, one after another.

        Where none stands so, the longest one all of whose words are somewhere in the text.
        """
        first = {n.split("_", 1)[0] for n in self.sets}
        given = [t.form for t in text.tokens]
        found: list[Mention] = []
        loose: list[tuple[int, str]] = []
        for name in self.sets:
            label = name.split("_", 1)[1] if len(first) == 1 and "_" in name and len(self.sets) > 1 else name
            parts = forms(label.replace("_", " "))
            if not parts:
                continue
            found += [Mention(n, n + len(parts), "set", name) for n in occurrences(text, parts)]
            if all(p in given for p in parts):
                loose.append((sum(map(len, parts)), name))
        kept = [m for m in found if not any(o.covers(m) for o in found)]
        if kept or not loose:
            return sorted(kept, key=lambda m: m.first)
        name = max(loose)[1]
        words = {*forms(name.replace("_", " "))}
        place = next(n for n, word in enumerate(given) if word in words)
        return [Mention(place, place + 1, "set", name)]


def _means_nothing(level: str) -> bool:
    """True for the level of those who have nothing of what a column is about: none, no, untreated, never."""
    return key(level) in NO - {"negative", "neg"} | {"untreated", "without", "nothing"} or (
        forms(level)[:1] in (("no",), ("not",), ("non",), ("without",), ("never",))
    )


def _numerals(form: tuple[str, ...]) -> list[tuple[str, ...]]:
    """A level's form with its number in Roman and in Arabic figures."""
    if not form:
        return []
    last = [ROMAN[form[-1]]] if form[-1] in ROMAN else [r for r, a in ROMAN.items() if form[0] == a and len(form) == 1]
    return [form, *((*form[:-1], number) for number in last)]


def _same_words(form: tuple[str, ...], levels: Sequence[str]) -> list[tuple[str, ...]]:
    """Other words for a level, where no other level of the column is one of them."""
    text = " ".join(form)
    return [
        forms(word)
        for row in SAME
        if text in row and sum(" ".join(forms(v)) in row for v in levels) == 1
        for word in row
        if len(word) > 2
    ]


def _stands_alone(text: Text, place: int) -> bool:
    """True if no name stands before a word such as positive, which would say what is."""
    before = text.before(place, 1)
    return not before or before[0] in STOP or before[0] in _BESIDE


def _alike(name: str, word: str) -> bool:
    """True if two words are one but for the ending of an activity or a person."""
    return len(stem(name)) >= 4 and stem(name) == stem(word)


def _begins(name: str, word: str) -> bool:
    """True if a word goes on from a column's shortened name: `karno` and Karnofsky."""
    return len(name) >= 5 and word.startswith(name)
