"""Moderated linear model of every gene: two or more groups with pairs, blocks and covariates (Smyth 2004)."""

from __future__ import annotations

import bioskill
from biocohort import read_matched
from biogroups import Words, analyse


def main() -> None:
    task = bioskill.load_task()
    table, found = analyse(task, *read_matched(task), Words())
    bioskill.write_table(table, task.outputs["table"])
    bioskill.write_findings(found, task.outputs["findings"])


if __name__ == "__main__":
    main()
