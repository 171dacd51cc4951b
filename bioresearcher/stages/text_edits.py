"""Small changes of a protocol's texts: words that stand just once in a place, and the words that take their place.

Every text of a protocol that its author wrote can be changed. White space, quotation marks, dashes, Markdown's marks
and its escapes need not be the same. What cannot be made is returned with the reason and the nearest text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final, cast

from bioresearcher.errors import DefectError
from bioresearcher.schemas.ask_design import RefusedEdit, TextEdit
from bioresearcher.schemas.base import Value
from bioresearcher.schemas.protocol import Protocol, ProtocolStep
from bioresearcher.stages.draft_cleanup import line_of
from bioresearcher.text.format import listing
from bioresearcher.text.normalise import MARKS
from bioresearcher.text.visible import clip, visible
from bioresearcher.text.words import content_words, overlap, sentence_texts

ANYWHERE_CHARS: Final = 20
"""Length from which words that stand just once in a whole protocol are changed there, if not in the place named."""
NEAR_CHARS: Final = 320
_AROUND: Final = 50

Path = tuple[str | int, ...]
_PAGE: Final = {
    "decisions": ("question", "choice", "why"),
    "facts": ("finding", "consequence"),
    "not_done": ("what", "why"),
    "definitions": ("name", "text", "code"),
    "papers": ("use", "reason"),
}
_CALLED: Final = {
    "answerrule": "answer_rule",
    "decisionrule": "answer_rule",
    "rule": "answer_rule",
    "decision": "decisions",
    "fact": "facts",
    "notdone": "not_done",
    "definition": "definitions",
    "paper": "papers",
    "summary": "summary",
    "title": "title",
}
"""Beginnings of the names of places, without anything but letters -> the place."""
_STEP: Final = re.compile(r"(?<![\d.])(\d{1,3}\.\d{1,3})(?![\d]|\.\d)")
_PART: Final = re.compile(r"\bpart\s+(\d{1,3})\b", re.IGNORECASE)
_MARKUP: Final = "\\*`"
_ESCAPE: Final = re.compile(r"\\([\\*_`|<>#\[\]~])")


@dataclass(frozen=True)
class _Text:
    """A text of a protocol with its place and the path that leads to it."""

    place: str
    path: Path
    text: str


@dataclass(frozen=True)
class _Hit:
    """A place of words in a text."""

    where: _Text
    start: int
    end: int


def with_edits(protocol: Protocol, edits: Sequence[TextEdit]) -> tuple[Protocol, tuple[RefusedEdit, ...]]:
    """Return the protocol with the changes made, one after the other, and those that could not be made.

    A citation whose claim changes is checked anew; one whose claim is emptied is taken out.
    """
    refused = []
    made = protocol
    for edit in edits:
        found = _made(made, edit)
        if isinstance(found, RefusedEdit):
            refused.append(found)
        else:
            made = found
    before = {p.id: p.steps for p in protocol.parts}
    parts = tuple(
        p if p.steps == before[p.id] else p.model_copy(update={"outline": tuple(map(line_of, p.steps))})
        for p in made.parts
    )
    return made.model_copy(update={"parts": parts}), tuple(refused)


def _made(protocol: Protocol, edit: TextEdit) -> Protocol | RefusedEdit:
    """Make a change, or say why not."""
    texts = list(texts_of(protocol))
    place = place_of(edit.place, {t.place for t in texts})
    own = [t for t in texts if t.place == place]
    if not edit.old.strip():
        return _refused(edit, "it names no words that are to change")
    hits, exact = _hits(own, edit.old)
    if not hits and edit.new.strip() and len(_hits(own, edit.new)[0]) == 1:
        return protocol  # made before, or by another change
    if not hits and len(edit.old.strip()) >= ANYWHERE_CHARS:
        hits, exact = _hits(texts, edit.old)
    if not hits:
        there = "they do not stand there" if place else f"there is no place {clip(edit.place, 40) or '(none)'}"
        return _refused(edit, there, _nearest(own or texts, edit.old))
    named = [h for h in hits if _fields(h.where) & set(re.findall(r"[a-z]{4,}", edit.place.casefold()))]
    prose = [h for h in hits if "code" not in h.where.path]
    hits = next((few for few in (named, prose) if len(few) == 1), hits)
    if len(hits) > 1:
        return _refused(edit, f"they stand there {len(hits)} times: give more words around them", _contexts(hits))
    (hit,) = hits
    new = edit.new if exact or _ESCAPE.search(edit.old) is None else _ESCAPE.sub(r"\1", edit.new)
    text = hit.where.text[: hit.start] + new + hit.where.text[hit.end :]
    return _tidied(_put(protocol, hit.where.path, text), hit.where)


def _fields(text: _Text) -> set[str]:
    """Return the names of the fields that hold a text, in the plural and the singular."""
    names = {name for name in text.path if isinstance(name, str)} - {"parts", "steps"}
    return names | {name.removesuffix("s") for name in names}


def _refused(edit: TextEdit, why: str, near: str = "") -> RefusedEdit:
    return RefusedEdit(place=edit.place, old=edit.old, new=edit.new, why=why, near=near)


def place_of(name: str, places: Iterable[str]) -> str | None:
    """Return the place that a name means (`step 2.1`, `Step 2.1, acceptance`, `decision rule`), or None."""
    known = set(places)
    for pattern, kind in ((_STEP, "step"), (_PART, "part")):
        for match in pattern.finditer(name):
            if f"{kind} {match[1]}" in known:
                return f"{kind} {match[1]}"
    letters = re.sub(r"[^a-z]", "", name.casefold()).removeprefix("the")
    return next((place for start, place in _CALLED.items() if letters.startswith(start) and place in known), None)


def texts_of(protocol: Protocol) -> Iterator[_Text]:
    """Yield every text of a protocol that its author wrote; what the program added is left out."""
    yield _Text("title", ("title",), protocol.title)
    yield _Text("summary", ("summary",), protocol.summary)
    for name, fields in _PAGE.items():
        for n, value in enumerate(getattr(protocol, name)):
            yield from (_Text(name, (name, n, f), getattr(value, f)) for f in fields)
    yield from (_Text("answer_rule", ("answer_rule", n), rule) for n, rule in enumerate(protocol.answer_rule))
    for p, part in enumerate(protocol.parts):
        place, path = f"part {part.id}", ("parts", p)
        yield from (_Text(place, (*path, f), getattr(part, f)) for f in ("title", "purpose", "reason"))
        for n, relation in enumerate(part.relations):
            yield _Text(place, (*path, "relations", n, "reason"), relation.reason)
        for s, step in enumerate(part.steps):
            yield from _texts_of_step(step, (*path, "steps", s))


def _texts_of_step(step: ProtocolStep, path: Path) -> Iterator[_Text]:
    place = f"step {step.id}"
    for name in ("title", "action", "rationale", "acceptance", "code"):
        yield _Text(place, (*path, name), getattr(step, name))
    for name, field in (("outputs", "description"), ("citations", "claim"), ("parameters", "value")):
        for n, value in enumerate(getattr(step, name)):
            yield _Text(place, (*path, name, n, field), getattr(value, field))
    yield from (_Text(place, (*path, "software", n), name) for n, name in enumerate(step.software))


def _hits(texts: Sequence[_Text], words: str) -> tuple[list[_Hit], bool]:
    """Return where words stand, letter by letter or else in another writing; true with it for the first."""
    exact = [_Hit(t, n, n + len(words)) for t in texts for n in _all(t.text, words)]
    if exact:
        return exact, True
    wanted, _ = _plain(words)
    wanted = wanted.strip()
    if not wanted:
        return [], False
    found = []
    for text in texts:
        plain, places = _plain(text.text)
        for n in _all(plain, wanted):
            start, end = places[n], places[n + len(wanted) - 1] + 1
            if words.lstrip()[0] in _MARKUP:
                start -= _marks(text.text[:start][::-1])
            if words.rstrip()[-1] in _MARKUP:
                end += _marks(text.text[end:])
            found.append(_Hit(text, start, end))
    return found, False


def _all(text: str, words: str) -> Iterator[int]:
    at = text.find(words)
    while at >= 0:
        yield at
        at = text.find(words, at + 1)


def _marks(text: str) -> int:
    """Count the marks with which a text begins."""
    return len(text) - len(text.lstrip(_MARKUP))


def _plain(text: str) -> tuple[str, list[int]]:
    """Return a text without marks and with single blanks, and for each of its characters the place in the text."""
    letters: list[str] = []
    places: list[int] = []
    for n, letter in enumerate(text):
        kept = " " if letter.isspace() else MARKS.get(letter, letter)
        if letter in _MARKUP or not visible(letter) or (kept == " " and (not letters or letters[-1] == " ")):
            continue
        letters.append(kept)
        places.append(n)
    return "".join(letters), places


def _nearest(texts: Sequence[_Text], words: str) -> str:
    """Return the sentence most like the words looked for, with the one after it; empty: none is like them at all."""
    wanted = content_words(words)
    best, most = "", 0.2
    for text in texts:
        said = list(sentence_texts(text.text))
        for n, sentence in enumerate(said):
            like = SequenceMatcher(None, sentence[:NEAR_CHARS], words[:NEAR_CHARS], autojunk=False)
            share = overlap(wanted, content_words(sentence)) + like.quick_ratio() / 2
            if share > most:
                best, most = " ".join(said[n : n + 2]), share
    return clip(best, NEAR_CHARS)


def _contexts(hits: Sequence[_Hit]) -> str:
    """Return words around the first places."""
    around = (h.where.text[max(0, h.start - _AROUND) : h.end + _AROUND] for h in hits)
    return listing((f"“…{clip(text, NEAR_CHARS // 2)}…”" for text in around), 3)


def _put(protocol: Protocol, path: Path, new: object) -> Protocol:
    """Return a protocol with another value at the end of a path of fields and places in tuples."""
    return cast("Protocol", _replaced(protocol, path, new))


def _replaced(value: object, path: Path, new: object) -> object:
    if not path:
        return new
    head, rest = path[0], path[1:]
    if isinstance(value, tuple) and isinstance(head, int):
        return (*value[:head], _replaced(value[head], rest, new), *value[head + 1 :])
    if isinstance(value, Value) and isinstance(head, str):
        return value.model_copy(update={head: _replaced(getattr(value, head), rest, new)})
    raise DefectError(f"no path leads through {head!r}")


def _tidied(protocol: Protocol, changed: _Text) -> Protocol:
    """Return a protocol in which a citation whose claim was changed is not checked, or out when nothing is left."""
    match changed.path:
        case (_, int(p), _, int(s), "citations", int(n), _):
            step = protocol.parts[p].steps[s]
        case _:
            return protocol
    given = step.citations[n]
    fresh = given.model_copy(update={"state": "not checked", "reason": "", "claim": given.claim.strip()})
    citations = (*step.citations[:n], *([fresh] if fresh.claim else []), *step.citations[n + 1 :])
    links = tuple(k for k in step.links if k.claim != changed.text)
    return _put(protocol, changed.path[:4], step.model_copy(update={"citations": citations, "links": links}))
