"""`bioresearcher export`: a run as a crate, a page, a manuscript, a registered plan, or a protocol for others."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from bioresearcher.cli.options import Commands, find_run
from bioresearcher.errors import InputError

if TYPE_CHECKING:
    from bioresearcher.export.content import RunContent
    from bioresearcher.schemas.protocol import Protocol

_EXAMPLES = """examples:
  bioresearcher export workspace/runs/2025-01-31-breast --crate breast.zip
  bioresearcher export 2025-01-31-breast --html breast.html --docx breast.docx
  bioresearcher export 2025-01-31-breast --register plan.txt     (for OSF or AsPredicted)
  bioresearcher reproduce UNPACKED-CRATE                         (from the crate alone)

exit codes: 0 done · 2 nothing to export, or a file that is there already · 4 a file cannot be written"""

_FORMS = ("crate", "html", "docx", "register", "protocol_jsonld", "protocols_io")


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "export",
        help="take a run away: crate, page, manuscript, registered plan, protocol",
        description="Write a run for others. Paths of this machine, secrets, the ledger and full texts of papers never "
        "leave. Data go along when the licence of their description allows it; others are named by digest.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("run_folder", type=Path, metavar="RUN", help="a run folder, or its name in ./workspace/runs")
    parser.add_argument("--crate", type=Path, metavar="FILE.zip", help="RO-Crate 1.1 with Workflow Run profiles")
    parser.add_argument("--html", type=Path, metavar="FILE", help="the report as one page that needs no other file")
    parser.add_argument("--docx", type=Path, metavar="FILE", help="answers, methods and tables for a manuscript")
    parser.add_argument("--register", type=Path, metavar="FILE", help="the registered plan as text (OSF, AsPredicted)")
    parser.add_argument("--protocol-jsonld", type=Path, metavar="FILE", help="the protocol as Bioschemas LabProtocol")
    parser.add_argument("--protocols-io", type=Path, metavar="FILE", help="the protocol as JSON for protocols.io")
    parser.add_argument(
        "--all-data", action="store_true", help="crate: also data whose licence is not stated or not known"
    )
    parser.add_argument(
        "--licence", default="", metavar="TEXT", help="crate: licence of the analysis (address or name)"
    )
    parser.add_argument("--force", action="store_true", help="replace files that are there")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write what was asked for; nothing is written when one of the files cannot be."""
    from bioresearcher.export.content import RunContent, check_target, write_export
    from bioresearcher.graph.run import read_record
    from bioresearcher.runfolder import RunFolder

    wanted = {form: getattr(args, form) for form in _FORMS if getattr(args, form) is not None}
    if not wanted:
        raise InputError("nothing was asked for.", hint="Name a form, such as --crate FILE.zip; see --help.")
    if len({p.resolve() for p in wanted.values()}) < len(wanted):
        raise InputError("two forms have the same file.", hint="Give each its own name.")
    for path in wanted.values():
        check_target(path, force=args.force)
    folder = RunFolder(find_run(args.run_folder))
    read_record(folder)
    content = RunContent.load(folder)
    made = {form: _MAKERS[form](content, args) for form in wanted}
    for form, path in wanted.items():
        write_export(path, made[form], force=args.force)
        print(path)
    return 0


def _crate(content: RunContent, args: argparse.Namespace) -> bytes:
    from bioresearcher.export.crate import crate_zip, parcel_lines
    from bioresearcher.export.parcel import pack

    parcel = pack(content, all_data=args.all_data)
    for line in parcel_lines(content, parcel):
        print(line, file=sys.stderr)
    return crate_zip(content, parcel, args.licence)


def _html(content: RunContent, args: argparse.Namespace) -> bytes:
    from bioresearcher.export.page import one_page

    return one_page(content).encode()


def _docx(content: RunContent, args: argparse.Namespace) -> bytes:
    from bioresearcher.export.manuscript import manuscript

    return manuscript(content)


def _register(content: RunContent, args: argparse.Namespace) -> bytes:
    from bioresearcher.export.plan import plan_text

    return plan_text(content).encode()


def _protocol(content: RunContent) -> Protocol:
    if content.protocol is None:
        raise InputError(
            f"{content.folder.root} has no protocol yet.", hint="`bioresearcher resume` completes an unfinished run."
        )
    return content.protocol


def _protocol_jsonld(content: RunContent, args: argparse.Namespace) -> bytes:
    from bioresearcher.export.protocol_forms import protocol_jsonld

    return protocol_jsonld(content, _protocol(content)).encode()


def _protocols_io(content: RunContent, args: argparse.Namespace) -> bytes:
    from bioresearcher.export.protocol_forms import protocols_io

    return protocols_io(content, _protocol(content)).encode()


_MAKERS: dict[str, Callable[[RunContent, argparse.Namespace], bytes]] = {
    "crate": _crate,
    "html": _html,
    "docx": _docx,
    "register": _register,
    "protocol_jsonld": _protocol_jsonld,
    "protocols_io": _protocols_io,
}
