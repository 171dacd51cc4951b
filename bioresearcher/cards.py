"""Agent cards: who an agent is, which steps it has, and its limits."""

from __future__ import annotations

import tomllib

from pydantic import Field, ValidationError

from bioresearcher.errors import InputError
from bioresearcher.resources import Resources
from bioresearcher.schemas.base import Value

AGENTS = ("search", "literature", "designer", "programmer", "reviewer")


class Card(Value):
    """One agent. Cards hold no import paths and no model names."""

    name: str
    role: str = Field(description="who the agent is, in a sentence; opens its system prompts")
    description: str
    model_role: str = Field(description="which configured model it uses: reader, designer, coder, reviewer")
    steps: tuple[str, ...] = Field(description="its steps; each has a prompt prompts/<name>/<step>.md")
    rounds: int = Field(default=2, ge=0, le=10, description="how often a draft may be sent back, or a search repeated")
    threshold: float = Field(default=4, ge=0, le=5, description="score at which a draft passes")
    repairs: int = Field(default=2, ge=0, le=10, description="programmer: repairs of one task")
    max_output_tokens: int = Field(default=4096, ge=256)
    timeout_s: float = Field(default=300, gt=0)


def load_cards(resources: Resources) -> dict[str, Card]:
    """All cards by agent name.

    Raises:
        InputError: A card is missing, is no TOML, or has a wrong or unknown field.
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
