"""Settings of a run as values."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal, get_args

from pydantic import Field, JsonValue, field_validator

from bioresearcher.errors import InputError
from bioresearcher.schemas.base import Value
from bioresearcher.schemas.execution import Limits
from bioresearcher.schemas.model import ROLES, ModelSettings, Role, ServiceSettings, StructuredMode

MODEL_KEYS: tuple[str, ...] = ("default", *ROLES)
"""Keys of models in settings: all roles (`default`), or one."""


class ModelOptions(Value):
    """Options of calls for all models; None leaves an option to the model's own settings.

    The ranges are those of `ModelSettings`, by which every value is validated.
    """

    temperature: float | None = None
    seed: int | None = None
    context: int | None = None
    max_output: int | None = None
    structured: StructuredMode | None = None
    stream: bool | None = None
    timeout_s: float | None = None
    concurrency: int | None = None
    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None


ApprovalName = Literal["selection", "headings", "outlines", "protocol", "tasks"]
APPROVALS: tuple[ApprovalName, ...] = get_args(ApprovalName)
"""Approvals: points at which a run can ask a person, in the order of the pipeline."""

BUDGET = ("max_usd", "max_tokens", "max_minutes")
"""Settings that limit the use of a run; they change when it ends, not its results."""


LEFT_OUT_TYPES = (
    "Retraction of Publication",
    "Retraction Notice",
    "Expression of Concern",
    "Published Erratum",
    "Comment",
    "Editorial",
    "News",
    "Interview",
    "Biography",
    "Personal Narrative",
    "Historical Article",
)
"""Publication types, as PubMed names them, that have neither methods nor results to learn from."""


class Settings(Value):
    """Settings of a run, recorded in `run.json`."""

    workspace: Path = Field(default=Path("workspace"), description="folder of the runs and the library")
    project: Path | None = Field(default=None, description="folder with own agents/, prompts/ and skills/")
    agents_dir: Path | None = Field(default=None, description="folder of agent cards that override the shipped ones")
    prompts_dir: Path | None = Field(default=None, description="folder of prompts that override the shipped ones")
    skills_dir: Path | None = Field(default=None, description="folder of own skills, added to the shipped ones")
    config: Path | None = Field(default=None, description="the bioresearcher.toml that was read")
    backend: Literal["auto", "offline", "local", "chat"] = Field(
        default="auto",
        description="auto: configured models, else the offline rules; local: models on this machine only; "
        "chat: configured models or an error",
    )
    models: dict[str, ModelSettings] = Field(
        default_factory=dict, description="by role; `default` stands in for roles that have none of their own"
    )
    every_model: ModelOptions = Field(
        default=ModelOptions(),
        description="already part of `models`; kept for a model that is only found when the run starts",
    )
    max_usd: float | None = Field(default=None, gt=0, allow_inf_nan=False, description="money a run may spend")
    max_tokens: int | None = Field(default=None, gt=0, description="input and output tokens a run may use")
    max_minutes: float | None = Field(default=None, gt=0, allow_inf_nan=False, description="minutes a run may take")
    prices: Path | None = Field(default=None, description="own price file")
    chroma_url: str | None = Field(default=None, description="Chroma server that keeps the library's vectors")
    only_own: bool = Field(
        default=False, description="search only the researcher's own papers and data; ask no service"
    )
    plan: Literal["auto", "short", "full"] = Field(
        default="auto",
        description="short: compute what the objective says on the data given, without search, design and reviews; "
        "auto: that where its questions leave nothing to design, else full",
    )
    read_all: bool = Field(default=False, description="read given papers also when screening finds them irrelevant")
    pubmed_xml: tuple[Path, ...] = Field(
        default=(), description="PubMed XML files and folders that are searched offline"
    )
    sandbox: Literal["auto", "bubblewrap", "container", "none"] = "auto"
    max_hits: int = Field(default=500, ge=1, le=100_000, description="a query with more hits at a service is narrowed")
    since: int | None = Field(default=None, ge=1800, le=2200, description="first year of papers that are read")
    until: int | None = Field(default=None, ge=1800, le=2200, description="last year of papers that are read")
    languages: tuple[str, ...] = Field(default=(), description="languages of papers that are read, e.g. eng; none: any")
    left_out_types: tuple[str, ...] = Field(default=LEFT_OUT_TYPES, description="publication types that are not read")
    max_judged: int = Field(default=60, ge=1, le=2_000, description="papers found that are judged one by one")
    include: tuple[str, ...] = Field(default=(), description="ids of papers and data sets to use")
    exclude: tuple[str, ...] = Field(default=(), description="ids of papers and data sets not to use")
    max_datasets: int = Field(default=3, ge=0, le=50, description="data sets of services that are fetched at most")
    max_data_mb: int = Field(default=500, ge=1, le=100_000, description="largest file of a data set that is fetched")
    max_papers: int = Field(default=20, ge=0, le=500, description="papers read at most")
    max_parts: int = Field(default=12, ge=1, le=12, description="parts of the protocol at most")
    max_tasks: int | None = Field(
        default=None, ge=1, le=1_000, description="dry-lab tasks at most, those that answer questions first; none: all"
    )
    jobs: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1, le=64, description="tasks side by side")
    gates: tuple[ApprovalName, ...] = Field(
        default=("selection", "protocol"), description="approvals of a person: " + ", ".join(APPROVALS)
    )
    limits: Limits = Limits()
    services: ServiceSettings = ServiceSettings()

    @field_validator("languages", "left_out_types", "include", "exclude", "gates", "pubmed_xml", mode="before")
    @classmethod
    def _from_list(cls, value: object) -> object:
        """Accept lists, as TOML has no tuples and files are read strictly."""
        return tuple(value) if isinstance(value, list) else value

    @field_validator("models")
    @classmethod
    def _known_roles(cls, models: dict[str, ModelSettings]) -> dict[str, ModelSettings]:
        unknown = sorted(models.keys() - set(MODEL_KEYS))
        if unknown:
            raise ValueError(f"{unknown[0]} is no role; use {', '.join(MODEL_KEYS)}")
        return models

    @property
    def tables(self) -> Path:
        """Folder of data converted from other forms to tables."""
        return self.workspace / "library" / "tables"

    def record(self) -> dict[str, JsonValue]:
        """Return the settings as JSON for the manifest."""
        data: dict[str, JsonValue] = self.model_dump(mode="json")
        return data


def models_by_role(settings: Settings) -> dict[Role, ModelSettings]:
    """Return the model of each role: its own, else the default one; empty when none is configured.

    Raises:
        InputError: Only some roles have a model: the others do not get another role's model or provider.
    """
    if not settings.models:
        return {}
    found: dict[Role, ModelSettings] = {}
    for role in ROLES:
        model = settings.models.get(role) or settings.models.get("default")
        if model is None:
            raise InputError(
                f"no model for the role {role}: set models.{role} or models.default.",
                hint=f"For example: --model {role}=NAME, or --model NAME for all roles.",
            )
        found[role] = model
    return found
