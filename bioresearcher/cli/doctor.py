"""`bioresearcher doctor`: does everything a run needs work here?"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.cli.common import Commands, add_budget_options, add_model_options, add_place_options
from bioresearcher.errors import BioresearcherError

if TYPE_CHECKING:
    from bioresearcher.settings import Settings


@dataclass(frozen=True)
class Check:
    """One check: whether it passed, and what was seen or is to be done."""

    name: str
    ok: bool
    detail: str


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "doctor",
        help="check Python, sandbox, workspace, library, prompts and models",
        conflict_handler="resolve",  # `--model` may stand alone here
    )
    parser.add_argument(
        "--sandbox", choices=("auto", "bubblewrap", "container", "none"), help="which sandbox to test (auto)"
    )
    parser.add_argument("--settings", action="store_true", help="print every setting and where it comes from instead")
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
    """Check everything; 0 when all is well, else 4."""
    import json

    from bioresearcher.settings import load_settings_with_origin

    named = [name for name in args.model or () if name]
    settings, origin = load_settings_with_origin({**vars(args), "model": named or None})
    if args.settings:
        from bioresearcher.cli.settings_table import print_settings

        print_settings(settings, origin, os.environ, as_json=args.json)
        return 0
    if args.model is not None:
        from bioresearcher.cli.doctor_models import check_models

        return check_models(settings, json_wanted=args.json)
    checks = list(_checks(settings))
    if args.json:
        print(json.dumps([c.__dict__ for c in checks], indent=2, ensure_ascii=False))
    else:
        for check in checks:
            print(f"{'ok  ' if check.ok else 'FAIL'}  {check.name:10}  {check.detail}")
    return 0 if all(c.ok for c in checks) else 4


def _checks(settings: Settings) -> Iterator[Check]:
    steps: tuple[tuple[str, Callable[[Settings], str]], ...] = (
        ("python", _python),
        ("packages", _packages),
        ("prompts", _prompts),
        ("workspace", _workspace),
        ("library", _library),
        ("pubmed xml", _pubmed_xml),
        ("sandbox", _sandbox),
        ("models", _models),
    )
    for name, step in steps:
        try:
            yield Check(name, True, step(settings))
        except BioresearcherError as error:
            yield Check(name, False, str(error))


def _python(settings: Settings) -> str:
    return f"{sys.version.split()[0]} at {sys.executable}"


def _packages(settings: Settings) -> str:
    from bioresearcher.execution.packages import available_packages
    from bioresearcher.graph.prepare import versions

    found = versions()
    core = ", ".join(f"{n} {found.get(n, 'MISSING')}" for n in ("langgraph", "chromadb", "pypdf"))
    return f"{core}; for generated code: {', '.join(available_packages())}"


def _prompts(settings: Settings) -> str:
    from bioresearcher.cards import load_cards
    from bioresearcher.graph.prepare import resources_of
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
    from bioresearcher.library.index import Library

    if settings.chroma_url:
        from bioresearcher.library.dense_server import connect, end

        end(connect(settings.chroma_url))
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
    text = f"{sandbox.name}: {'; '.join(check.line for check in result.checks)} ({result.seconds:.1f} s)"
    if not result.ok:
        raise SandboxUnavailableError(text)
    return text


def _models(settings: Settings) -> str:
    from bioresearcher.cli.settings_table import models_line

    return models_line(settings, os.environ)
