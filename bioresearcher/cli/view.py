"""`bioresearcher view`: shows the runs of a workspace, or one run, in a browser on this machine; read-only."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.cli.options import Commands
from bioresearcher.errors import InputError

if TYPE_CHECKING:
    from bioresearcher.web.catalogue import Catalogue


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "view",
        help="show runs, live and finished, and batches in a browser on this machine",
        description="Serves pages on the loopback of this machine until Ctrl-C. They only read, nothing is sent "
        "elsewhere, and whoever opens them needs the address with its token that is printed.",
    )
    parser.add_argument(
        "what", nargs="?", type=Path, metavar="RUN|WORKSPACE", help="a run folder or its name, or a workspace"
    )
    parser.add_argument("--port", type=int, default=0, metavar="N", help="port of the loopback (a free one)")
    parser.add_argument("--workspace", type=Path, metavar="DIR", help="where runs and batches are (./workspace)")
    parser.add_argument("--config", type=Path, metavar="FILE", help="settings file (bioresearcher.toml here)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve until the process is asked to stop; return the exit code.

    Raises:
        InputError: There is neither such a run nor such a workspace, or the port is none.
        OutsideError: The port cannot be used.
    """
    from bioresearcher.settings import load_settings
    from bioresearcher.web.serve import serve

    if not 0 <= args.port <= 65_535:
        raise InputError(f"--port: {args.port} is no port.", hint="1 to 65535; 0 or none for a free one.")
    workspace = load_settings({"workspace": args.workspace, "config": args.config}).workspace
    catalogue = _catalogue(args.what, workspace)
    place = catalogue.only or catalogue.workspace

    def said(address: str) -> None:
        print(f"{place} is shown on this machine, for reading only:\n{address}\nCtrl-C ends it.", flush=True)

    serve(catalogue, args.port, said)
    print("ended.", file=sys.stderr)
    return 0


def _catalogue(what: Path | None, workspace: Path) -> Catalogue:
    """Find the run or the workspace that is meant."""
    from bioresearcher.web.catalogue import Catalogue

    if what is None:
        if not workspace.is_dir():
            raise InputError(f"there is no workspace {workspace} yet.", hint="`bioresearcher run` makes one.")
        return Catalogue(workspace)
    for folder in (what, workspace / "runs" / what):
        if (folder / "run.json").is_file():
            return Catalogue(folder.parent.parent, only=folder.resolve())
    if any((what / name).is_dir() for name in ("runs", "batches")):
        return Catalogue(what)
    raise InputError(
        f"{what} is neither a run nor a workspace.",
        hint=f"A run has a run.json; a workspace has a folder runs. The runs here: {workspace / 'runs'}.",
    )
