"""`bioresearcher mcp`: the tools of an assistant over standard input and output, or HTTP on this machine."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from pathlib import Path

from bioresearcher.cli.options import Commands
from bioresearcher.errors import InputError

EPILOG = """examples:
  bioresearcher mcp                                      (an assistant starts this; see docs/assistants.md)
  bioresearcher mcp --workspace ~/study/workspace --folder ~/study
  bioresearcher mcp --http 8765                          (prints address and token)

A client can name files below the folders alone. Runs it starts need a person's confirmation and a budget, and go on
when it leaves. Models and keys are those of this command's settings and environment."""


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "mcp",
        help="serve runs, reviews and the library as tools of an assistant",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--folder",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help="files a client may name lie below it, besides the workspace (repeatable)",
    )
    parser.add_argument(
        "--workspace", type=Path, default=Path("workspace"), metavar="DIR", help="where runs live (./workspace)"
    )
    parser.add_argument(
        "--http", type=_port, metavar="PORT", help="serve on 127.0.0.1:PORT with a token (0: a free port)"
    )
    parser.set_defaults(run=run)


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) > 65_535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port from 0 to 65535")
    return int(text)


def run(args: argparse.Namespace) -> int:
    """Serve until the client leaves or Ctrl-C; return the exit code.

    Raises:
        InputError: The package `mcp` is missing, or a folder is not there.
        OutsideError: The port is in use.
    """
    from bioresearcher.doors.folders import Folders

    folders = Folders(args.workspace, args.folder)
    gc.disable()  # a tenth of the start goes into searching the classes just made for garbage
    try:
        from bioresearcher.doors.server import build_server
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in ("mcp", "mcp_types"):
            raise
        raise InputError(
            "`bioresearcher mcp` needs the package mcp.", hint="Install it: pip install 'bioresearcher[mcp]'"
        ) from error
    finally:
        gc.enable()
    if args.http is None:
        build_server(folders).run("stdio")
        return 0
    from bioresearcher.doors.loopback import HOST, VARIABLE, auth_of, bound_socket, given_token, serve_http

    token = given_token()
    with bound_socket(args.http) as bound:
        port = bound.getsockname()[1]
        server = build_server(folders, auth=auth_of(token, port))
        shown = f"in {VARIABLE}" if os.environ.get(VARIABLE) else token
        print(f"http://{HOST}:{port}/mcp\nAuthorization: Bearer {shown}", file=sys.stderr, flush=True)
        serve_http(server, bound)
    return 0
