"""The project's figures, measured: `make bench`, or `python benchmarks/run.py [--only NAME]… [--quick]`.

Each benchmark runs in a process of its own, so that none sees what another has loaded. README.md beside this file
says what is measured and what came out.
"""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from figures import ROOT, Figure, show

BENCHMARKS = (
    "help",
    "sandbox",
    "large",
    "execution",
    "programming",
    "analyses",
    "literature",
    "reading",
    "design",
    "retrieval",
    "recall",
    "answers",
    "large_library",
    "pubmed_xml",
    "screening",
    "services",
    "datasets",
    "review",
    "models",
    "cases",
    "dabench",
    "example",
    "resume",
    "model_resume",
    "batch",
    "dask",
    "session",
    "view",
    "mcp",
)


def measure(name: str, quick: bool) -> list[Figure]:
    """The figures of one benchmark."""
    sys.path.insert(0, str(ROOT))
    module = importlib.import_module(f"bench_{name}")
    figures: list[Figure] = module.measure(quick)
    return figures


def main() -> int:
    """Measure and print; 1 when a target was missed or a benchmark could not run."""
    parser = argparse.ArgumentParser(description="Measure the project's figures.")
    parser.add_argument("--only", action="append", choices=BENCHMARKS, metavar="NAME", help=f"{', '.join(BENCHMARKS)}")
    parser.add_argument("--quick", action="store_true", help="fewer repeats and fewer kills")
    args = parser.parse_args()
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {_load()} at the start", flush=True)
    started = time.monotonic()
    figures: list[Figure] = []
    for name in args.only or BENCHMARKS:
        figures += _measured(name, args.quick)
        print(f"{time.monotonic() - started:6.0f} s  {name} done, load {_load()}", flush=True)
    print("\n" + show(figures))
    return 0 if all(f.met is not False for f in figures) else 1


def _measured(name: str, quick: bool) -> list[Figure]:
    """The figures of a benchmark; one that fails is a line of the table, and the others go on."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        try:
            return pool.submit(measure, name, quick).result()
        except Exception as error:  # noqa: BLE001 - whatever went wrong in there, the other figures are wanted
            return [Figure(name, f"failed: {type(error).__name__}: {str(error)[:200]}", "a measurement", False)]


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    sys.exit(main())
