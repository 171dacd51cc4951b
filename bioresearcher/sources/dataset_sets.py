"""Gene-set collections (GMT): one pass, with what it noticed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bioresearcher.errors import InputError

_MAX_SET_LINE = 4 << 20


@dataclass
class SetsScan:
    """A collection of gene sets."""

    sets: int
    genes: int
    names: tuple[str, ...]
    problems: list[str]


def scan_gene_sets(path: Path) -> SetsScan:
    """Go through a GMT file: name, description, then symbols, separated by tabs.

    Raises:
        InputError: The file cannot be read or holds no gene set.
    """
    names: dict[str, None] = {}
    genes: set[str] = set()
    bad: list[int] = []
    repeated = 0
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(iter(lambda: file.readline(_MAX_SET_LINE), b""), start=1):
                fields = raw.decode("utf-8").rstrip("\r\n").split("\t")
                if len(fields) < 3 or not fields[0]:
                    bad += [number] if raw.strip() else []
                    continue
                repeated += fields[0] in names
                names[fields[0]] = None
                genes.update(f for f in fields[2:] if f)
    except UnicodeDecodeError as error:
        raise InputError(f"{path.name}: is not UTF-8 text.", hint="Save the gene sets as UTF-8.") from error
    except OSError as error:
        raise InputError(f"{path.name}: cannot be read ({error.strerror}).") from error
    if not names:
        raise InputError(
            f"{path.name}: no gene sets found.",
            hint="Expected a line per set: name, description, then symbols, separated by tabs.",
        )
    problems = [f"{path.name}: line {bad[0]} is no gene set ({len(bad)} such lines)"] if bad else []
    problems += [f"{path.name}: {repeated} set names occur more than once"] if repeated else []
    return SetsScan(len(names), len(genes), tuple(names), problems)
