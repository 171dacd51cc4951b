"""The programmer's material: whole steps, the definitions they name, the helpers that code may call, one example."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Mapping, Sequence
from typing import Final

from bioresearcher.schemas.ask_program import SkillExample, StepBrief
from bioresearcher.schemas.execution import DryLabTask, Language
from bioresearcher.schemas.protocol import Definition, Protocol, ProtocolStep
from bioresearcher.schemas.skill import Skill
from bioresearcher.skills import shared_modules
from bioresearcher.text.words import content_words, overlap

WHOLE_CHARS: Final = 12_000
"""Most characters of instructions and code of an example that is shown whole; a longer one is shown in outline."""
LIKE: Final = 0.12
"""Least share of words that an example for another task has in common with the task."""
_OUTLINE_LINES: Final = 40
_PURPOSE_CHARS: Final = 110
_MODULES: Final = {
    "bioskill": "",
    "biocohort": "",
    "bioscore": r"scor|signature|gene set|z-",
    "biosurvival": r"surviv|hazard|cox|log-rank|kaplan|time to|event|relapse|follow",
    "biolinear": r"linear|moderat|pair|covariat|adjust|batch|differential|expressed",
}
"""Modules of which functions are listed -> words of tasks that may use them; empty: every task."""


def step_briefs(protocol: Protocol | None, task: DryLabTask) -> tuple[StepBrief, ...]:
    """Return the steps that a task carries out, each whole."""
    return tuple(_brief(s) for s in protocol.steps if s.id in task.step_ids) if protocol else ()


def _brief(step: ProtocolStep) -> StepBrief:
    claims = [f"{c.claim} ({c.ref})" for c in step.citations if c.state == "supported" and c.kind != "general"]
    quotes = [f"{link.claim or 'passage'} ({link.paper_id}): “{link.evidence.text}”" for link in step.links]
    return StepBrief(
        id=step.id,
        title=step.title,
        action=step.action,
        rationale=step.rationale,
        parameters=step.parameters,
        inputs=step.inputs,
        outputs=step.outputs,
        software=step.software,
        acceptance=step.acceptance,
        sources=tuple(dict.fromkeys((*claims, *quotes))),
    )


def definitions_for(protocol: Protocol | None, task: DryLabTask) -> tuple[Definition, ...]:
    """Return the definitions that a task's steps name, and those that these name, in the protocol's order."""
    if protocol is None:
        return ()
    text = "\n".join(s.model_dump_json() for s in protocol.steps if s.id in task.step_ids)
    text += f"\n{task.title}\n{task.goal}"
    named: dict[str, Definition] = {}
    while new := [d for d in protocol.definitions if d.name not in named and _names(text, d)]:
        named |= {d.name: d for d in new}
        text += "\n".join(f"\n{d.text}\n{d.code}" for d in new)
    return tuple(d for d in protocol.definitions if d.name in named)


def _names(text: str, definition: Definition) -> bool:
    """Return True if a text names a definition, or a function or constant of its code."""
    made = re.findall(r"^(?:def\s+)?([A-Za-z_]\w{2,})\s*(?:\(|=)", definition.code, re.MULTILINE)
    spoken = re.escape(definition.name.strip().rstrip("."))
    return bool(spoken and re.search(rf"(?i)(?<!\w){spoken}s?(?!\w)", text)) or any(
        re.search(rf"(?<!\w){re.escape(name)}(?!\w)", text) for name in made
    )


def helper_lines(skills: Mapping[str, Skill], language: Language, about: str) -> tuple[str, ...]:
    """Return a line for each public function of the helper modules: signature and the first line of its purpose.

    Modules for special analyses are listed where `about`, the words of the task and its steps, has to do with them.
    """
    modules = shared_modules(skills, language)
    if language == "r":
        return tuple(line for text in modules.values() for line in _r_functions(text))
    found: list[str] = []
    for module, words in _MODULES.items():
        if f"{module}.py" in modules and re.search(words, about, re.IGNORECASE):
            found += _functions(module, modules[f"{module}.py"])
    return tuple(found)


def _functions(module: str, text: str) -> list[str]:
    lines = []
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
            lines.append(f"{module}.{node.name}({_arguments(node.args)}){returns}: {_purpose(node)}")
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            fields = [n.target.id for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]
            methods = [n for n in node.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")]
            has = [*fields, *(f"{m.name}({_arguments(m.args)})" for m in methods)]
            lines.append(f"{module}.{node.name}: {', '.join(has)}")
    return lines


def _arguments(given: ast.arguments) -> str:
    """Return a function's arguments with their defaults, without types and `self`."""
    plain = copy.deepcopy(given)
    for each in (*plain.posonlyargs, *plain.args, *plain.kwonlyargs, plain.vararg, plain.kwarg):
        if each is not None:
            each.annotation = None
    plain.args = [a for a in plain.args if a.arg != "self"]
    return ast.unparse(plain)


def _purpose(node: ast.FunctionDef) -> str:
    said = (ast.get_docstring(node) or "").partition("\n")[0].strip()
    if len(said) <= _PURPOSE_CHARS:
        return said
    return re.split(r"(?<=[.;:,]) ", said[: _PURPOSE_CHARS + 1])[0].rstrip(".;:,") if ", " in said else said


def _r_functions(text: str) -> list[str]:
    """Return the public functions of a helper file in R with the comment before each."""
    found = re.finditer(r"((?:^# .*\n)*)^(bs_\w+) <- function\((.*?)\) (?:\{$|[a-z].*$)", text, re.MULTILINE)
    return [f"{m[2]}({m[3]}): {' '.join(m[1].replace('# ', '').split())}".rstrip(": ") for m in found]


def examples_for(task: DryLabTask, skills: Mapping[str, Skill]) -> tuple[SkillExample, ...]:
    """Return at most one example: the task's own skill, else the one in its language that is most like it.

    It is shown whole up to `WHOLE_CHARS`, else in outline: imports, functions with their purpose, and the steps of
    `main`. Where no skill is like the task there is none.
    """
    own = skills.get(task.skill or "")
    if own is not None:
        return (_example(own),)
    wanted = content_words(f"{task.title} {task.goal} {' '.join(f'{o.name} {o.description}' for o in task.outputs)}")
    alike = {
        s.name: overlap(content_words(f"{s.name} {s.description}"), wanted)
        for s in skills.values()
        if s.contract.language == task.language
    }
    best = max(alike, key=lambda name: alike[name], default="")
    return (_example(skills[best]),) if best and alike[best] >= LIKE else ()


def _example(skill: Skill) -> SkillExample:
    whole = len(skill.instructions) + len(skill.code) <= WHOLE_CHARS
    return SkillExample(
        name=skill.name,
        description=skill.description,
        instructions=skill.instructions if whole else "",
        code=skill.code if whole else outline(skill.code, skill.contract.language),
        whole=whole,
    )


def outline(code: str, language: str) -> str:
    """Outline a script: imports, heads of functions with their first lines, and `main`; else its first lines."""
    try:
        body = ast.parse(code).body if language == "python" else []
    except (SyntaxError, ValueError):
        body = []
    if not body:
        kept = code.splitlines()
        more = len(kept) - _OUTLINE_LINES
        return "\n".join([*kept[:_OUTLINE_LINES], *([f"# {more} more lines"] if more > 0 else [])])
    return "\n".join(filter(None, map(_head, body)))


def _head(node: ast.stmt) -> str:
    """Return one statement as it is in an outline; empty when it is left out."""
    if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and node.module != "__future__"):
        return ast.unparse(node)
    if not isinstance(node, ast.FunctionDef):
        return ""
    if node.name == "main":
        return ast.unparse(node)
    said = (ast.get_docstring(node) or "").partition("\n")[0]
    return f"def {node.name}({ast.unparse(node.args)}): ...  # {said}"


_CITED: Final = re.compile(
    r"\bPMID:?\s*\d{4,9}\b|\bPMC\d{4,9}\b|\bdoi\b[:.\s/org]*10\.\d{4,9}/\S+|\b10\.\d{4,9}/[^\s\"']+"
    r"|\b[A-Z][\w'’-]+ et al\.?,? ?\(?(?:19|20)\d\d\b|\b[A-Z][\w'’-]+ (?:and|&) [A-Z][\w'’-]+,? \(?(?:19|20)\d\d\b"
)
"""Citations in texts and comments: identifiers of papers, and names with a year."""


def unread_citations(code: str, shown: Sequence[str]) -> tuple[str, ...]:
    """Return citations in a script that stand in nothing its author was shown, so that nobody here read them."""
    known = " ".join(" ".join(shown).casefold().split())
    found = (" ".join(m[0].split()).rstrip(".,;)") for m in _CITED.finditer(code))
    return tuple(dict.fromkeys(c for c in found if c.casefold() not in known))
