"""Reader of protocols for review: from run folders, JSON of two shapes, Markdown, text, PDF, Word and JATS XML."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import ValidationError

from bioresearcher.errors import InputError
from bioresearcher.papers.documents import SourceFile
from bioresearcher.papers.reading_process import protocol_in_process
from bioresearcher.review.check import short
from bioresearcher.review.reading.article import read_article
from bioresearcher.review.reading.kind import Recognised, kind_of
from bioresearcher.review.reading.shared_json import shared_text
from bioresearcher.review.reading.text import MAX_STEPS, make_step, protocol_from_text
from bioresearcher.runfolder import safe_name
from bioresearcher.schemas.protocol import Protocol, ProtocolPart, ProtocolStep
from bioresearcher.text.format import count_of
from bioresearcher.text.visible import LOST, one_line, visible

MAX_BYTES = 20_000_000
"""Largest file that is read, in bytes."""

_HINT = "Give a protocol.json, a run folder, the protocol as Markdown, text, PDF or DOCX, or an article as JATS XML."
_TEXT_SUFFIXES = frozenset({".md", ".markdown", ".txt", ".text", ".rst", ""})


OWN = Recognised("dry-lab plan", "it is a protocol of this program")


@dataclass(frozen=True)
class Reading:
    """A protocol with the form it was read from and the warnings of the reader.

    Attributes:
        form: `run folder`, `protocol`, `experiment_program`, `protocols.io`, `json-ld`, `markdown`, `text`, `pdf`,
            `docx` or `jats`.
        warnings: Doubtful or left-out passages, a line each.
        problem: Reason why the file is no whole protocol, though it can be reviewed: it has parts, but no steps.
        kind: What kind of document it is, with the reason.
        text: The document's own words, where it was read from running text.
    """

    protocol: Protocol
    form: str
    warnings: tuple[str, ...] = ()
    problem: str = ""
    kind: Recognised = OWN
    text: str = ""


def places_in(protocol: Protocol) -> dict[str, str]:
    """Return words by which each part and step can be found in the file: `step 2.1` -> its title."""
    found = {f"part {p.id}": p.title for p in protocol.parts}
    for s in protocol.steps:
        first = s.action.split("\n", 1)[0]
        found[f"step {s.id}"] = first[:60] if first.startswith(s.title) else s.title
    return found


def read_protocol(path: Path) -> Reading:
    """Read a protocol from a file or a run folder.

    Protocols in our own JSON are taken as they are. All others get `origin="source"`: their parts and steps
    are numbered anew, and inputs and outputs of a step are recognised in labelled lines (`Inputs: …`).

    Raises:
        InputError: The file is not there, too large, of an unknown kind, damaged, or holds no steps.
    """
    if path.is_dir():
        inner = path / "protocol.json"
        if not inner.is_file():
            raise InputError(f"{path} is a folder without a protocol.json.", hint="Give a run folder or a file.")
        return _checked(Reading(_own_json(_json(inner), inner), "run folder"), inner)
    if not path.is_file():
        raise InputError(f"{path} is not there.", hint="Check the name.")
    suffix = path.suffix.lower()
    if suffix in {".json", ".jsonld"}:
        return _checked(_from_json(_json(path), path), path)
    if suffix in {".pdf", ".docx", ".docm"}:
        text, warnings = _office_text(path)
        return _from_text(text, path, suffix[1:].replace("docm", "docx"), warnings)
    if suffix in {".xml", ".nxml"}:
        protocol, text, kind, notes = read_article(path)
        return _checked(Reading(protocol, "jats", notes, kind=kind, text=text), path)
    if suffix in _TEXT_SUFFIXES:
        text, warnings = _plain_text(path)
        return _from_text(text, path, "markdown" if suffix in {".md", ".markdown"} else "text", warnings)
    hint = "Save it as .docx." if suffix in {".doc", ".odt", ".rtf"} else _HINT
    raise InputError(f"{path.name}: files of the kind {suffix} are not read.", hint=hint)


def _from_text(text: str, path: Path, form: str, warnings: list[str]) -> Reading:
    if form == "markdown" and (hidden := text.count("<!--")):
        text = _without_comments(text)
        warnings = [*warnings, f"{count_of(hidden, 'comment')} that a page does not show left out"]
    if form == "pdf" and (lost := text.count(LOST)):
        warnings = [
            *warnings,
            f"{count_of(lost, 'character')} of its fonts cannot be read, such as raised digits: {LOST}",
        ]
    protocol, more = protocol_from_text(text, path.name)
    return _checked(Reading(protocol, form, (*warnings, *more), kind=kind_of(text, protocol), text=text), path)


def _without_comments(text: str) -> str:
    """Leave HTML comments out of Markdown; one that is never closed goes to the end, as browsers have it."""
    before, *rest = text.split("<!--")
    return before + "".join(part.partition("-->")[2] for part in rest)


def _checked(reading: Reading, path: Path) -> Reading:
    n = len(reading.protocol.steps)
    if n == 0 and not reading.protocol.parts:
        raise InputError(f"{path} has no steps.", hint="There is nothing to review.")
    if n == 0:
        return replace(reading, problem=f"{path} has no steps; only its headings were reviewed.")
    if n > MAX_STEPS:
        raise InputError(f"{path} has {n} steps; at most {MAX_STEPS} are read.", hint="Is this one protocol?")
    return reading


def _bytes(path: Path) -> bytes:
    try:
        size = path.stat().st_size
        data = path.read_bytes() if size <= MAX_BYTES else b""
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    if size > MAX_BYTES:
        raise InputError(f"{path} is {size / 1e6:.0f} MB; at most {MAX_BYTES // 10**6} MB are read.", hint=_HINT)
    if not data:
        raise InputError(f"{path} is empty.", hint=_HINT)
    return data


def _office_text(path: Path) -> tuple[str, list[str]]:
    """Read the text of a PDF or Word file in the process with limits, as such files can be hostile."""
    data = _bytes(path)
    file = SourceFile(path.stem, path.suffix.lower(), str(path), hashlib.sha256(data).hexdigest())
    try:
        text, warnings = protocol_in_process(file, data)
    except InputError as error:
        raise InputError(f"{path.name}: {error.message}", hint=error.hint) from error
    return visible(text), list(warnings)


def _plain_text(path: Path) -> tuple[str, list[str]]:
    data = _bytes(path)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return visible(data.decode("utf-16", errors="replace")), ["read as UTF-16"]
    if b"\0" in data:
        raise InputError(f"{path.name} is not text.", hint=_HINT)
    try:
        return visible(data.decode("utf-8-sig")), []
    except UnicodeDecodeError:
        return visible(data.decode("cp1252", errors="replace")), [
            "is not UTF-8; read as Windows text, letters may be wrong"
        ]


# -- JSON ---------------------------------------------------------------------------------------------


def _json(path: Path) -> object:
    text, _ = _plain_text(path)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise InputError(f"{path} is not valid JSON ({where}: {error.msg}).", hint="Repair or re-export it.") from error
    except (RecursionError, ValueError) as error:
        raise InputError(f"{path} is not usable JSON: nested too deep, or a number too long.", hint=_HINT) from error


def _from_json(data: object, path: Path) -> Reading:
    if isinstance(data, dict):
        for wrapper in () if shared_text(data) else ("protocol", "experiment_program"):
            if isinstance(data.get(wrapper), dict) and len(data) <= 3:
                return _from_json(data[wrapper], path)
        if isinstance(data.get("parts"), list):
            return Reading(_own_json(data, path), "protocol")
        if shared := shared_text(data):
            return _from_text(visible(shared[0]), path, shared[1], [])
        if any(_PART_KEY.fullmatch(str(k)) for k in data):
            return _program(data, path)
    raise InputError(f"{path} is JSON, but not a protocol{_other_kind(data)}.", hint=_HINT)


def _own_json(data: object, path: Path) -> Protocol:
    try:
        return Protocol.model_validate_json(json.dumps(data))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(p) for p in first["loc"]) or "the whole file"
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        message = f"{path} is not a valid protocol: {one_line(where, 80)}: {short(first['msg'])}{more}."
        raise InputError(message, hint="See the JSON Schema of `Protocol`.") from error


def _other_kind(data: object) -> str:
    """Describe a JSON value that is no protocol, as ` (it looks like …)`."""
    if isinstance(data, list):
        return " (it is a list)"
    if not isinstance(data, dict):
        return f" (it is a single {type(data).__name__})"
    known = {
        "metrics": "a review",
        "totals": "a run's manifest",
        "paper_id": "a paper's report",
        "useful": "a list of data sets",
    }
    looks = next((kind for key, kind in known.items() if key in data), "")
    keys = ", ".join(one_line(str(k), 30) for k in list(data)[:4])
    return f" (it looks like {looks})" if looks else f" (its keys are {keys})" if keys else " (it is empty)"


_PART_KEY = re.compile(r"part\s*(\d{1,4})", re.I)
_STEP_KEY = re.compile(r"step\s*(\d{1,4})", re.I)


def _program(data: Mapping[str, object], path: Path) -> Reading:
    """Read the `experiment_program` shape: `Part n` -> its title under its own name, and `step k` -> details."""
    warnings = _order_warning([str(k) for k in data], _PART_KEY, "parts")
    parts: list[ProtocolPart] = []
    for key in sorted((k for k in data if _PART_KEY.fullmatch(str(k))), key=lambda k: _number(_PART_KEY, k)):
        value = data[key]
        if not isinstance(value, dict):
            what = "dry-lab tasks" if isinstance(value, list) else "a paper's report or its analysis"
            raise InputError(
                f"{path}: “{short(key)}” holds no steps; it looks like {what}, not a protocol.", hint=_HINT
            )
        parts.append(_program_part(key, value, len(parts) + 1, path, warnings))
        warnings += _order_warning([str(k) for k in value], _STEP_KEY, f"steps of {key}")
    unread = [one_line(str(k), 40) for k in data if not _PART_KEY.fullmatch(str(k))]
    if unread:
        warnings.append(f"not read: {', '.join(unread[:5])}")
    name = safe_name(path.stem).lower()
    protocol = Protocol(id=name, title=path.stem, objective_id="", parts=tuple(parts), origin="source")
    words = "\n".join(f"{s.title}. {s.action}" for s in protocol.steps)
    return Reading(protocol, "experiment_program", tuple(warnings), kind=kind_of(words, protocol))


def _program_part(key: str, value: Mapping[str, object], number: int, path: Path, left_out: list[str]) -> ProtocolPart:
    title = value.get(key)
    steps: list[ProtocolStep] = []
    for step_key in sorted((k for k in value if _STEP_KEY.fullmatch(str(k))), key=lambda k: _number(_STEP_KEY, k)):
        step = value[step_key]
        if isinstance(step, dict) and "original text" in step:
            raise InputError(f"{path}: this is a paper's report, not a protocol.", hint=_HINT)
        details = step.get("implementation details") if isinstance(step, dict) else step
        if not isinstance(details, str):
            left_out.append(f"{short(key)}, {short(step_key)} has no text in `implementation details` and was left out")
            continue
        source = _sources(step.get("Reference Source")) if isinstance(step, dict) else ""
        lines = visible(details).split("\n")
        fields = {"sources": [source]} if source else {}
        steps.append(make_step("", lines, fields, f"{number}.{len(steps) + 1}"))
    purpose = next((value[k] for k in ("introduction", "purpose") if isinstance(value.get(k), str)), "")
    title_text = visible(title) if isinstance(title, str) else key
    return ProtocolPart(
        id=str(number), title=title_text[:300], purpose=visible(str(purpose))[:2000], steps=tuple(steps)
    )


def _sources(value: object) -> str:
    """Format a step's references as one line: the ids with the cited places of each."""
    if isinstance(value, str):
        return visible(value)
    if not isinstance(value, dict):
        return ""
    inner = [item for v in value.values() if isinstance(v, dict) for item in v.items()]
    cited = (f"{k} ({', '.join(map(str, v)) if isinstance(v, list) else v})" for k, v in inner)
    return visible("; ".join(dict.fromkeys(cited)))[:2000] if inner else ""


def _number(pattern: re.Pattern[str], key: str) -> int:
    match = pattern.fullmatch(str(key))
    return int(match.group(1)) if match else 0


def _order_warning(keys: list[str], pattern: re.Pattern[str], what: str) -> list[str]:
    numbers = [_number(pattern, k) for k in keys if pattern.fullmatch(k)]
    if sorted(numbers) != list(range(1, len(numbers) + 1)):
        return [f"the {what} are numbered {', '.join(map(str, numbers[:12]))} in the file; they were put in order"]
    return []
