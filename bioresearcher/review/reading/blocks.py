"""Splitting of Markdown or plain text into headings, items, tables and paragraphs."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Block:
    """A block of text; `level` is the heading's level (1 for top) or the item's depth (0 for top).

    A table has a line for each row, its cells parted by ` | `.
    """

    kind: Literal["heading", "item", "text", "table"]
    level: int
    text: str
    label: str = ""


_HEADING = re.compile(r"^ {0,3}(#{1,6})\s+(\S.*?)\s*#*$")
_PART = re.compile(r"^(?:part|section|phase|module)\s+(\d{1,3}|[IVX]{1,5})\s*[.:：)–—-]?\s*(.{0,150})$", re.I)
_PART_CJK = re.compile(r"^第\s*([一二三四五六七八九十\d]{1,3})\s*(?:部分|章|节|阶段)\s*[:：、.]?\s*(.{0,120})$")
_STEP = re.compile(
    r"^(?:step|步骤)\s*(\d{1,3}(?:\.\d{1,3})*)\s*[.:：)–—-]?\s+?(?=\S)(.*)$|^(?:步骤)\s*(\d{1,3})\s*[:：、.]?(.+)$",
    re.I,
)
_NUMBERED = re.compile(r"^(\d{1,3}(?:\.\d{1,3}){0,3})(?:[.)]\s+|、\s*|\s+(?=[^\W\d_]))(?=\S)(.*)$")
_BULLET = re.compile(r"^(?:[-*+•·▪◦–]\s+(?=\S)|(?=[☐☑☒□✓✗❏]\s))(.*)$")
_CHECK_BOX = re.compile(r"^(?:\[[ xX]?\]|[☐☑☒□✓✗❏])\s+(?=\S)")
_LETTER = re.compile(r"^(\s*)(?:\*\*|__)?\(?([A-Za-z])[.)](?:\*\*|__)?\s+(?=\S)(.*)$")
_BOLD_LINE = re.compile(r"^(?:\*\*|__)([^*_].{1,120}?)(?:\*\*|__)$")
_BOLD_NUMBER = re.compile(r"^(?:\*\*|__)(\d{1,3}[.)])(?:\*\*|__)(?=\s)")
_CAPITALS = re.compile(r"^[A-Z][A-Z0-9 ,/&()'’:-]{5,79}$")
_LABELLED = re.compile(r"^(?:[A-Z][\w ]{2,24}|[\u4e00-\u9fff]{2,8})\s?[:：]\s")
_FENCE = re.compile(r"^\s*(?:```|~~~)")
_RULE = re.compile(r"^\s*(?:-{3,}|\*{3,}|_{3,}|={3,})\s*$")
_ROW = re.compile(r"^\s*\|.*\|\s*$")
_RULE_CELL = re.compile(r":?-+:?")
_NUMBER_CELL = re.compile(r"(?:step\s*)?(\d{1,3}(?:\.\d{1,3})*)[.):]?", re.I)
_COMMENT = re.compile(r"<!--.*?-->", re.S)


def blocks(text: str) -> tuple[Block, ...]:
    """Split Markdown or plain text into blocks.

    Headings are `#` lines, underlined lines, `Part 2: …` lines, lines in bold or in capitals, and numbered
    lines that have numbered lines below them (`2` over `2.1`). Lines that follow an item without a blank
    line between, or are indented, belong to it.
    """
    lines = _COMMENT.sub(" ", text).replace("\r\n", "\n").replace("\r", "\n").expandtabs(4).split("\n")
    lines = _apart(_without_front_matter([line for line in lines if not _TAG_LINE.match(line)]))
    return _numbered_headings(tuple(_Cutter(_lettered(lines)).cut(lines)))


_TAG_LINE = re.compile(r"^\s*</?(?:details|summary|div|p|br|center|hr|a|img)\b[^>]{0,300}>\s*$", re.I)
_SENTENCE_END = re.compile(r"[.!?:;。！？：；)\]”\"]\s*$")
_LINES_APART = 0.6
"""Share of lines that end as a sentence does from which each line of a text is a paragraph of its own."""


def _apart(lines: list[str]) -> list[str]:
    """Part lines with blank ones where a text has a sentence or more on each line, as it is copied from a web page."""
    plain = [bool(line.strip()) and not _marked(line) for line in lines]
    pairs = [n for n in range(len(lines) - 1) if plain[n] and plain[n + 1]]
    ended = sum(bool(_SENTENCE_END.search(lines[n])) for n in pairs)
    whole = sum(lines[n + 1].lstrip()[:1].isupper() or not lines[n + 1].lstrip()[:1].isalpha() for n in pairs)
    if len(pairs) < 3 or ended < _LINES_APART * len(pairs) or whole < _LINES_APART * len(pairs):
        return lines
    parted = set(pairs)
    return [x for n, line in enumerate(lines) for x in ((line, "") if n in parted else (line,))]


def _marked(line: str) -> bool:
    bare = line.strip()
    patterns = (_HEADING, _NUMBERED, _BULLET, _STEP, _ROW, _RULE, _FENCE, _LABELLED, _BOLD_LINE)
    return line.startswith("    ") or any(p.match(bare) for p in patterns) or bool(_LETTER.match(line))


def _lettered(lines: list[str]) -> dict[int, tuple[str, str]]:
    """Find the lines that letters count (`a.`, `b.` …; `A)`, `B)` …): position -> letter, text.

    A letter counts when it goes on from one that does, or is the first and the second follows: an initial (`A. Smith`)
    does neither.
    """
    marked = [(n, m.group(2), m.group(3)) for n, line in enumerate(lines) if (m := _LETTER.match(line))]
    found: dict[int, tuple[str, str]] = {}
    last = {True: "", False: ""}
    for at, (n, letter, text) in enumerate(marked):
        upper = letter.isupper()
        following = chr(ord(letter) + 1)
        ahead = next((x for _, x, _ in marked[at + 1 :] if x.isupper() == upper), "")
        headed = letter == "a" and at > 0 and marked[at - 1][0] in found and marked[at - 1][1].isupper()
        first = letter in "aA" and (ahead == following or headed)
        if first or (last[upper] and ord(letter) == ord(last[upper]) + 1):
            found[n] = (letter, text)
            last[upper] = letter
            if upper:
                last[False] = ""
    return found


def _without_front_matter(lines: list[str]) -> list[str]:
    if not lines or lines[0].strip() != "---":
        return lines
    end = next((i for i, line in enumerate(lines[1:200], 1) if line.strip() == "---"), None)
    if end is None:
        return lines
    title = next((m.group(1) for line in lines[1:end] if (m := re.match(r"title:\s*(.+)", line))), None)
    return ([f"# {title.strip(chr(34))}"] if title else []) + lines[end + 1 :]


class _Cutter:
    """Splitter of lines into blocks, in one pass; `open` is the block that a continuation line joins."""

    def __init__(self, lettered: dict[int, tuple[str, str]]) -> None:
        self.lettered = lettered
        self.done: list[Block] = []
        self.open: list[str] = []
        self.like = Block("text", 0, "")
        self.blank = True
        self.indent_of_item = 0

    def cut(self, lines: list[str]) -> list[Block]:
        fenced = False
        for i, line in enumerate(lines):
            if _FENCE.match(line):
                fenced = not fenced
            elif fenced:
                self.open.append(line.rstrip())
            elif not line.strip():
                self.blank = True
            elif _ROW.match(line):
                self._row(line)
            else:
                if self.like.kind == "table":
                    self._start(Block("text", 0, ""))
                if i in self.lettered:
                    self._letter(line, *self.lettered[i], heads=self._heads(i, lines))
                else:
                    self._line(line, lines[i + 1] if i + 1 < len(lines) else "")
                self.blank = False
        self._close()
        return self.done

    def _close(self) -> None:
        text = "\n".join(x for x in self.open if x).strip()
        if text and self.like.kind == "table":
            self.done += _table(self.open)
        elif text:
            self.done.append(replace(self.like, text=text))
        self.open = []

    def _start(self, like: Block) -> None:
        self._close()
        self.like, self.open = like, [like.text]
        if like.kind == "heading":
            self._close()
            self.like = Block("text", 0, "")

    def _row(self, line: str) -> None:
        if self.like.kind != "table" or self.blank:
            self._start(Block("table", 0, ""))
        self.open.append(line)
        self.blank = False

    def _wrap(self, line: str) -> None:
        """Join a continuation line to the open block; only a labelled one (`Outputs: …`) stays a line of its own."""
        if _LABELLED.match(line):
            self.open.append(line)
        else:
            self.open[-1] = f"{self.open[-1]} {line}"

    def _line(self, line: str, following: str) -> None:
        indent = len(line) - len(line.lstrip())
        bare = _BOLD_NUMBER.sub(r"\1", line.strip())
        if _RULE.match(line) and not self.blank and self.like.kind == "text" and len(self.open) == 1:
            self._start(Block("heading", 1 if "=" in line else 2, self.open.pop()))
            return
        if _RULE.match(line):  # what follows a rule does not go on with what stands above it
            self._start(Block("text", 0, ""))
            return
        block = _heading(bare, blank=self.blank, indent=indent) or self._item(bare, indent)
        if block is not None:
            self._start(block)
        elif self.open and (not self.blank or (indent >= 2 and self.like.kind == "item")):
            self._wrap(_plain(bare))
        else:
            self._start(Block("text", 1 if indent >= 2 else 0, _plain(bare)))

    def _heads(self, at: int, lines: list[str]) -> bool:
        """Return True if a capital letter heads smaller letters or numbers: `A. Staining` over `a. Fix …`."""
        if not self.lettered[at][0].isupper():
            return False
        after = next((n for n in range(at + 1, len(lines)) if lines[n].strip()), None)
        small = after is not None and after in self.lettered and self.lettered[after][0].islower()
        return small or (after is not None and bool(_NUMBERED.match(lines[after].strip())))

    def _letter(self, line: str, letter: str, text: str, *, heads: bool) -> None:
        if heads:
            self._start(Block("heading", 2, _plain(text), letter))
            return
        nested = self.like.kind == "item" and self.like.label[:1].isdigit()
        depth = 1 if letter.islower() and (nested or self.like.level > 0) and self.like.kind == "item" else 0
        self._start(Block("item", depth, _plain(text), letter))

    def _item(self, bare: str, indent: int) -> Block | None:
        step, numbered, bullet = _STEP.match(bare), _NUMBERED.match(bare), _BULLET.match(bare)
        if step:
            return Block("item", 0, _plain(step.group(2) or step.group(4) or ""), step.group(1) or step.group(3))
        depth = 0 if indent < 2 else 1 + (indent - 2) // 4
        if numbered and _is_marker(numbered, self.blank or self.like.kind == "item"):
            return Block("item", depth, _plain(numbered.group(2)), numbered.group(1))
        if bullet:
            nested = self.like.kind == "item" and bool(self.like.label) and not self.blank
            boxed = _CHECK_BOX.match(bullet.group(1))
            text = _CHECK_BOX.sub("", bullet.group(1))
            return Block("item", depth if boxed else max(depth, 1 if nested else 0), _plain(text), "☐" if boxed else "")
        return None


def _table(lines: list[str]) -> list[Block]:
    """Make a table block, or items when the rows are steps: numbered from 1, with some words each."""
    rows = [[_plain(x) for x in re.split(r"(?<!\\)\|", line.strip()[1:-1])] for line in lines if line]
    rows = [row for row in rows if not all(map(_RULE_CELL.fullmatch, row))]
    head = rows[0] if rows and not _NUMBER_CELL.fullmatch(rows[0][0]) else []
    steps = [(m[1], row[1:]) for row in rows[bool(head) :] if (m := _NUMBER_CELL.fullmatch(row[0]))]
    counted = len(steps) == len(rows) - bool(head) >= 2 and steps[0][0] in ("1", "1.1")
    if not counted or sum(len(cells[0].split()) for _, cells in steps if cells) < 3 * len(steps):
        return [Block("table", 0, "\n".join(" | ".join(row) for row in rows))] if rows else []
    names = [*(f"{name.rstrip(':')}: " if name else "" for name in head[2:]), *[""] * max(len(row) for row in rows)]
    return [
        Block(
            "item",
            0,
            "\n".join([cells[0], *(n + x for n, x in zip(names, cells[1:], strict=False) if x.strip("-– "))]),
            label,
        )
        for label, cells in steps
    ]


def _is_marker(match: re.Match[str], after_break: bool) -> bool:
    """Return True if a leading number marks an item; `20 samples were` inside a wrapped sentence does not."""
    marked = match.string[match.end(1) : match.end(1) + 1] in {".", ")", "、"}
    titled = len(match.group(2)) <= 80 and match.group(2)[0].isupper() and not match.group(2).endswith(".")
    return marked or (after_break and ("." in match.group(1) or titled))


def _heading(bare: str, *, blank: bool, indent: int) -> Block | None:
    marked = _HEADING.match(bare) if indent < 4 else None
    if marked:
        return Block("heading", len(marked.group(1)), _plain(marked.group(2)))
    part = _PART.match(bare) or _PART_CJK.match(bare)
    if part and indent < 2 and not bare.endswith("."):
        return Block("heading", 1, _plain(bare))
    bold = _BOLD_LINE.match(bare) if indent < 2 else None
    if bold and not bold.group(1).rstrip().endswith((":", "：")):
        return Block("heading", 6, _plain(bold.group(1)))
    if blank and indent < 2 and _CAPITALS.match(bare) and sum(c.isalpha() for c in bare) >= 6:
        return Block("heading", 2, bare)
    return None


_MARKUP = re.compile(r"\*\*|__|`|!\[[^\]\n]{0,200}\]\([^)\n]{0,500}\)")
_ESCAPED = re.compile(r"\\([!-/:-@\[-`{-~])")
_LINK = re.compile(r"\[([^\]\n]{1,200})\]\(([^)\n]{1,500})\)")


def _plain(text: str) -> str:
    return _ESCAPED.sub(r"\1", _LINK.sub(r"\1 (\2)", _MARKUP.sub("", text))).strip()


def _numbered_headings(cut: tuple[Block, ...]) -> tuple[Block, ...]:
    """Turn `1 Title` over `1.1 …` into a heading, when there is no other heading."""
    if any(b.kind == "heading" and b.level <= 2 for b in cut[1:]):
        return cut
    above = {b.label.rsplit(".", 1)[0] for b in cut if b.kind == "item" and "." in b.label}
    return tuple(
        Block("heading", 1, b.text, b.label)
        if b.kind == "item" and b.level == 0 and b.label in above and "." not in b.label and len(b.text) <= 150
        else b
        for b in cut
    )
