"""What a comment on a protocol says that rules can be sure of: names, things to drop, to set, to exclude, to require.

Pure functions. What is not recognised here is not guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from bioresearcher.llm.offline.choose import asked_for
from bioresearcher.schemas.ask_design import SkillBrief
from bioresearcher.schemas.protocol import Protocol, ProtocolPart, ProtocolStep
from bioresearcher.text.words import normal

_CUT = re.compile(
    r"[.;](?=\s|$)|\n|,?\s+(?:and|but|then)\s+(?:please\s+)?"
    r"(?=(?:drop|remove|delete|omit|leave|skip|exclude|add|include|set|use|change|raise|lower|increase|reduce|require)\b)",
    re.IGNORECASE,
)
_DROP = re.compile(r"\b(?:drop|remove|delete|omit|skip|leave\s+out|take\s+out)\b", re.IGNORECASE)
_EXCLUDE = re.compile(
    r"\b(?:exclude|ignore|drop|remove|omit|leave\s+out|without|(?:do\s+not|don['’]t|never)\s+use)\b", re.IGNORECASE
)
_ADD = re.compile(r"\b(?:add|include|also|additionally|perform|plan|carry\s+out)\b", re.IGNORECASE)
_REQUIRE = re.compile(
    r"^\s*(?:please\s+)?(?:add\s+(?:a|the|as\s+a)\s+|new\s+)?(?:requirement\s*(?:R\d+)?\s*[:,]|requirement\s+R\d+\s+must|"
    r"require\s+(?:that\s+)?|(?:the\s+)?(?:protocol|design|plan|it)\s+must\s+)\s*(.{8,})$",
    re.IGNORECASE | re.DOTALL,
)
_PARTS = re.compile(r"\bparts?\s+(\d+(?:\s*(?:,|and|&)\s*\d+)*)(?!\.?\d)", re.IGNORECASE)
_STEPS = re.compile(r"\bsteps?\s+(\d+\.\d+(?:\s*(?:,|and|&)\s*\d+\.\d+)*)", re.IGNORECASE)
_LEAST_TITLE = 10
"""Characters a title must have to be recognised by its words."""
_VALUE = r"([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?|true|false|yes|no)"
_LINK = (
    r"(?:\s+(?:from\s+\S+(?=\s+to\b)|(?:in|of|for)\s+(?:steps?\s+\d+\.\d+|parts?\s+\d+)|cut-?off|threshold|level|value"
    r"|number|of|to|at|is|be|below|under|than|less))*"
)
"""What may stand between a parameter's name and its value."""
_SPOKEN = {
    "fdr": ("fdr", "false discovery rate"),
    "alpha": ("alpha", "significance level"),
    "permutations": ("permutations",),
}
"""Other names under which people speak of a parameter."""


def clauses(comment: str) -> tuple[str, ...]:
    """The comment in pieces that each ask for one thing."""
    return tuple(piece.strip() for piece in _CUT.split(comment) if piece and piece.strip())


def named_steps(clause: str, steps: Collection[str]) -> tuple[str, ...]:
    """Ids of existing steps that are named as such (`step 2.1`, `steps 2.1 and 3.2`)."""
    found = (n for group in _STEPS.findall(clause) for n in re.findall(r"\d+\.\d+", group))
    return tuple(dict.fromkeys(n for n in found if n in steps))


def named_parts(clause: str, parts: Collection[str]) -> tuple[str, ...]:
    """Ids of existing parts that are named as such."""
    found = (n for group in _PARTS.findall(clause) for n in re.findall(r"\d+", group))
    return tuple(dict.fromkeys(n for n in found if n in parts))


def titled(clause: str, items: Sequence[ProtocolPart | ProtocolStep]) -> tuple[str, ...]:
    """Ids of parts or steps whose title stands in the clause."""
    text = normal(clause)
    return tuple(i.id for i in items if len(i.title) >= _LEAST_TITLE and normal(i.title) in text)


def unknown_names(comment: str, protocol: Protocol) -> tuple[str, ...]:
    """Parts and steps that the comment names and the protocol does not have, in words."""
    parts, steps = {p.id for p in protocol.parts}, {s.id for s in protocol.steps}
    said = [f"part {n}" for g in _PARTS.findall(comment) for n in re.findall(r"\d+", g) if n not in parts]
    said += [f"step {n}" for g in _STEPS.findall(comment) for n in re.findall(r"\d+\.\d+", g) if n not in steps]
    return tuple(dict.fromkeys(said))


def drops(comment: str, part: ProtocolPart, skills: Sequence[SkillBrief] = ()) -> tuple[bool, tuple[str, ...]]:
    """Whether the whole part is to go, and which of its steps are: by number, by title, or by their vetted analysis."""
    whole, gone = False, list[str]()
    for clause in clauses(comment):
        if not _DROP.search(clause):
            continue
        own = (*named_steps(clause, [s.id for s in part.steps]), *titled(clause, part.steps))
        if not own and not _PARTS.search(clause) and not _STEPS.search(clause):
            meant = {s.name for s in skills if asked_for(s, clause)}
            own = tuple(s.id for s in part.steps if s.skill in meant)
        gone += own
        whole |= not own and part.id in (*named_parts(clause, [part.id]), *titled(clause, [part]))
    return whole, tuple(dict.fromkeys(gone))


def settings_in(comment: str, part: ProtocolPart) -> dict[tuple[str, str], str]:
    """(Step id, parameter) -> the value the comment gives it.

    A clause that names parts or steps means only those; any other means every step that prints the parameter.
    """
    found: dict[tuple[str, str], str] = {}
    for clause in clauses(comment):
        steps = named_steps(clause, [s.id for s in part.steps])
        elsewhere = bool(_STEPS.search(clause) or _PARTS.search(clause)) and not steps
        if elsewhere and part.id not in named_parts(clause, [part.id]):
            continue
        for step in part.steps:
            for parameter in step.parameters if not steps or step.id in steps else ():
                value = _set_to(parameter.name, clause)
                if value is not None and value != parameter.value:
                    found[step.id, parameter.name] = value
    return found


def _set_to(name: str, clause: str) -> str | None:
    """The last value that stands behind a parameter's name, however it is spelt."""
    spoken = (name, name.replace("_", " "), *_SPOKEN.get(name.casefold(), ()))
    for said in sorted(dict.fromkeys(spoken), key=len, reverse=True):
        words = re.escape(said).replace(r"\ ", r"[\s_-]+")
        pattern = rf"\b{words}\b{_LINK}\s*(?:=|:|<=?|≤)?\s*{_VALUE}(?![\w.]*\d)"
        match = re.search(pattern, clause, re.IGNORECASE)
        if match:
            return match[1].casefold()
    return None


def excluded(comment: str, ids: Collection[str]) -> tuple[str, ...]:
    """Data sets and papers, of those given, that may no longer be used."""
    found = []
    for clause in clauses(comment):
        if _EXCLUDE.search(clause):
            text = clause.casefold()
            found += [i for i in ids if re.search(rf"(?<![\w]){re.escape(i.casefold())}(?!\w)", text)]
    return tuple(dict.fromkeys(found))


def required(comment: str) -> tuple[str, ...]:
    """Texts of requirements that the comment adds."""
    found = (_REQUIRE.match(clause) for clause in clauses(comment))
    return tuple(" ".join(m[1].split()) for m in found if m)


def added(comment: str) -> tuple[str, ...]:
    """The clauses that ask for something more to be done."""
    return tuple(c for c in clauses(comment) if (_ADD.search(c) and not _DROP.search(c)) or _REQUIRE.match(c))


def drops_something(clause: str) -> bool:
    """Whether a clause asks for something to be dropped."""
    return bool(_DROP.search(clause))


def drops_or_sets(comment: str, parts: Sequence[ProtocolPart], skills: Sequence[SkillBrief] = ()) -> bool:
    """Whether rules find something to drop or to set in one of the parts."""
    return any(any(drops(comment, p, skills)) or settings_in(comment, p) for p in parts)


def not_understood(
    comment: str, parts: Sequence[ProtocolPart], skills: Sequence[SkillBrief], ids: Collection[str]
) -> tuple[str, ...]:
    """The clauses of which rules can do nothing."""
    return tuple(
        clause
        for clause in clauses(comment)
        if not drops_or_sets(clause, parts, skills)
        and not excluded(clause, ids)
        and not required(clause)
        and not (added(clause) and any(asked_for(s, clause) for s in skills))
    )
