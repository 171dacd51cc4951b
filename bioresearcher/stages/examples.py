"""Which vetted analyses a programmer is shown as examples, and how much of each."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Final

from bioresearcher.schemas.ask_program import SkillExample
from bioresearcher.schemas.skill import Skill
from bioresearcher.schemas.task import DryLabTask
from bioresearcher.text.words import overlap, words

EXAMPLES: Final = 3
BUDGET_CHARS: Final = 20_000
"""Characters of instructions and code of all examples together; what goes beyond is shown in outline."""

_OUTLINE_LINES: Final = 40


def examples_for(task: DryLabTask, skills: Mapping[str, Skill]) -> tuple[SkillExample, ...]:
    """The task's own vetted analysis, then those in its language that share most words with it; at most three.

    The first is shown whole if it fits into `BUDGET_CHARS`; a further one too, where the task has no analysis of its
    own. The others are shown in outline: imports, functions with what they do, and the steps of `main`. Where none
    shares a word, the shortest shows how things are done.
    """
    own = skills.get(task.skill or "")
    wanted = words(f"{task.title} {task.goal} {' '.join(f'{o.name} {o.description}' for o in task.outputs)}")
    alike = {
        s.name: overlap(words(f"{s.name} {s.description}"), wanted)
        for s in skills.values()
        if s.contract.language == task.language and s is not own
    }
    by_size = sorted(alike, key=lambda name: len(skills[name].code))
    nearest = sorted((name for name in alike if alike[name]), key=lambda name: -alike[name]) or by_size[:1]
    chosen = [*([own] if own else []), *(skills[name] for name in nearest)][:EXAMPLES]
    shown: list[SkillExample] = []
    left = BUDGET_CHARS
    for skill in chosen:
        size = len(skill.instructions) + len(skill.code)
        whole = size <= left and (own is None or skill is own)
        shown.append(_example(skill, whole))
        left -= size if whole else 0
    return tuple(shown)


def _example(skill: Skill, whole: bool) -> SkillExample:
    return SkillExample(
        name=skill.name,
        description=skill.description,
        instructions=skill.instructions if whole else "",
        code=skill.code if whole else outline(skill.code, skill.contract.language),
        whole=whole,
    )


def outline(code: str, language: str) -> str:
    """A script's imports, the heads of its functions with their first words, and `main`; else its first lines."""
    try:
        body = ast.parse(code).body if language == "python" else []
    except (SyntaxError, ValueError):
        body = []
    if not body:
        kept = code.splitlines()
        return "\n".join([*kept[:_OUTLINE_LINES], *(["# …"] if len(kept) > _OUTLINE_LINES else [])])
    return "\n".join(filter(None, map(_head, body)))


def _head(node: ast.stmt) -> str:
    """One statement of a script in its outline; empty for what is left out."""
    if isinstance(node, ast.Import) or (isinstance(node, ast.ImportFrom) and node.module != "__future__"):
        return ast.unparse(node)
    if not isinstance(node, ast.FunctionDef):
        return ""
    if node.name == "main":
        return ast.unparse(node)
    said = (ast.get_docstring(node) or "").partition("\n")[0]
    return f"def {node.name}({ast.unparse(node.args)}): ...  # {said}"
