"""Skills: vetted analyses in the open Agent Skills format, with a machine-readable contract.

A skill is a folder with `SKILL.md` (YAML front matter `name`, `description`, …), `contract.toml`
(`schemas.skill.SkillContract`) and `scripts/run.py`, or `scripts/run.R` for a skill in R. Modules beside the
script, and those of the folder `_lib` beside the skills, in the same language, are its support files.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from pathlib import Path

from pydantic import ValidationError

from bioresearcher.errors import InputError
from bioresearcher.resources import Resources
from bioresearcher.schemas.execution import Language
from bioresearcher.schemas.skill import Skill, SkillContract

HELPERS: dict[Language, str] = {"python": "bioskill.py", "r": "bioskill.R"}
"""Helper module of each language; a skill that has it beside its script shares the helpers of its folder."""


def _front_matter(path: Path) -> tuple[dict[str, object], str]:
    """Split a SKILL.md into front matter and body."""
    import yaml

    text = path.read_text(encoding="utf-8").replace("\r\n", "\n")
    if not text.startswith("---\n") or "\n---\n" not in text:
        raise InputError(f"{path}: expected YAML front matter between --- lines.")
    front, body = text[4:].split("\n---\n", 1)
    try:
        values = yaml.safe_load(front)
    except yaml.YAMLError as error:
        raise InputError(f"{path}: front matter is not YAML: {str(error).splitlines()[0]}.") from error
    if not isinstance(values, dict):
        raise InputError(f"{path}: front matter must be name: value lines.")
    return values, body.strip()


def _modules(folder: Path, suffix: str, without: str = "") -> dict[str, str]:
    return {p.name: p.read_text(encoding="utf-8") for p in sorted(folder.glob(f"*{suffix}")) if p.name != without}


def load_skill(folder: Path, library: Path, source: str) -> Skill:
    """Load one skill.

    Raises:
        InputError: A file is missing or wrong; the message names it.
    """
    for name in ("SKILL.md", "contract.toml"):
        if not (folder / name).is_file():
            raise InputError(f"skill {folder.name}: {folder / name} is missing.")
    front, body = _front_matter(folder / "SKILL.md")
    if front.get("name") != folder.name or not front.get("description"):
        raise InputError(f"{folder / 'SKILL.md'}: needs `name: {folder.name}` and a description.")
    try:
        contract = SkillContract.model_validate(tomllib.loads((folder / "contract.toml").read_text("utf-8")))
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{folder / 'contract.toml'}: not TOML: {error}.") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(f"{folder / 'contract.toml'}: {where}: {first['msg']}.") from error
    suffix = Path(HELPERS[contract.language]).suffix
    script = folder / "scripts" / f"run{suffix}"
    if not script.is_file():
        raise InputError(f"skill {folder.name}: {script} is missing.")
    code = script.read_text(encoding="utf-8")
    shared = _modules(library, suffix) if library.is_dir() else {}
    support = shared | _modules(script.parent, suffix, without=script.name)
    digest = hashlib.sha256("\0".join([body, code, *support.values()]).encode()).hexdigest()[:12]
    return Skill(
        name=folder.name,
        description=str(front["description"]),
        instructions=body,
        contract=contract,
        code=code,
        support=support,
        source=source,
        digest=digest,
    )


def load_skills(resources: Resources) -> dict[str, Skill]:
    """Load all skills by name, in the order of their contracts; a user's skill replaces a shipped one of its name."""
    found: dict[str, Skill] = {}
    for folder, source in resources.folders("skills"):
        for path in sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith(("_", "."))):
            if path.name not in found:
                library = folder / "_lib"
                shared = library if library.is_dir() else resources.folders("skills")[-1][0] / "_lib"
                found[path.name] = load_skill(path, shared, source if source == "shipped" else str(folder))
    return dict(sorted(found.items(), key=lambda item: (item[1].contract.order, item[0])))


def shared_modules(skills: Mapping[str, Skill], language: Language = "python") -> dict[str, str]:
    """Select the helper modules for generated code: those that all skills of one source share.

    The shipped helpers are preferred; without shipped skills those of the first skill that has any are taken.
    """
    helped = [s for s in skills.values() if HELPERS[language] in s.support]
    if not helped:
        return {}
    first = min(helped, key=lambda s: s.source != "shipped")
    others = [s.support for s in helped if s.source == first.source]
    return {name: text for name, text in first.support.items() if all(o.get(name) == text for o in others)}
