"""Guessed descriptions of tables that come without `dataset.toml`: kinds of files and roles of columns.

Every guess is made by rules from names and values, is noted, and is confirmed by nobody at the source.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bioresearcher.runfolder import safe_name
from bioresearcher.schemas.columns import ColumnScan, as_number
from bioresearcher.schemas.dataset import ColumnRole, FileKind
from bioresearcher.schemas.missing import blanked
from bioresearcher.sources.datasets.files import LoadedFile, load_file
from bioresearcher.sources.datasets.formats import CONVERTED_SUFFIXES, SAMPLE_FILES
from bioresearcher.sources.datasets.scan import SheetScan, scan_sheet
from bioresearcher.sources.datasets.spec import ColumnSpec, DatasetSpec, FileSpec
from bioresearcher.sources.datasets.table_stream import RowStream, TableLimits, is_table, plain_suffix

UNDESCRIBED = "the researcher's own files; no description was given"
"""The `source` of a data set without a description."""

_MANY_NUMBERS = 12
"""Numeric columns from which a sample sheet without a matrix may hold the measurements itself."""
_KIND_WORDS = {
    "expression": "an expression matrix (features in rows)",
    "samples": "the sample sheet",
    "gene_sets": "gene sets",
    "table": "a table",
}
_PEEK = TableLimits(text_bytes=32 << 20)
_PEEK_ROWS = 100
_MIN_SAMPLES = 3

_CLINICAL = re.compile(
    r"^(age|sex|gender|race|bmi|time|event|status|group|condition|treatment|arm|grade|stage|diagnosis|"
    r"histology|subtype|batch|tissue|phenotype|outcome|er|pr|her2|os|pfs|dfs|rfs)$"
    r"|surviv|follow|censor|relapse|recurren|metasta|tumou?r_?size|_status$|^status_|"
    r"^(patient|subject|sample|case)(_?(id|name|number))?$|_(days|months|years)$"
)
_ENDPOINTS = "(os|pfs|dfs|rfs|dss|dmfs|tdm)"
_ENDPOINT = re.compile(rf"(?<![a-z]){_ENDPOINTS}(?![a-z])")
_UNIT = re.compile(r"(?<![a-z])(days|months|years)(?![a-z])")
_TIME = re.compile(
    rf"^(time|t|futime|{_ENDPOINTS})$|surv(ival)?_?(time|days|months|years)|time_to|follow_?up"
    rf"|^(t|time)_{_ENDPOINTS}(_(days|months|years))?$|^{_ENDPOINTS}_?(time|days|months|years)"
    r"|(days|months|years)_to_|_time$|^time_"
)
_EVENT = re.compile(
    r"event|^(status|vital_status|death|dead|died|deceased|relapse|recurrence|progression|metastasis_event)$"
    rf"|^(e|event|status)_{_ENDPOINTS}$|^{_ENDPOINTS}_?status$|surv(ival)?_status|^(is_)?(dead|deceased)$"
)
_OUTCOME = re.compile(
    r"surviv|censor|relapse|recurren|(?<![a-z])(event|outcome|endpoint|end_point|remission|(non)?respond(er|ers|ed)|futime|"
    r"dead|death|died|deceased|alive|mortality|progress(ion|ed)|ttp|ttr|recist|complication|readmission)s?(?![a-z])"
    rf"|(?<![a-z]){_ENDPOINTS}(?![a-z])|vital_?(status|state)|follow_?up|^f_u(_|$)|last_?(seen|contact|visit|follow)"
    r"|(days|months|years|time)_to_(?!sampling|processing|freez|collection|harvest)|metastasis_(event|free|time)"
    r"|(?<![a-z])(clinical|treatment|tumou?r|best|overall|objective|pathologic(al)?|complete)_response|^response(_|$)"
    r"|(?<![a-z])pcr_(status|response)|^surv(_|$)"
)
_OUTCOME_LEVELS = re.compile(
    r"^(\d\s*[:=]\s*)?(dead|alive|deceased|living|died|survived|relapsed?|censored|progressed"
    r"|(non|no)?[ _-]?respon(d|s)\w*|(dead|died|alive) \w.*|(complete|partial) (response|remission)"
    r"|(stable|progressive) disease)$"
)
_ORDINAL = re.compile(r"grade|stage|size|node|^(n|t)_stage$|^age|_age$|bmi|score|batch|cent(er|re)|site|sex|gender")
_GROUP = re.compile(
    r"group|condition|class|phenotype|diagnos|disease|treatment|arm$|subtype|case|cohort|response|mutation|"
    r"^(er|pr|her2)$|_(status|positive)$|genotype|type$"
)
_STATISTICS = re.compile(
    r"(log2?_?(fc|foldchange|fold_change|ratio)|log2fc|p_?val(ue)?s?|pvals_adj|logfoldchanges|padj|p_?adj\w*|adj_?p\w*|fdr"
    r"|q_?val(ue)?s?|basemean|base_mean|lfcse|stat|aveexpr|logcpm|lr|odds_?ratio|hazard_?ratio|hr|beta|se|z_?score|es|nes"
    r"|nom_p_val|fold_?change|bonferroni|ci_?(low|high|lower|upper)\w*|estimate|std_?err(or)?|t|b|f)"
)
_CONTROL_WORDS = frozenset(
    "control ctrl normal healthy negative neg - no false wt wildtype untreated placebo vehicle benign nonresponder "
    "0".split()
) | {"wild type"}


@dataclass(frozen=True)
class TableHead:
    """Head of a table: its header and, of the first rows, how the columns look."""

    path: Path
    header: tuple[str, ...]
    first_column: tuple[str, ...]
    numeric_share: float
    rows: int


@dataclass(frozen=True)
class ColumnGuess:
    """Guessed role of a column of an undescribed table; `why` is empty for columns without a role."""

    role: ColumnRole = "other"
    case: str | None = None
    control: str | None = None
    unit: str | None = None
    why: str = ""


def read_head(path: Path) -> TableHead:
    """Read the first rows of a table.

    Raises:
        InputError: The file cannot be read as a table.
    """
    with RowStream(path, _PEEK) as stream:
        rows = list(stream.rows(_PEEK_ROWS))
        header = tuple(stream.header)
    known = numbers = 0
    for i in range(1, len(header)):
        cells = [cell for cell in blanked(row[i] for row in rows) if cell]
        count = sum(as_number(cell) is not None for cell in cells)
        known, numbers = known + len(cells), numbers + count
    return TableHead(
        path=path,
        header=header,
        first_column=tuple(row[0].strip() for row in rows),
        numeric_share=numbers / known if known else 0.0,
        rows=len(rows),
    )


def is_data_file(path: Path) -> bool:
    """Return True if a file of a folder is data: gene sets, or a table that is no accompanying text."""
    if not path.is_file() or path.name.startswith("."):
        return False
    if path.suffix.lower() == ".gmt" or plain_suffix(path) in CONVERTED_SUFFIXES or SAMPLE_FILES.fullmatch(path.name):
        return True
    if not is_table(path) or re.match(r"(?i)(readme|licen[cs]e|changelog|notes?|manifest)\b", path.name):
        return False
    if plain_suffix(path) != ".txt" or path.name.lower().endswith(".gz"):
        return True
    with path.open("rb") as file:
        first = file.readline(1 << 20)
    return b"\t" in first or b";" in first or first.startswith(b"^") or _in_columns(path)


def _in_columns(path: Path) -> bool:
    """Tell a table with commas or spaces in a `.txt` from prose: every line has as many cells as the header."""
    with path.open("rb") as file:
        lines = file.read(1 << 16).decode("latin-1").splitlines()[:50]
    for mark in (",", None):
        widths = [len(line.split(mark)) for line in lines if line.strip()]
        body = set(widths[1:])
        if len(widths) > 3 and len(body) == 1 and min(body) > 1 and min(body) - widths[0] in (0, 1):
            return True
    return False


def file_kinds(heads: Sequence[TableHead]) -> dict[Path, FileKind]:
    """Guess the kinds of a folder's tables together: sample names link a matrix and its sample sheet."""
    kinds: dict[Path, FileKind] = {p.path: "expression" if _is_matrix(p) else "table" for p in heads}
    matrices = [p for p in heads if kinds[p.path] == "expression"]
    sheets = [p for p in heads if kinds[p.path] == "table"]
    linked = [s for s in sheets if any(_links(m, s) for m in matrices)]
    chosen = linked or [s for s in sheets if _looks_clinical(s)]
    if chosen:
        kinds[chosen[0].path] = "samples"
    return kinds


def _is_matrix(table: TableHead) -> bool:
    columns = len(table.header) - 1
    if columns < _MIN_SAMPLES or table.numeric_share < 0.9 or table.rows == 0:
        return False
    if _looks_clinical(table) or names_statistics(table.header[1:]):
        return False
    names = [n for n in table.first_column if n]
    texts = sum(as_number(n) is None for n in names)
    return len(set(names)) >= 0.5 * len(names) and (texts > 0 or columns >= 6)


def _looks_clinical(table: TableHead) -> bool:
    """Return True for a clinical variable among the names; numbered names (relapse_1, patient 2) are samples."""
    return names_clinical(table.header)


def names_clinical(header: Sequence[str]) -> bool:
    """Return True if one of some columns is called like a clinical variable; names with numbers are not looked at."""
    names = [normal(name) for name in header]
    return any(_CLINICAL.search(n) is not None for n in names if n == "her2" or not re.search(r"\d", n))


def names_statistics(header: Sequence[str]) -> bool:
    """Return True if several of some columns are called like results of tests: a table of results is no matrix."""
    return sum(_STATISTICS.fullmatch(normal(name)) is not None for name in header) >= 2


def _links(matrix: TableHead, sheet: TableHead) -> bool:
    samples = set(matrix.header[1:])
    return bool(samples & set(sheet.first_column)) or _looks_clinical(sheet)


def normal(name: str) -> str:
    """Normalise a column's name: lower case, every run of other characters as `_`."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def names_outcome(name: str, levels: Sequence[str] = ()) -> bool:
    """Return True if a column's name or most of its levels say that it holds an outcome: survival, relapse, response.

    Unlike the guess of roles this asks for no pair of time and event; a column named only `time` or `status` is none.
    """
    if _OUTCOME.search(normal(name)):
        return True
    known = [level.strip().lower() for level in levels]
    return len(known) > 1 and 2 * sum(bool(_OUTCOME_LEVELS.match(level)) for level in known) > len(known)


def pairs_outcome(columns: Sequence[ColumnScan]) -> tuple[str, ...]:
    """Return the names of a time and of events beside it, whatever the events' two codes are; empty if there are none.

    A column named `time` is a follow-up time only beside one named like an event.
    """
    times = [c.name for c in columns if _TIME.search(normal(c.name)) and _is_time(c)]
    events = [c for c in columns if re.search(rf"{_EVENT.pattern}|censor", normal(c.name)) and len(c.groups) == 2]
    coded = [c.name for c in events if not c.texts or names_outcome(c.name, list(c.groups))]
    return (*times, *coded) if times and coded else ()


def guess_roles(columns: Sequence[ColumnScan], id_column: str | None, why_id: str = "") -> dict[str, ColumnGuess]:
    """Guess the roles of a table's columns; at most one time and one event, and those only together."""
    guesses = {c.name: ColumnGuess() for c in columns}
    rest = [c for c in columns if c.name != id_column]
    if id_column is not None:
        guesses[id_column] = ColumnGuess("id", why=why_id)
    pair = _survival_pair(rest)
    if pair:
        time, event = pair
        unit = _UNIT.search(normal(time.name))
        guesses[time.name] = ColumnGuess("time", unit=unit.group() if unit else None, why="its name, and values from 0")
        guesses[event.name] = ColumnGuess("event", why="its name, and values 0 and 1")
    for column in rest:
        if column not in pair:
            guesses[column.name] = _group_or_covariate(column)
    return guesses


def _survival_pair(columns: Sequence[ColumnScan]) -> tuple[ColumnScan, ColumnScan] | tuple[()]:
    times = [c for c in columns if _TIME.search(normal(c.name)) and _is_time(c)]
    events = [c for c in columns if _EVENT.search(normal(c.name)) and c.binary and "censor" not in normal(c.name)]
    for time in times:
        endpoint = _ENDPOINT.search(normal(time.name))
        same = [e for e in events if endpoint and endpoint.group() in normal(e.name).split("_")]
        if same:
            return time, same[0]
    return (times[0], events[0]) if times and events else ()


def unusable_events(columns: Sequence[ColumnScan]) -> list[tuple[str, str]]:
    """List (name, reason) of columns named like an event beside a time that cannot be used as one."""
    if _survival_pair(columns) or not any(_TIME.search(normal(c.name)) and _is_time(c) for c in columns):
        return []
    found = []
    for column in columns:
        name = normal(column.name)
        if "censor" in name and column.binary:
            found.append((column.name, "whether 1 means censored or event is not stated"))
        elif _EVENT.search(name) and len(column.groups) == 2 and not column.binary:
            found.append((column.name, f"its values are {' and '.join(map(repr, sorted(column.groups)))}, not 0 and 1"))
    return found


def _is_time(column: ColumnScan) -> bool:
    return column.known > 0 and column.texts == 0 and column.minimum >= 0 and not column.binary


def _group_or_covariate(column: ColumnScan) -> ColumnGuess:
    name = normal(column.name)
    levels = column.groups
    if column.mostly_numbers:
        return ColumnGuess()
    if _ORDINAL.search(name) and not _GROUP.search(name):
        return ColumnGuess("covariate", why="its name") if column.known else ColumnGuess()
    numeric_codes = column.texts == 0 and not column.binary
    if 2 <= len(levels) <= 6 and (not numeric_codes or _GROUP.search(name)):
        case, control = _case_control(levels)
        return ColumnGuess("group", case=case, control=control, why=f"it has {len(levels)} levels")
    return ColumnGuess()


def _case_control(levels: dict[str, int]) -> tuple[str | None, str | None]:
    """Find (case, control) of two levels, if exactly one of them is a word for a reference."""
    if len(levels) != 2:
        return None, None
    control = [level for level in levels if level.strip().lower() in _CONTROL_WORDS]
    if len(control) != 1:
        return None, None
    return next(level for level in levels if level != control[0]), control[0]


def describe_tables(folder: Path, paths: Sequence[Path]) -> tuple[DatasetSpec, list[LoadedFile]]:
    """Guess a description of tables and load them by it; every guess becomes a note of the description.

    Raises:
        InputError: A table cannot be read.
    """
    tables = [p for p in paths if p.suffix.lower() != ".gmt"]
    heads = [read_head(p) for p in tables]
    kinds = file_kinds(heads)
    samples = {s for p in heads if kinds[p.path] == "expression" for s in p.header[1:]}
    notes = [
        "There is no dataset.toml: what follows was inferred from names and values, "
        "and nothing of it was confirmed by the source."
    ]
    taken: set[str] = set()
    loaded: list[LoadedFile] = []
    specs: list[FileSpec] = []
    for path in paths:
        kind: FileKind = kinds.get(path, "gene_sets")
        spec, scan, found = _describe(path, kind, samples, _name(path, kind, taken))
        notes += found
        specs.append(spec)
        loaded.append(load_file(folder, spec, scan))
    title = paths[0].name if len(paths) == 1 else folder.resolve().name
    gene_sets = {f.kind for f in specs} <= {"gene_sets", "table"} and len(tables) < len(paths)
    dataset = DatasetSpec(
        id=safe_name(paths[0].name.split(".")[0] if len(paths) == 1 else title),
        title=title,
        source=UNDESCRIBED,
        role="reference" if gene_sets else "unspecified",
        notes=tuple(notes),
        files=tuple(specs),
    )
    return dataset, loaded


def _name(path: Path, kind: FileKind, taken: set[str]) -> str:
    """Name a file by its kind (a table by its file name), with a number if that name is taken."""
    stem = safe_name(path.name.split(".")[0]) if kind == "table" else kind
    base = (stem if stem[0].isalpha() else f"t-{stem}").replace(".", "-")[:36]
    name = next(n for n in (base, *(f"{base}-{i}" for i in range(2, 1000))) if n not in taken)
    taken.add(name)
    return name


def _describe(path: Path, kind: FileKind, samples: set[str], name: str) -> tuple[FileSpec, SheetScan | None, list[str]]:
    notes = [f"{path.name} was taken as {_KIND_WORDS[kind]}."]
    if kind in ("expression", "gene_sets"):
        return FileSpec(name=name, kind=kind, path=path.name), None, notes
    scan = scan_sheet(path)
    sample_column, why = _sample_column(scan, samples) if kind == "samples" else (None, "")
    guesses = guess_roles(scan.columns, sample_column, why)
    notes += [_note(path.name, column, guess) for column, guess in guesses.items() if guess.why]
    notes += [
        f"{path.name}: column {column!r} may be the event, but {why}: no survival data were assumed."
        for column, why in unusable_events(scan.columns)
    ]
    numbers = [c.name for c in scan.columns if guesses[c.name].role == "other" and c.numbers and not c.texts]
    if kind == "samples" and not samples and len(numbers) >= _MANY_NUMBERS:
        notes.append(
            f"{path.name}: {len(numbers)} further columns hold numbers ({numbers[0]}, …). If they are measurements, "
            "give them as a matrix of their own, features in rows and samples in columns: as they are, no analysis "
            "of measurements uses them."
        )
    columns = {
        column: ColumnSpec(role=guess.role, case=guess.case, control=guess.control, unit=guess.unit)
        for column, guess in guesses.items()
        if guess.role != "other"
    }
    spec = FileSpec(name=name, kind=kind, path=path.name, sample_column=sample_column, columns=columns)
    return spec, scan, notes


def _sample_column(scan: SheetScan, samples: set[str]) -> tuple[str | None, str]:
    """Find the column of sample names, with the reason: the matrix's samples, unique names, or the first column."""
    shared = {name: len(samples & set(ids)) for name, ids in scan.ids.items()}
    best = max(shared, key=lambda name: shared[name], default=None)
    if best is not None and shared[best] > 0:
        return best, "its values are samples of the matrix"
    names = [n for n in scan.ids if (c := scan.column(n)) is not None and c.texts > 0]
    if names:
        return names[0], "its values are names that all differ"
    return (scan.columns[0].name or None) if scan.columns else None, "it is the first column"


def _note(file: str, column: str, guess: ColumnGuess) -> str:
    text = f"{file}: column {column!r} was taken as {guess.role} ({guess.why})"
    if guess.case is not None:
        text += f", with {guess.case!r} as case and {guess.control!r} as control"
    if guess.unit is not None:
        text += f", in {guess.unit} as its name says"
    return text + "."
