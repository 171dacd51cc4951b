"""BioResearcher: from a biomedical objective to a grounded protocol and verified dry-lab results.

The names of `__all__` are the public interface (`doors/api.py`); they are loaded when they are first used, so that
importing the package costs nothing.
"""

__version__ = "0.1.0"
__all__ = [
    "BioresearcherError",
    "Run",
    "ask_library",
    "describe_data",
    "list_runs",
    "open_run",
    "reproduce_run",
    "review_protocol",
    "search_literature",
    "start_run",
]


def __getattr__(name: str) -> object:
    """Load a name of the interface, or the hook by which IPython loads the extension."""
    from importlib import import_module

    if name in __all__:
        return getattr(import_module("bioresearcher.doors.api"), name)
    if name == "load_ipython_extension":
        return import_module("bioresearcher.doors.notebook").load_ipython_extension
    raise AttributeError(f"module 'bioresearcher' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
