"""`bioresearcher prompts`: lists, prints, checks and copies the prompts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.cli.options import Commands, add_place_options

if TYPE_CHECKING:
    from bioresearcher.prompts import FrontMatter
    from bioresearcher.resources import Resource


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("prompts", help="list, show, check or eject the prompts")
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    listing = actions.add_parser("list", help="all prompts with version, digest and where they come from")
    show = actions.add_parser("show", help="print one prompt file")
    show.add_argument("name", metavar="NAME", help="e.g. search/plan_queries")
    check = actions.add_parser("check", help="check all prompts and cards against the code")
    eject = actions.add_parser("eject", help="copy the shipped agents and prompts into a folder of your own")
    eject.add_argument("folder", type=Path, metavar="DIR", help="use it then with --project DIR")
    for action, function in ((listing, list_prompts), (show, show_prompt), (check, check_prompts)):
        add_place_options(action)
        action.set_defaults(run=function)
    eject.set_defaults(run=eject_prompts)


def list_prompts(args: argparse.Namespace) -> int:
    """Print a line per prompt, and before a conversation's first turn one for its opening; return the exit code."""
    from bioresearcher.graph.prepare import resources_of
    from bioresearcher.settings import load_settings
    from bioresearcher.stages.prompts import ALL

    resources = resources_of(load_settings(vars(args)))
    openings: set[str] = set()
    for prompt in ALL:
        loaded = prompt.load(resources)
        if loaded.opening and prompt.opening not in openings:
            openings.add(prompt.opening)
            _print_file(prompt.opening, loaded.opening.resource, loaded.opening.front)
        _print_file(prompt.name, loaded.resource, loaded.front)
    return 0


def _print_file(name: str, file: Resource, front: FrontMatter) -> None:
    print(f"{name:30} v{front.version}  {file.digest}  {file.source:8}  {front.purpose}")


def show_prompt(args: argparse.Namespace) -> int:
    """Print a prompt's file; return the exit code."""
    from bioresearcher.graph.prepare import resources_of
    from bioresearcher.settings import load_settings

    print(resources_of(load_settings(vars(args))).read("prompts", f"{args.name}.md").text, end="")
    return 0


def check_prompts(args: argparse.Namespace) -> int:
    """Load all prompts, cards and skills; return the exit code."""
    from bioresearcher.errors import InputError
    from bioresearcher.graph.prepare import resources_of
    from bioresearcher.resources import load_cards
    from bioresearcher.settings import load_settings
    from bioresearcher.skills import load_skills
    from bioresearcher.stages.prompts import ALL

    resources = resources_of(load_settings(vars(args)))
    cards = load_cards(resources)
    for prompt in ALL:
        prompt.load(resources)
        if prompt.step not in cards[prompt.agent].steps:
            raise InputError(f"agents/{prompt.agent}.toml: the step {prompt.step!r} is missing from `steps`.")
    print(f"{len(ALL)} prompts, {len(cards)} cards, {len(load_skills(resources))} skills: all fit the code")
    return 0


def eject_prompts(args: argparse.Namespace) -> int:
    """Copy the shipped agents and prompts, never over existing files; return the exit code."""
    import shutil

    from bioresearcher.errors import InputError
    from bioresearcher.resources import shipped

    for kind in ("agents", "prompts"):
        target = args.folder / kind
        if target.exists():
            raise InputError(f"{target} exists already; nothing was copied.", hint="Choose another folder.")
    for kind, source in (("agents", shipped("agents")), ("prompts", shipped("prompts"))):
        shutil.copytree(source, args.folder / kind, ignore=shutil.ignore_patterns("skills", "__pycache__", ".*"))
    print(f"copied to {args.folder}; use it with --project {args.folder}")
    return 0
