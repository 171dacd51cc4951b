"""Missing values: the codes for "not known", and the one rule that finds them in a column of a table.

Some codes can mean nothing else and are missing everywhere (`CODES`). Others are ordinary words (`WORDS`): among
numbers `none` or `unknown` cannot be a value, so there they are missing; among texts they are a level like the others
(treatment none or tamoxifen, receptor - or +, stage unknown), and to call them missing would drop samples for a reason
that nobody stated. There they are missing only where the data set's description says so (`missing_values` in
`dataset.toml`). A column is of numbers when it holds at least one, and nothing else that is known; the order and the
number of its rows do not matter. Codes in digits (-9, 999) are values unless the description says otherwise, and so is
`not detected`: a value below a limit of detection is informative.

The loader, previews, perturbed inputs, output checks, comparisons and the report all use this rule. The skills have a
copy of this file (`agents/skills/_lib/biomissing.py`) and its codes in R (`bioskill.R`); a test compares them.
"""

from __future__ import annotations

from collections.abc import Iterable

_CODES = (
    "|.|--|---|'--|na|n/a|n.a.|nan|-nan|+nan|null|<na>|nat|#n/a|#n/a n/a|#na|1.#ind|-1.#ind|1.#qnan|-1.#qnan"
    "|[not available]|[not applicable]|[not evaluated]|[not reported]|[unknown]|[discrepancy]|[pending]"
)
_WORDS = (
    "none|-|?|unknown|missing|unavailable|undetermined|not available|not applicable|not reported|not known"
    "|not recorded|not provided|not collected|not determined|not done|not evaluated|not assessed"
)

CODES = frozenset(_CODES.split("|"))
"""Codes that are missing in every column, in lower case: of spreadsheets, pandas, R, SAS, TCGA and GDC."""

WORDS = frozenset(_WORDS.split("|"))
"""Words, in lower case, that are missing among numbers and a level among texts."""

NO_GROUP = WORDS - {"none", "-"} | {"not listed"}
"""Those of `WORDS` that mean "not known" even as a level: not compared as a group unless asked for."""


def key(cell: str) -> str:
    """Normalise a cell for comparison with codes."""
    return cell.strip().lower()


def is_number(cell: str) -> bool:
    """Check whether a cell that is not a code holds a number, infinite ones included."""
    try:
        float(cell)
    except ValueError:
        return False
    return cell.isascii() and "_" not in cell


def codes_of(cells: Iterable[str], declared: Iterable[str] = ()) -> frozenset[str]:
    """Find the codes, in lower case, that mean "missing" in a column with these cells.

    Args:
        cells: The column's cells as written, in any order; repeats may be left out.
        declared: Further codes that the data set's description states for this column.
    """
    always = CODES | frozenset(map(key, declared))
    numbers = False
    for cell in map(key, cells):
        if cell in always or cell in WORDS:
            continue
        if not is_number(cell):
            return always
        numbers = True
    return always | WORDS if numbers else always


def blanked(cells: Iterable[str], declared: Iterable[str] = ()) -> list[str]:
    """Replace the missing cells of a column by the empty string; the others stay as written."""
    column = list(cells)
    missing = codes_of(column, declared)
    return ["" if key(cell) in missing else cell for cell in column]


def is_missing(cell: str) -> bool:
    """Check whether a cell is missing where only a number or a name (of a gene) is possible, and no word as a level."""
    text = key(cell)
    return text in CODES or text in WORDS


def stated_codes(columns: Iterable[str], codes: Iterable[str]) -> dict[str, list[str]]:
    """Select for each column the codes that a task states for it (`column=code`) or for all columns (`code`)."""
    texts = list(codes)
    own = {name: [text for text in texts if text.startswith(f"{name}=")] for name in columns}
    general = [text for text in texts if not any(text in found for found in own.values())]
    return {name: [*general, *(text.removeprefix(f"{name}=") for text in found)] for name, found in own.items()}
