"""Settings of a run: flags, then the environment, then defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, JsonValue, ValidationError

from bioresearcher.errors import InputError
from bioresearcher.schemas.base import Value
from bioresearcher.schemas.execution import Limits

_ENVIRONMENT = {
    "BIORESEARCHER_WORKSPACE": "workspace",
    "BIORESEARCHER_AGENTS": "agents_dir",
    "BIORESEARCHER_PROMPTS": "prompts_dir",
    "BIORESEARCHER_SKILLS": "skills_dir",
    "BIORESEARCHER_PROJECT": "project",
    "BIORESEARCHER_SANDBOX": "sandbox",
    "BIORESEARCHER_JOBS": "jobs",
}


class Settings(Value):
    """What can be set for a run; recorded in `run.json`."""

    workspace: Path = Field(default=Path("workspace"), description="where runs and the library live")
    project: Path | None = Field(default=None, description="folder with own agents/, prompts/ and skills/")
    agents_dir: Path | None = Field(default=None, description="folder of agent cards that override the shipped ones")
    prompts_dir: Path | None = Field(default=None, description="folder of prompts that override the shipped ones")
    skills_dir: Path | None = Field(default=None, description="folder of own skills, added to the shipped ones")
    backend: Literal["offline"] = "offline"
    sandbox: Literal["auto", "bubblewrap", "none"] = "auto"
    max_papers: int = Field(default=20, ge=0, le=500, description="papers read at most")
    jobs: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=64, description="tasks side by side")
    limits: Limits = Limits()

    def record(self) -> dict[str, JsonValue]:
        """As JSON for the manifest."""
        data: dict[str, JsonValue] = self.model_dump(mode="json")
        return data


def load_settings(flags: Mapping[str, object], environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from flags (None = not given), the environment, and defaults, in this order.

    Raises:
        InputError: A value does not fit; the message names the option or variable.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, object] = {}
    origin: dict[str, str] = {}
    for variable, field in _ENVIRONMENT.items():
        if environ.get(variable):
            values[field], origin[field] = environ[variable], variable
    for field, value in flags.items():
        if value is not None and field in Settings.model_fields:
            values[field], origin[field] = value, "--" + field.replace("_", "-")
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = str(first["loc"][0])
        raise InputError(f"{origin.get(field, field)}: {first['msg']} (got {first['input']!r}).") from error
