"""Options that several commands share, and the reading of texts, lists and paths that a person typed or pasted."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from bioresearcher.errors import InputError, RunFolderError

Commands = argparse._SubParsersAction  # the type argparse gives to `add_subparsers`
PLANS = ("auto", "short", "full")
SANDBOXES = ("auto", "bubblewrap", "container", "none")
MOST_BYTES = 1 << 20
_BULLET = re.compile(r"^\s*(?:[-*•–]|R?\d{1,4}[.):])\s+")


def add_place_options(parser: argparse.ArgumentParser) -> None:
    """Add the folders of runs, cards, prompts and skills."""
    group = parser.add_argument_group("places")
    group.add_argument("--workspace", type=Path, metavar="DIR", help="where runs and the library live (./workspace)")
    group.add_argument("--project", type=Path, metavar="DIR", help="folder with own agents/, prompts/, skills/")
    group.add_argument("--agents-dir", type=Path, metavar="DIR", help="own agent cards")
    group.add_argument("--prompts-dir", type=Path, metavar="DIR", help="own prompts")
    group.add_argument("--skills-dir", type=Path, metavar="DIR", help="own skills, added to the shipped ones")
    group.add_argument(
        "--config", type=Path, metavar="FILE", help="settings file (bioresearcher.toml of the project, else here)"
    )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Add the choice of backend and models."""
    group = parser.add_argument_group(
        "models", "NAME is openai:NAME, azure:, anthropic:, google:, ollama: or compatible: (with --base-url)."
    )
    group.add_argument(
        "--backend",
        choices=("auto", "offline", "local", "chat"),
        help="auto: a configured model, else offline rules; local: only models on this machine (auto)",
    )
    group.add_argument(
        "--model",
        action="append",
        metavar="[ROLE=]NAME",
        help="model for all roles, or for reader, designer, coder or reviewer (repeatable)",
    )
    group.add_argument("--base-url", metavar="URL", help="where the model's API is, e.g. http://localhost:8000/v1")
    group.add_argument("--temperature", type=float, metavar="T", help="0 to 2 (the provider's)")
    group.add_argument("--seed", type=int, metavar="N", help="for models that take one")
    group.add_argument("--context", type=int, metavar="TOKENS", help="prompt and answer together (asked of the server)")
    group.add_argument("--max-output", type=int, metavar="TOKENS", help="longest answer (the agent card's)")
    group.add_argument(
        "--structured",
        choices=("auto", "schema", "text", "tools"),
        help="how answers are made to fit: JSON schema, or asked for in words (auto; tools is read as auto)",
    )


def add_budget_options(parser: argparse.ArgumentParser, whose: str = "the run", note: str | None = None) -> None:
    """Add the limits of spending."""
    group = parser.add_argument_group("budget", note)
    group.add_argument("--max-usd", type=float, metavar="USD", help=f"money {whose} may spend on models")
    group.add_argument("--max-tokens", type=int, metavar="N", help=f"tokens {whose} may use, in and out")
    group.add_argument("--max-minutes", type=float, metavar="MIN", help=f"time {whose} may take")
    group.add_argument("--prices", type=Path, metavar="FILE", help="own prices of models (TOML)")


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add approval without asking and the forms of output."""
    parser.add_argument("--yes", action="store_true", help="approve the selection and the protocol without asking")
    parser.add_argument("--json", action="store_true", help="print run.json at the end and nothing else")
    parser.add_argument("--quiet", action="store_true", help="print the report's path and nothing else")


def add_search_options(parser: argparse.ArgumentParser) -> None:
    """Add the sources of papers and data, their selection, and the execution of tasks."""
    parser.add_argument(
        "--pubmed-xml",
        nargs="+",
        action="extend",
        type=Path,
        metavar="FILE",
        help="PubMed XML (.xml, .xml.gz) or folders of it, searched offline; later files override earlier ones",
    )
    parser.add_argument(
        "--only-own",
        action=argparse.BooleanOptionalAction,
        help="search only --papers, --pubmed-xml and --data; ask no literature or data service (services are asked)",
    )
    parser.add_argument(
        "--plan",
        choices=PLANS,
        help="short: only compute what the objective says on --data; auto: that where nothing is to design (auto)",
    )
    parser.add_argument(
        "--read-all",
        action=argparse.BooleanOptionalAction,
        help="read given papers also when screening finds them irrelevant (they are set aside and named)",
    )
    parser.add_argument(
        "--include",
        action="append",
        metavar="ID",
        help="use this paper or data set: PMID:…, PMC…, doi:…, GSE… (repeatable)",
    )
    parser.add_argument("--exclude", action="append", metavar="ID", help="do not use it (repeatable)")
    parser.add_argument("--since", type=int, metavar="YEAR", help="read no older papers")
    parser.add_argument("--until", type=int, metavar="YEAR", help="read no newer papers")
    parser.add_argument("--languages", action="append", metavar="CODE", help="read only papers in it, e.g. eng (any)")
    parser.add_argument("--chroma-url", metavar="URL", help="Chroma server that keeps the vectors of what is read")
    parser.add_argument("--max-papers", type=int, metavar="N", help="papers read at most (20)")
    parser.add_argument("--max-datasets", type=int, metavar="N", help="data sets of services fetched at most (3)")
    parser.add_argument("--max-parts", type=int, metavar="N", help="parts of the protocol at most (12)")
    parser.add_argument("--max-tasks", type=int, metavar="N", help="dry-lab tasks at most, answers first (all)")
    parser.add_argument("--jobs", type=int, metavar="N", help="tasks run side by side (number of processors)")
    parser.add_argument(
        "--sandbox",
        choices=SANDBOXES,
        help="auto takes bubblewrap; container must be asked for; none runs generated code unprotected and is "
        "stamped on the report (auto)",
    )


def find_run(path: Path) -> Path:
    """Find a run folder by its path, or by its name in ./workspace/runs.

    Raises:
        RunFolderError: Neither exists.
    """
    for candidate in (path, Path("workspace", "runs", path)):
        if candidate.is_dir():
            return candidate
    if path.is_file():
        raise RunFolderError(f"{path} is a file, not a run folder.", hint="`ls workspace/runs` lists the runs here.")
    raise RunFolderError(f"there is no run folder {path}.", hint=_nearest_run(path.name))


def _nearest_run(name: str) -> str:
    """Return the hint for a run that is not there: the run that was likely meant."""
    import difflib

    runs = Path("workspace", "runs")
    names = sorted(p.name for p in runs.iterdir() if p.is_dir()) if runs.is_dir() else []
    if not names:
        return "There is no run in ./workspace/runs; `bioresearcher run` makes one."
    holding = [n for n in names if name and name in n]
    near = holding[-1:] or difflib.get_close_matches(name, names, n=1)
    return f"Did you mean {near[0]}?" if near else "`ls workspace/runs` lists the runs here."


def given_text(value: str, what: str) -> str:
    """Return the text itself, or the contents of the file after `@`.

    Args:
        value: Text or `@FILE`.
        what: Name of the entry, for messages.

    Raises:
        InputError: The file is missing, a folder, empty, too large, or no text.
    """
    value = value.strip()
    if not value.startswith("@"):
        return value
    path = Path(value[1:].strip()).expanduser()
    try:
        if path.is_dir():
            raise InputError(f"{what}: {path} is a folder.", hint="Name a text file in it: @FILE.")
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise InputError(f"{what}: {path} is larger than 1 MB.", hint="Papers and data are given as such.")
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except (OSError, ValueError, RuntimeError) as error:
        reason = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else ""
        reason = reason or getattr(error, "strerror", None) or str(error)
        raise InputError(f"{what}: {path} cannot be read as text: {reason}.") from error
    if "\0" in text:
        raise InputError(f"{what}: {path} cannot be read as text: it is binary.")
    if not text.strip():
        raise InputError(f"{what}: {path} is empty.")
    return text.strip()


def given_items(value: str, what: str) -> list[str]:
    """Return the items of a list: one a line, without bullets and numbers.

    Raises:
        InputError: A file after `@` cannot be read.
    """
    lines = (" ".join(_BULLET.sub("", line).split()) for line in given_text(value, what).splitlines())
    return [line for line in lines if line]


def given_paths(value: str, what: str) -> list[Path]:
    """Return existing files and folders from a path a line.

    Raises:
        InputError: One is not there, or is a folder with nothing in it.
    """
    found = []
    for line in value.splitlines():
        name = line.strip().strip("'\"").removeprefix("@")
        if not name:
            continue
        try:
            path = Path(name).expanduser().resolve()
            there = path.exists()
            filled = not path.is_dir() or any(path.iterdir())
        except (OSError, ValueError, RuntimeError) as error:  # over-long, NUL, a home of nobody, no permission
            raise InputError(f"{what}: {name[:200]} cannot be read: {error}.") from error
        if not there:
            raise InputError(f"{what}: {path} is not there.", hint="Paths are relative to the current folder.")
        if not filled:
            raise InputError(f"{what}: the folder {path} is empty.")
        found.append(path)
    return found


def add_where_options(parser: argparse.ArgumentParser) -> None:
    """Add the choice of machines that carry out the runs of a batch."""
    group = parser.add_argument_group("beyond one machine", "See docs/batch.md. Workers need this package and see DIR.")
    group.add_argument(
        "--executor", choices=("local", "dask"), default="local", help="machines that carry out the runs (local)"
    )
    group.add_argument("--scheduler", metavar="ADDRESS", help="of a running Dask scheduler, e.g. tcp://node1:8786")
    group.add_argument("--cluster", type=Path, metavar="FILE", help="a SLURM, PBS, LSF or SGE cluster to start (TOML)")
    for name in ("ca", "cert", "key"):
        group.add_argument(f"--tls-{name}", type=Path, metavar="FILE", help=argparse.SUPPRESS)
