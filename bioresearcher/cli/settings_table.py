"""`bioresearcher doctor --settings`: every setting with where it comes from, and no secret."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bioresearcher.schemas.model import ModelSettings
    from bioresearcher.settings import Settings

_ELSEWHERE = {"models", "every_model", "limits", "services"}
_DEFAULT = "default"


@dataclass(frozen=True)
class Row:
    """A setting, its value as JSON gives it, and its origin."""

    name: str
    value: object
    origin: str

    @property
    def text(self) -> str:
        """The value for people."""
        return "not set" if self.value is None else str(self.value)


@dataclass(frozen=True)
class Key:
    """A variable with a key; never the key."""

    variable: str
    is_set: bool
    used_by: tuple[str, ...]


def setting_rows(settings: Settings, origin: Mapping[str, str]) -> list[Row]:
    """All settings in a fixed order; of keys, only the names of their variables are among them."""
    values = settings.record()
    rows = [Row(name, value, origin.get(name, _DEFAULT)) for name, value in values.items() if name not in _ELSEWHERE]
    for table in ("limits", "services"):
        for name, value in getattr(settings, table).model_dump(mode="json").items():
            rows.append(Row(f"{table}.{name}", value, origin.get(f"{table}.{name}", _DEFAULT)))
    return [*rows, *_model_rows(settings, origin)]


def _model_rows(settings: Settings, origin: Mapping[str, str]) -> Iterator[Row]:
    from bioresearcher.settings import MODEL_KEYS

    if not settings.models:
        yield Row("models", None, _DEFAULT)
        for name, value in settings.every_model.model_dump(mode="json", exclude_none=True).items():
            yield Row(f"every model: {name}", value, origin.get(f"every_model.{name}", _DEFAULT))
    for key in MODEL_KEYS:
        model = settings.models.get(key)
        if model is not None:
            for name, value in model.model_dump(mode="json").items():
                yield Row(f"models.{key}.{name}", value, origin.get(f"models.{key}.{name}", _DEFAULT))
        elif settings.models and key != "default":
            shared = "as models.default" if "default" in settings.models else None
            yield Row(f"models.{key}", shared, _DEFAULT)


def key_rows(settings: Settings, environ: Mapping[str, str]) -> list[Key]:
    """The variables with keys: those that a model's key comes from, and the usual ones that are set."""
    from bioresearcher.settings import STANDARD_KEY

    used: dict[str, list[str]] = {}
    for key, model in settings.models.items():
        if model.api_key_env is not None:
            used.setdefault(model.api_key_env, []).append(f"models.{key}")
    for variable in STANDARD_KEY.values():
        if environ.get(variable):
            used.setdefault(variable, [])
    return [Key(variable, bool(environ.get(variable)), tuple(by)) for variable, by in sorted(used.items())]


def print_settings(settings: Settings, origin: Mapping[str, str], environ: Mapping[str, str], *, as_json: bool) -> None:
    """Print every setting with its origin, and which keys are set."""
    rows, keys = setting_rows(settings, origin), key_rows(settings, environ)
    if as_json:
        said = [{"variable": k.variable, "set": k.is_set, "used_by": list(k.used_by)} for k in keys]
        data = {"settings": [row.__dict__ for row in rows], "keys": said}
        print(json.dumps(data, indent=2, ensure_ascii=False))
        return
    names, values = (
        max(len(text) for text in column) for column in zip(*((r.name, r.text) for r in rows), strict=True)
    )
    for row in rows:
        print(f"{row.name:{names}}  {row.text:{min(values, 60)}}  {row.origin}")
    for key in keys:
        name, state = f"key in {key.variable}", "set" if key.is_set else "not set"
        print(f"{name:{names}}  {state:{min(values, 60)}}  {', '.join(key.used_by) or 'used by no model'}")


def models_line(settings: Settings, environ: Mapping[str, str]) -> str:
    """What is configured, in a line for `doctor`; nothing is contacted.

    Raises:
        InputError: A role has no model, or the key of a model is not set.
    """
    from bioresearcher.errors import InputError
    from bioresearcher.llm.choose import describe
    from bioresearcher.settings import models_by_role

    if settings.backend == "offline":
        return "the offline backend was asked for: the whole job by rule (no key, no network)"
    models = models_by_role(settings)
    if not models:
        if settings.backend == "local":
            return "none configured: a run looks for a server on this machine (Ollama, llama.cpp, LM Studio)"
        if settings.backend == "chat":
            raise InputError("--backend chat, but no model is configured.", hint="Add --model NAME.")
        return "none configured: the offline backend does the whole job by rule (no key, no network)"
    for model in models.values():
        if _lacks_key(model, environ):
            raise InputError(f"{model.label} needs a key, but {model.api_key_env} is not set.")
    return f"configured: {describe(models)} (`doctor --settings` shows where from)"


def _lacks_key(model: ModelSettings, environ: Mapping[str, str]) -> bool:
    return model.api_key_env is not None and not environ.get(model.api_key_env)
