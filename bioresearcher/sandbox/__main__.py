"""Command line of the sandbox, `python -m bioresearcher.sandbox exec …`, and of its collector, `… collect SRC DEST`."""

import os
import sys

if not sys.flags.safe_path and sys.path and sys.path[0] in ("", os.getcwd()):  # noqa: PTH109 - before any other import
    del sys.path[0]  # it may be a job's working folder, with modules that the job has written

import argparse
import asyncio
import shutil
from pathlib import Path

from bioresearcher.errors import BioresearcherError, InputError
from bioresearcher.sandbox.artifacts import collect
from bioresearcher.sandbox.base import Job
from bioresearcher.sandbox.choose import choose_sandbox
from bioresearcher.sandbox.folders import remove_tree, temporary_folder
from bioresearcher.sandbox.limits import explain
from bioresearcher.schemas.execution import Limits

_DEFAULTS = Limits()
_UNITS = {
    "wall_s": "seconds by the clock",
    "cpu_s": "seconds of CPU time, all processes together",
    "memory_mb": "memory of all processes together",
    "processes": "processes and threads",
    "file_mb": "size of one file",
    "disk_mb": "size of all files together",
    "files": "number of files and folders",
    "tmp_mb": "size of the private /tmp",
    "shm_mb": "size of the private /dev/shm",
    "output_bytes": "standard output and error together",
}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bioresearcher.sandbox", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("exec", help="run a Python script in the sandbox")
    run.add_argument("--script", type=Path, required=True, help="the script; a copy of it is run")
    run.add_argument("--workdir", type=Path, required=True, help="its writable folder, seen as /work")
    run.add_argument("--data", action="append", default=[], metavar="NAME=PATH", help="read-only, seen as /data/NAME")
    run.add_argument("--python", type=Path, help="interpreter to run inside (default: this one)")
    run.add_argument("--sandbox", choices=("auto", "bubblewrap", "container", "none"), default="auto")
    for name, text in _UNITS.items():
        default = getattr(_DEFAULTS, name)
        flag = f"--{name.replace('_', '-')}"
        kind = int if Limits.model_fields[name].annotation is int else float
        run.add_argument(flag, type=kind, default=default, help=f"{text} (default {default:g})")
    run.add_argument("args", nargs="*", help="arguments for the script, after --")
    gather = commands.add_parser("collect", help="copy what is acceptable from a job's folder")
    gather.add_argument("src", type=Path)
    gather.add_argument("dest", type=Path)
    return parser


def _data(items: list[str]) -> dict[str, Path]:
    data = {}
    for item in items:
        name, equals, path = item.partition("=")
        if not equals:
            raise InputError(f"--data {item} is not of the form NAME=PATH.")
        data[name] = Path(path)
    return data


def _exec(options: argparse.Namespace) -> int:
    if not options.script.is_file():
        raise InputError(f"there is no script {options.script}.")
    limits = Limits(**{name: getattr(options, name) for name in _UNITS})
    sandbox = choose_sandbox(options.sandbox)
    folder = temporary_folder()
    try:
        # only the script is shown, not whatever else lies beside it
        code = folder / "code"
        code.mkdir(mode=0o755)
        shutil.copyfile(options.script, code / "script.py")
        job = Job(
            code_dir=code,
            script="script.py",
            work_dir=options.workdir,
            args=tuple(options.args),
            data=_data(options.data),
            limits=limits,
            python=options.python,
        )
        result = asyncio.run(sandbox.run(job))
    finally:
        remove_tree(folder)
    sys.stdout.write(result.stdout)
    sys.stderr.write(result.stderr)
    if result.killed:
        sys.stderr.write(f"\n{explain(result.killed, limits)}\n")
    return result.exit_code


def main(arguments: list[str] | None = None) -> int:
    """Run a command; return the script's exit code, or this program's for an error of ours."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "exec":
            return _exec(options)
        names, refused = collect(options.src, options.dest, limits=_DEFAULTS)
        sys.stdout.write("".join(f"collected {name}\n" for name in names))
        sys.stderr.write("".join(f"refused {line}\n" for line in refused))
    except BioresearcherError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
