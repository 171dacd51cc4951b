"""`bioresearcher batch --check`: the file is checked, and nothing else."""

from __future__ import annotations

import argparse
import json

from bioresearcher.batch.check import BatchFileError, load_batch_file
from bioresearcher.text.format import count_of


def check(args: argparse.Namespace) -> int:
    """Check the file only; the exit code."""
    try:
        file = load_batch_file(args.file, vars(args))
    except BatchFileError as error:
        if args.json:
            print(json.dumps({"problems": [vars(p) for p in error.problems]}, ensure_ascii=False, indent=2))
            return error.exit_code
        raise
    if args.json:
        print(json.dumps({"objectives": len(file.ready), "problems": []}, indent=2))
    elif not args.quiet:
        runs = sum(one.entry.repeats or args.repeats for one in file.ready)
        print(f"{args.file}: {count_of(len(file.ready), 'objective')}, {count_of(runs, 'run')}; nothing is wrong")
    return 0
