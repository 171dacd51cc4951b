"""Reader of protocols from free text: headings become parts, items or sub-headings become steps."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, Literal

from bioresearcher.errors import InputError
from bioresearcher.review.checks_references import ACCESSION
from bioresearcher.review.reading.blocks import Block, blocks
from bioresearcher.review.reading.numbering import own_numbers
from bioresearcher.review.reading.sections import Role, instructs, role_of
from bioresearcher.review.vocabulary import FIELD_NAMES, SOFTWARE, WET, WET_CJK, listed
from bioresearcher.runfolder import safe_name
from bioresearcher.schemas.paper_report import Parameter
from bioresearcher.schemas.protocol import Protocol, ProtocolPart, ProtocolStep, StepInput, StepOutput
from bioresearcher.text.format import count_of

MAX_STEPS = 5_000
"""Largest number of steps of a protocol; a file with more is refused."""

_ROWS_OF_STEP = 30
"""Largest number of rows of a table that belongs to a step; a longer one is a list, such as one of codes."""

_PREFIX = re.compile(
    r"^(?:(?:part|section|phase|module|step|步骤)\s*(?:\d{1,3}(?:\.\d{1,3})*|[IVX]{1,5}\b)"
    r"|第\s*\S{1,3}\s*(?:部分|章|节|阶段)|\d{1,3}(?:\.\d{1,3})*(?=[.):：、\s]))\s*[.:：)、–—-]?\s*",
    re.I,
)
_IS_PART = re.compile(r"^(?:part|section|phase|module|第)\s*\S", re.I)
_IS_STEP = re.compile(r"^(?:step|步骤)\s*\d|^\d{1,3}\.\d{1,3}\b", re.I)
_FIELD = re.compile(
    r"^(?P<name>inputs?|outputs?|results? files?|parameters?|settings|software|tools?"
    r"|acceptance(?: criteri(?:on|a))?|success criteri(?:on|a)"
    r"|expected (?:result|outcome)|rationale|reason|why|data ?sets?|data|purpose|goal|action|procedure|kind"
    r"|type|depends on|reference source|evidence|learnt from|links?|accepted when|rests on|serves|skill"
    r"|vetted analysis|origin"
    r"|输入|输出|参数|软件|验收标准|理由|数据集)\s*[:：]\s*(?P<value>.*)$",
    re.I | re.S,
)
_CANONICAL = {other: field for field, others in FIELD_NAMES.items() for other in others}
_DRY = listed("read_text", "dry")


_AMOUNT = re.compile(r"\d\s?(?:[µμ]l|ml|[µμ]g|mg|ng|mM|[µμ]M|nM|°\s?C|×\s?g)(?![\w])")
_INLINE_FIELD = re.compile(
    r"(?<=[.;。])\s+(?=(?:inputs?|outputs?|acceptance(?: criteri(?:on|a))?|software|parameters?|rationale"
    r"|expected (?:result|outcome))\s*[:：])",
    re.I,
)
_OUTPUTS_FOLLOW = re.compile(r"\s+→\s+(?=outputs?\s*[:：])", re.I)
_IN_WORDS = re.compile(
    r"(?:(?P<name>.+) \()?(?:(?P<output>[^()]+?) from step (?P<step>\d+\.\d+)"
    r"|(?P<file>[^()]+?) of data set (?P<data>[\w.-]+))\)?$"
)
"""An input in the words of our own protocols: `<output> from step <id>`, `<file> of data set <id>`."""
_SOURCE_LINE = re.compile(r"^(?:>|Learnt from\b)")
_KIND_LINE = re.compile(r"^\((?:dry|wet) lab\b")


@dataclass
class _Step:
    title: str
    lines: list[str] = field(default_factory=list)
    fields: dict[str, list[str]] = field(default_factory=dict)
    from_heading: bool = False
    label: str = ""


@dataclass
class _Part:
    title: str
    role: Role = "part"
    label: str = ""
    paragraphs: list[str] = field(default_factory=list)
    purpose: list[str] = field(default_factory=list)
    steps: list[_Step] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    open_field: str = ""
    found: bool = False


_TOLD: Final = ("materials", "notes", "timing", "results", "conclusions")
"""Sections whose words go to the protocol's summary, under their headings."""

_MAY_HOLD_STEPS: Final = ("front", "materials", "notes", "timing", "results")
"""Sections in which numbered instructions are steps all the same: people forget a heading."""


def protocol_from_text(text: str, name: str) -> tuple[Protocol, tuple[str, ...]]:
    """Read a protocol from Markdown or plain text; return it with the warnings of the reader.

    Raises:
        InputError: There is no text, or nothing in it looks like a step.
    """
    cut = blocks(text)
    if not cut:
        raise InputError(f"{name} holds no text.", hint="Give a file with the protocol's words in it.")
    title, rest = _title(cut, name)
    warnings: list[str] = []
    parts = _parts(rest, title)
    if len(parts) > 1 and not parts[0].steps:
        parts[0].role = "front"
    _lists_of_things(parts)
    _prose(parts, warnings)
    for p in parts:
        if len(p.tables) > _ROWS_OF_STEP:
            warnings.append(f"{len(p.tables)} rows of tables in “{p.title[:60]}” were not read as steps")
        if p.tables and not (p.steps or p.paragraphs or p.purpose):
            p.role = "aside"
    kept = [p for p in parts if p.role == "part" and (p.steps or p.paragraphs or p.title != title)]
    n_steps = sum(len(p.steps) for p in kept)
    if n_steps == 0 and len(bare := [p for p in parts if p.role in ("part", "results") and p.title != title]) >= 2:
        kept = bare
    elif n_steps == 0:
        raise InputError(f"{name} has no steps.", hint="Write parts as headings and steps as numbered items.")
    if n_steps > MAX_STEPS:
        raise InputError(f"{name} has {n_steps} steps; at most {MAX_STEPS} are read.", hint="Is this one protocol?")
    aside = [p.title.rstrip(":") for p in parts if p.role not in ("part", "front", "limits")]
    if aside:
        warnings.append(f"not read as steps: {', '.join(aside[:5])}")
    warnings += [
        f"{count_of(len(p.steps), 'numbered step')} found under “{p.title.rstrip(':')[:60]}”" for p in parts if p.found
    ]
    warnings += _label_jumps(kept)
    filled = [p for p in kept if p.steps or p.paragraphs or p.purpose or not n_steps]
    told = [x for p in parts if p.role == "front" for x in p.paragraphs]
    told += [
        f"{p.title.rstrip(':')}: {' '.join(p.paragraphs)}"[:1500] for p in parts if p.role in _TOLD and p.paragraphs
    ]
    part_ids, step_ids = own_numbers([(p.label, [s.label for s in p.steps]) for p in filled])
    limits = tuple(x for p in parts if p.role == "limits" for x in p.paragraphs)
    protocol = Protocol(
        id=safe_name(name).lower(),
        title=title,
        objective_id="",
        summary="\n".join(told)[:4000],
        parts=_with_flow(tuple(_part(p, n, s) for p, n, s in zip(filled, part_ids, step_ids, strict=True))),
        limitations=limits,
        origin="source",
    )
    return protocol, tuple(warnings)


_PICTURES: Final = re.compile(r"!?\[[^\[\]]{0,200}\]\([^()]{0,300}\)")
"""Links and pictures, such as the badges above a title."""


def _title(cut: tuple[Block, ...], name: str) -> tuple[str, tuple[Block, ...]]:
    """Find the title: a single heading at the top level, or a short first line; else the file's name."""
    while len(cut) > 1 and cut[0].kind == "text" and not _PICTURES.sub("", cut[0].text).strip():
        cut = cut[1:]
    first = cut[0]
    stem = re.sub(r"\.\w{1,8}$", "", name)
    if first.kind == "heading" and not _IS_PART.match(first.text) and not _IS_STEP.match(first.text):
        same = sum(b.kind == "heading" and b.level <= first.level for b in cut)
        if same == 1:
            return first.text[:300], cut[1:]
    short = first.kind == "text" and len(first.text) <= 150 and not first.text.rstrip().endswith((".", "。", ":", "："))
    if short and len(cut) > 1 and "\n" not in first.text:
        return first.text, cut[1:]
    return stem, cut


def _parts(cut: tuple[Block, ...], title: str) -> list[_Part]:
    part_level, step_level = _levels(cut)
    parts = [_Part(title)]
    awaited = _before_step_headings(cut, part_level, step_level)
    for number, b in enumerate(cut):
        part = parts[-1]
        if b.kind == "heading" and (part_level is not None and b.level <= part_level):
            parts.append(_new_part(b))
        elif b.kind == "heading" and part.role == "part" and step_level is not None and b.level == step_level:
            part.steps.append(_Step(_unprefixed(b.text), from_heading=True, label=_label(b.text)))
            part.open_field = ""
        elif part.role in _MAY_HOLD_STEPS and b.kind == "item" and b.label and b.level == 0 and instructs(b.text):
            parts.append(_Part(part.title, label=part.label, found=True))
            _into_part(parts[-1], b)
        elif part.role != "part" or (number in awaited and b.kind == "item" and not _FIELD.match(b.text)):
            part.paragraphs.append(b.text)
        else:
            _into_part(part, b)
    return parts


def _before_step_headings(cut: tuple[Block, ...], part_level: int | None, step_level: int | None) -> set[int]:
    """Find the positions between a part's heading and its first step's heading: a list there belongs to the part."""
    found: set[int] = set()
    pending: list[int] | None = []
    for number, b in enumerate(cut):
        if b.kind == "heading" and part_level is not None and b.level <= part_level:
            pending = []
        elif b.kind == "heading" and step_level is not None and b.level == step_level:
            found |= set(pending or ())
            pending = None
        elif pending is not None:
            pending.append(number)
    return found


def _levels(cut: tuple[Block, ...]) -> tuple[int | None, int | None]:
    """Determine the heading levels of parts and of steps."""
    headings = [b for b in cut if b.kind == "heading"]
    if not headings:
        return None, None
    named = [b.level for b in headings if _IS_PART.match(b.text)]
    steps = [b.level for b in headings if _IS_STEP.match(b.text)]
    part = min(named) if named else min(b.level for b in headings)
    if not named and steps and part >= min(steps):
        return (None, min(steps)) if part == min(steps) == max(b.level for b in headings) else (part - 1, min(steps))
    below = [b.level for b in headings if b.level > part]
    if below and not named and not steps and _heads_steps(cut, min(below)):
        return min(below), None
    return part, min(steps) if steps and min(steps) > part else (min(below) if below else None)


def _heads_steps(cut: tuple[Block, ...], level: int) -> bool:
    """Return True if headings of a level stand above counted items: they are parts, and the items are the steps."""
    counts: list[int] = []
    beside = False
    for b in cut:
        if b.kind == "heading":
            beside = role_of(_unprefixed(b.text)) != "part" if b.level < level else beside
            counts = [*counts, 0] if b.level == level and not beside else counts
        elif counts and b.kind == "item" and b.level == 0 and b.label and not _FIELD.match(b.text):
            counts[-1] += 1
    headed = [n for n in counts if n]
    return sum(headed) >= 2 * len(headed) > 0 and 2 * len(headed) >= len(counts)


def _new_part(b: Block) -> _Part:
    name = _unprefixed(b.text)
    return _Part(name, "part" if _IS_PART.match(b.text) else role_of(name), b.label or _label(b.text))


def _unprefixed(text: str) -> str:
    return _PREFIX.sub("", text, count=1).strip()


def _label(text: str) -> str:
    m = re.match(r"(?:step|part|步骤)?\s*(\d{1,3}(?:\.\d{1,3})*)(?=[.):：、–—-]|\s+[^\W\d_]|$)", text, re.I)
    return m.group(1) if m else ""


def _into_part(part: _Part, b: Block) -> None:
    """Add a block to a part; an item starts a step unless it is labelled, nested, or under a step's own heading."""
    step = part.steps[-1] if part.steps else None
    labelled = _FIELD.match(b.text)
    if b.kind == "table":
        rows = b.text.split("\n")
        if step is not None and len(rows) <= _ROWS_OF_STEP:
            step.lines += rows
        else:
            part.tables += rows
    elif labelled:
        _into_field(part, step, labelled)
    elif step is not None and part.open_field and b.kind == "item" and (b.level > 0 or step.from_heading):
        step.fields[part.open_field] += [b.text]
    elif b.kind == "item" and (step is None or (b.level == 0 and not step.from_heading)):
        part.open_field = ""
        part.steps.append(_item_step(b, part))
    elif step is not None and _SOURCE_LINE.match(b.text):
        step.fields.setdefault("sources", []).append(b.text.lstrip("> "))
    elif step is not None and _KIND_LINE.match(b.text):
        step.fields.setdefault("kind", []).append(b.text.split()[0])
    elif step is not None:
        part.open_field = ""
        _add_lines(step, part, b.text)
    else:
        part.paragraphs.append(b.text)


def _into_field(part: _Part, step: _Step | None, labelled: re.Match[str]) -> None:
    name = _canonical(labelled.group("name"))
    value = _OUTPUTS_FOLLOW.sub("\n", labelled.group("value").strip())
    if step is None:
        if name == "purpose":
            part.purpose.append(value)
        else:
            part.paragraphs.append(labelled.string)
        return
    first, *others = value.split("\n") if value else [""]
    step.fields.setdefault(name, []).extend([first] if first else [])
    part.open_field = name
    for line in others:
        nested = _FIELD.match(line)
        if nested:
            name = part.open_field = _canonical(nested.group("name"))
        step.fields.setdefault(name, []).append(nested.group("value") if nested else line)


def _canonical(name: str) -> str:
    low = name.lower()
    return _CANONICAL.get(low) or _CANONICAL.get(low.removesuffix("s")) or low


def _item_step(b: Block, part: _Part) -> _Step:
    first, *others = _INLINE_FIELD.sub("\n", b.text).split("\n")
    step = _Step("", lines=[first], label=b.label)
    if others:
        part.steps.append(step)
        _add_lines(step, part, "\n".join(others))
        part.steps.pop()
    return step


def _add_lines(step: _Step, part: _Part, text: str) -> None:
    for line in _INLINE_FIELD.sub("\n", text).split("\n"):
        labelled = _FIELD.match(line)
        if labelled:
            _into_field(part, step, labelled)
        else:
            step.lines.append(line)


def _lists_of_things(parts: list[_Part]) -> None:
    """Take parts of bullets that tell nobody to do anything as notes, where other parts count their steps."""
    if sum(bool(s.label) for p in parts for s in p.steps if p.role == "part") < 2:
        return
    for p in parts:
        bare = p.role == "part" and p.steps and not any(s.label or s.from_heading or s.fields for s in p.steps)
        if bare and 2 * sum(instructs(s.lines[0]) for s in p.steps if s.lines) < len(p.steps):
            p.paragraphs += [line for s in p.steps for line in s.lines]
            p.steps, p.role = [], "notes"


def _prose(parts: list[_Part], warnings: list[str]) -> None:
    """Take the paragraphs of parts without items as steps, if more than a remark, or else the rows of tables."""
    made = 0
    enough = 80 if any(p.steps for p in parts) else 4
    for p in parts:
        if p.role == "part" and not p.steps and len(" ".join(p.paragraphs)) >= enough:
            p.steps = [_Step("", lines=[x]) for x in p.paragraphs]
            p.paragraphs = []
            made += len(p.steps)
    none = not any(p.steps for p in parts)
    for p in parts:  # rows of sentences are steps, rows of a few words are a list
        sentences = len(re.findall(r"\w+", " ".join(p.tables))) >= 8 * len(p.tables)
        if none or (p.role == "part" and sentences and not (p.steps or p.paragraphs)):
            p.steps = _steps_of_rows(p.tables)
            made += len(p.steps)
            p.tables = []
    if made:
        noun = count_of(made, "paragraph was", "paragraphs were")
        warnings.append(f"{noun} taken as steps, because nothing marks steps there")


_NUMBERED_ROW: Final = re.compile(r"(\d{1,3}(?:\.\d{1,3})*)[.)]? \| (\S.*)")


def _steps_of_rows(rows: list[str]) -> list[_Step]:
    """Make a step of each row of a table; where all but the first begin with a number, the first names the columns."""
    numbered = [_NUMBERED_ROW.fullmatch(row) for row in rows]
    if len(rows) > 1 and not numbered[0] and all(numbered[1:]):
        numbered = numbered[1:]
    found = [_Step("", lines=[m[2]], label=m[1]) for m in numbered if m]
    return found if len(found) == len(numbered) else [_Step("", lines=[row]) for row in rows]


def _label_jumps(parts: list[_Part]) -> list[str]:
    """Warnings about step numbers that repeat or jump in the source; the protocol is numbered anew."""
    odd = []
    for p in parts:
        numbers = [int(last) for s in p.steps if (last := s.label.rsplit(".", 1)[-1]).isdecimal()]
        if any(b - a != 1 for a, b in pairwise(numbers)) and len(set(numbers)) > 1:
            odd.append(f"the steps of “{p.title[:60]}” are numbered {', '.join(map(str, numbers[:8]))} in the file")
    return odd[:5]


def _part(p: _Part, number: str, numbers: list[str]) -> ProtocolPart:
    steps = tuple(make_step(s.title, s.lines, s.fields, n) for s, n in zip(p.steps, numbers, strict=True))
    purpose = " ".join([*p.purpose, *p.paragraphs, *(p.tables if len(p.tables) <= _ROWS_OF_STEP else ())])[:2000]
    return ProtocolPart(id=number, title=p.title.rstrip(":：")[:300], purpose=purpose, steps=steps)


def _with_flow(parts: tuple[ProtocolPart, ...]) -> tuple[ProtocolPart, ...]:
    """Return the parts with inputs such as `scores from step 2.1`, where that step has such an output, as sources."""
    made = {(s.id, o.name) for p in parts for s in p.steps for o in s.outputs}

    def settled(given: StepInput) -> tuple[StepInput, ...]:
        found = _IN_WORDS.match(given.name) if given.source == "given" else None
        if found and found["file"]:
            return tuple(
                StepInput(name=found["name"] or file, source=f"dataset:{found['data']}/{file}")
                for file in found["file"].split(", ")
            )
        if found and (found["step"], found["output"]) in made:
            source = f"step:{found['step']}/{found['output']}"
            return (StepInput(name=found["name"] or found["output"], source=source),)
        return (given,)

    def step(given: ProtocolStep) -> ProtocolStep:
        return given.model_copy(update={"inputs": tuple(one for i in given.inputs for one in settled(i))})

    return tuple(p.model_copy(update={"steps": tuple(map(step, p.steps))}) for p in parts)


def make_step(title: str, lines: list[str], fields: dict[str, list[str]], step_id: str) -> ProtocolStep:
    """Make a step from its words and labelled fields; software, data sets and kind are recognised in the words."""
    action = "\n".join([*lines, *fields.get("action", ())]).strip()
    if not title:
        title, action = _split_title(action)
    text = f"{title}. {action}"
    sources = [f"Sources: {line}" for line in fields.get("sources", ()) if line]
    given = [v for v in _values(fields.get("datasets", ()), r"[,;\n]") if re.fullmatch(r"[\w.-]{2,60}", v)]
    named = [*given, *(m.group() for m in ACCESSION.finditer(" ".join(fields.get("datasets", ())) + " " + text))]
    return ProtocolStep(
        id=step_id,
        title=title[:300],
        action=action,
        rationale="\n".join([*fields.get("rationale", ()), *fields.get("purpose", ()), *sources]),
        parameters=tuple(_parameter(v) for v in _values(fields.get("parameters", ()), r"[;\n]|,(?=[^,;]*[=:])")),
        inputs=tuple(_input(v) for v in _values(fields.get("inputs", ()), r"[;\n]")),
        outputs=tuple(_output(v) for v in _values(fields.get("outputs", ()), r"[;\n]")),
        datasets=tuple(dict.fromkeys(n for n in named if not re.match(r"GSM|GPL|PMC|PMID|10\.", n))),
        software=_software(fields, text),
        acceptance=" ".join(fields.get("acceptance", ())),
        kind=_kind(fields, text),
        origin="source",
    )


def _split_title(action: str) -> tuple[str, str]:
    """Split `Title: what to do` and `Title. what to do`; else the first words are the title."""
    first = action.split("\n", 1)[0]
    m = re.match(r"([^.:：。]{3,80})(?:[:：]|\.\s|。)\s*(?=\S)", first)
    if m and len(m.group(1).split()) <= 9 and len(action) - m.end() >= 20:
        return m.group(1).strip(), action[m.end() :].strip()
    words = first.split()
    return (first[:60] if len(words) <= 1 else " ".join(words[:9])[:100]).rstrip(".,;:"), action


def _values(texts: list[str] | tuple[()], separator: str) -> list[str]:
    found = [v.strip(" -*•") for t in texts for v in re.split(separator, t)]
    return [v for v in found if v and v.lower() not in {"none", "n/a", "-"}]


def _parameter(text: str) -> Parameter:
    name, sign, value = text.partition("=") if "=" in text else text.partition(":")
    named = (name.strip()[:200], value.strip()[:500]) if sign else ("setting", text[:500])
    return Parameter(name=named[0], value=named[1])


def _input(text: str) -> StepInput:
    """Parse `name (source)`, or a source that ends in the name; without a source of `StepInput` it is `given`."""
    m = re.search(r"\(?\b(step:\d+(?:\.\d+)*/[^()]+?|dataset:[^()/\s]+/[^()]+?|given)\)?$", text)
    name = text[: m.start()].strip() or m.group(1).rpartition("/")[2] if m else text
    return StepInput(name=(name or text)[:300], source=m.group(1) if m else "given")


def _output(text: str) -> StepOutput:
    name, _, description = (x.strip() for x in re.sub(r"\s[—–-]\s", "\0", text, count=1).partition("\0"))
    stated = re.search(r"\s*\((table|figure|text|model|material|decision)\)$", name)
    low = text.lower()
    kinds = (
        ("figure", "figure|plot|png|svg|heat ?map|curve"),
        ("model", "model|classifier"),
        ("text", r"report|\.txt|\.md"),
    )
    kind = next((k for k, cue in kinds if re.search(cue, low)), "table")
    if stated:
        name, kind = name[: stated.start()], stated.group(1)
    return StepOutput.model_validate({"name": name.rstrip(".")[:200], "kind": kind, "description": description[:500]})


def _software(fields: dict[str, list[str]], text: str) -> tuple[str, ...]:
    given = _values(fields.get("software", ()), r"[,;\n]")
    return tuple(given) or tuple(dict.fromkeys(m.group() for m in SOFTWARE.finditer(text[:20_000])))


def _kind(fields: dict[str, list[str]], text: str) -> Literal["dry", "wet"]:
    stated = " ".join(fields.get("kind", ())).lower()
    if "wet" in stated or "dry" in stated:
        return "wet" if "wet" in stated else "dry"
    wet = len(WET.findall(text[:20_000])) + len(WET_CJK.findall(text[:20_000])) + len(_AMOUNT.findall(text[:20_000]))
    wet += 2 * sum("(material)" in line for line in fields.get("outputs", ()))
    return "wet" if wet > len(_DRY.findall(text[:20_000])) else "dry"
