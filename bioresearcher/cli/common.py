"""Options that several commands share."""

from __future__ import annotations

import argparse
from pathlib import Path

from bioresearcher.errors import RunFolderError

Commands = argparse._SubParsersAction  # the type argparse gives to `add_subparsers`


def add_place_options(parser: argparse.ArgumentParser) -> None:
    """Where runs live and where cards, prompts and skills come from."""
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
    """Which models answer, and how."""
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
        choices=("auto", "schema", "text"),
        help="how answers are made to fit: JSON schema, or asked for in words (auto)",
    )


def add_budget_options(parser: argparse.ArgumentParser) -> None:
    """What may be spent."""
    group = parser.add_argument_group("budget")
    group.add_argument("--max-usd", type=float, metavar="USD", help="money the run may spend on models")
    group.add_argument("--max-tokens", type=int, metavar="N", help="tokens the run may use, in and out")
    group.add_argument("--max-minutes", type=float, metavar="MIN", help="time the run may take")
    group.add_argument("--prices", type=Path, metavar="FILE", help="own prices of models (TOML)")


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """How a run is carried out and shown."""
    parser.add_argument("--yes", action="store_true", help="approve the selection and the protocol without asking")
    parser.add_argument("--json", action="store_true", help="print run.json at the end and nothing else")
    parser.add_argument("--quiet", action="store_true", help="print the report's path and nothing else")


def add_search_options(parser: argparse.ArgumentParser) -> None:
    """Where papers and data are searched, what is used of them, and how tasks are run."""
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
    parser.add_argument("--jobs", type=int, metavar="N", help="tasks run side by side (number of processors)")
    parser.add_argument(
        "--sandbox",
        choices=("auto", "bubblewrap", "container", "none"),
        help="none runs generated code unprotected and is stamped on the report (auto)",
    )


def find_run(path: Path) -> Path:
    """A run folder named by its path, or by its name in ./workspace/runs.

    Raises:
        RunFolderError: Neither exists.
    """
    for candidate in (path, Path("workspace", "runs", path)):
        if candidate.is_dir():
            return candidate
    raise RunFolderError(f"there is no run folder {path}.", hint="`ls workspace/runs` lists the runs here.")
