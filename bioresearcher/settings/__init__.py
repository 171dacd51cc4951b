"""Settings of a run: flags, then the environment, then `bioresearcher.toml`, then defaults."""

from bioresearcher.settings.load import load_settings, load_settings_with_origin, with_budget
from bioresearcher.settings.models import STANDARD_KEY
from bioresearcher.settings.values import BUDGET, MODEL_KEYS, ModelOptions, Settings, models_by_role

__all__ = [
    "BUDGET",
    "MODEL_KEYS",
    "STANDARD_KEY",
    "ModelOptions",
    "Settings",
    "load_settings",
    "load_settings_with_origin",
    "models_by_role",
    "with_budget",
]
