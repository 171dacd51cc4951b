"""Where cards, prompts and skills are read from; first hit wins, per file.

1. an explicit folder (flag or environment variable), 2. `<project>/<kind>` when a project is named,
3. shipped: `bioresearcher/_data/<kind>` in an installed package, `<checkout>/<kind>` in a checkout.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bioresearcher.errors import InputError

Kind = Literal["agents", "prompts", "skills"]
Source = Literal["shipped", "override"]
_PACKAGE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Resource:
    """A file's text with where it came from; `digest` is the first 12 hex of its sha256."""

    name: str
    text: str
    path: Path
    source: Source

    @property
    def digest(self) -> str:
        """Identifies this version of the file."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()[:12]


def shipped(kind: Kind) -> Path:
    """Folder of the shipped files of a kind."""
    relative = Path("agents", "skills") if kind == "skills" else Path(kind)
    checkout = _PACKAGE.parent
    # Only a checkout has pyproject.toml: beside an installed package, a folder `agents` is somebody else's.
    if (checkout / "pyproject.toml").is_file() and (checkout / relative).is_dir():
        return checkout / relative
    return _PACKAGE / "_data" / relative


@dataclass(frozen=True)
class Resources:
    """Resolves files of a kind."""

    agents_dir: Path | None = None
    prompts_dir: Path | None = None
    skills_dir: Path | None = None
    project: Path | None = None

    def folders(self, kind: Kind) -> tuple[tuple[Path, Source], ...]:
        """The folders searched, first hit first.

        Raises:
            InputError: A folder that was named explicitly is not there.
        """
        explicit = {"agents": self.agents_dir, "prompts": self.prompts_dir, "skills": self.skills_dir}[kind]
        if explicit is not None and not explicit.is_dir():
            raise InputError(f"the {kind} folder {explicit} is not there.")
        if self.project is not None and not self.project.is_dir():
            raise InputError(f"the project folder {self.project} is not there.")
        named = [explicit, self.project / kind if self.project else None]
        found: list[tuple[Path, Source]] = [(path, "override") for path in named if path is not None and path.is_dir()]
        return (*found, (shipped(kind), "shipped"))

    def read(self, kind: Kind, name: str) -> Resource:
        """The file `name` (relative, with suffix).

        Raises:
            InputError: No folder has it, or it is not UTF-8 text.
        """
        for folder, source in self.folders(kind):
            path = folder / name
            if path.is_file():
                try:
                    return Resource(name, path.read_text(encoding="utf-8"), path, source)
                except (UnicodeDecodeError, OSError) as error:
                    raise InputError(f"{path} cannot be read as UTF-8 text: {error}.") from error
        raise InputError(f"no {kind} file {name}.", hint=f"Looked in {[str(f) for f, _ in self.folders(kind)]}.")
