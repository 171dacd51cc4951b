"""Files of agents, prompts and skills: the folders they are read from, and the agent cards.

The first folder that has a file wins: 1. an explicit folder (flag or environment variable), 2. `<project>/<kind>` when
a project is named, 3. the shipped files: `bioresearcher/_data/<kind>` in an installed package, `<checkout>/<kind>` in a
checkout.
"""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from bioresearcher.errors import InputError
from bioresearcher.schemas.base import Value

Kind = Literal["agents", "prompts", "skills"]
Source = Literal["shipped", "override"]
_PACKAGE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Resource:
    """Text of a file with its origin."""

    name: str
    text: str
    path: Path
    source: Source

    @property
    def digest(self) -> str:
        """First 12 hexadecimal digits of the text's sha256."""
        return hashlib.sha256(self.text.encode("utf-8")).hexdigest()[:12]


def shipped(kind: Kind) -> Path:
    """Return the folder of the shipped files of a kind."""
    relative = Path("agents", "skills") if kind == "skills" else Path(kind)
    checkout = _PACKAGE.parent
    # Only a checkout has pyproject.toml: beside an installed package, a folder `agents` is somebody else's.
    if (checkout / "pyproject.toml").is_file() and (checkout / relative).is_dir():
        return checkout / relative
    return _PACKAGE / "_data" / relative


@dataclass(frozen=True)
class Resources:
    """Finds files in the user's folders, then among the shipped ones."""

    agents_dir: Path | None = None
    prompts_dir: Path | None = None
    skills_dir: Path | None = None
    project: Path | None = None

    def folders(self, kind: Kind) -> tuple[tuple[Path, Source], ...]:
        """List the folders that are searched, in order.

        Raises:
            InputError: A folder that was named explicitly does not exist.
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
        """Read the file `name` (relative, with suffix).

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


AGENTS = ("search", "literature", "designer", "programmer", "reviewer")


class Card(Value):
    """Agent card: role, steps and limits of one agent. It holds no import paths and no model names."""

    name: str
    role: str = Field(description="who the agent is, in a sentence; opens its system prompts")
    description: str
    model_role: str = Field(description="the configured model it uses: reader, designer, coder, reviewer")
    steps: tuple[str, ...] = Field(description="its steps; each has a prompt prompts/<name>/<step>.md")
    rounds: int = Field(
        default=2, ge=0, le=10, description="how often a protocol may be sent back, or a search repeated"
    )
    repairs: int = Field(default=2, ge=0, le=10, description="programmer: repairs of one task")
    max_output_tokens: int = Field(default=4096, ge=256)
    timeout_s: float = Field(default=300, gt=0)


def load_cards(resources: Resources) -> dict[str, Card]:
    """Load all cards by agent name.

    Raises:
        InputError: A card is missing, is not TOML, or has a wrong or unknown field.
    """
    cards = {}
    for name in AGENTS:
        resource = resources.read("agents", f"{name}.toml")
        try:
            card = Card.model_validate(tomllib.loads(resource.text))
        except tomllib.TOMLDecodeError as error:
            raise InputError(f"{resource.path}: not TOML: {error}.") from error
        except ValidationError as error:
            first = error.errors()[0]
            raise InputError(f"{resource.path}: {'.'.join(map(str, first['loc']))}: {first['msg']}.") from error
        if card.name != name:
            raise InputError(f"{resource.path}: name is {card.name!r}, the file says {name!r}.")
        cards[name] = card
    return cards
