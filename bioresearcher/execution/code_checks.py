"""Judge a task's code before it runs: Python by its syntax tree, R line by line.

Nothing is executed. Python names are followed through imports, not through assignments; there is no parser of R here,
so R is cut into strings, comments and code. Invented numbers that cannot be seen here are left to the perturbed run.
"""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
import warnings as python_warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from bioresearcher.execution import code_patterns
from bioresearcher.execution.languages import r_package_names
from bioresearcher.schemas.execution import DryLabTask, Outcome, TaskCode

MAX_CODE_CHARS = 400_000
_FILE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,79}")
_RESERVED = {"code.py", "code.R", "task.json", "task.R", "sitecustomize.py", "kept-digests.json"}
_STAND_IN = "random numbers stand in for the data; the task's inputs are never read"


@dataclass(frozen=True)
class StaticReport:
    """The judgement of a task's code.

    Attributes:
        outcome: The rung it stands on already; None when it may run.
        message: The reason for the rung, with the line.
        warnings: Remarks for a reader, which do not decide.
        varies: It uses the clock, unseeded random numbers or the like: two runs may differ by themselves.
        reads_bytes: It looks at files as bytes, or at their sizes or check sums, or hides what it does.
        draws: It draws random numbers, fixed seed or not, or hides what it does.
        mixes: It computes as check sums and home-made generators of numbers do, or hides what it does.
        plain: None of these, and it reads tables only by readers that give values, with packages whose calls do not
            vary by themselves; whether it draws random numbers is seen when it runs.
    """

    outcome: Outcome | None = None
    message: str = ""
    warnings: tuple[str, ...] = ()
    varies: bool = False
    reads_bytes: bool = False
    draws: bool = False
    mixes: bool = False
    plain: bool = False


def check_code(task: DryLabTask, code: TaskCode, *, inside: Iterable[str] = ()) -> StaticReport:
    """Judge code before it runs; nothing is executed.

    `inside` are the paths that exist in the sandbox for this task; other absolute paths of data are refused.
    """
    bad_name = next((n for n in code.support if not _FILE_NAME.fullmatch(n) or n in _RESERVED), None)
    if bad_name is not None:
        return StaticReport(Outcome.SYNTAX, f"{bad_name[:80]!r} is no allowed name for a helper file")
    if task.language == "r":
        return _judge_r(task, code, tuple(inside))
    files = {"code.py": code.code} | {n: t for n, t in code.support.items() if n.endswith(".py")}
    seen: dict[str, _CodeFacts] = {}
    for name, text in files.items():
        try:
            seen[name] = _read_python(_parse(text))
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return StaticReport(Outcome.SYNTAX, _syntax_message(name, error))
    return _judge_python(task, code.support, seen, tuple(inside))


def _syntax_message(name: str, error: BaseException) -> str:
    line = getattr(error, "lineno", None)
    said = getattr(error, "msg", None) or str(error) or "nested too deeply"
    return f"{name}, line {line}: {said}" if line else f"{name}: {said}"


def _parse(text: str) -> ast.Module:
    """Return the syntax tree; the parser's nesting limits raise MemoryError or RecursionError."""
    if len(text) > MAX_CODE_CHARS:
        raise ValueError(f"the code has {len(text)} characters; at most {MAX_CODE_CHARS} are read")
    with python_warnings.catch_warnings():
        python_warnings.simplefilter("ignore")
        return ast.parse(text)


# What Python code does


@dataclass(frozen=True)
class Randomness:
    """Lines of the first random number, the first without a fixed seed, and the first in an exception handler."""

    drawn: int | None = None
    unseeded: int | None = None
    in_handler: int | None = None


@dataclass
class _CodeFacts:
    """Facts that one pass over a Python file collects; values are lines."""

    imports: dict[str, int] = field(default_factory=dict)
    optional: set[str] = field(default_factory=set)
    names: dict[str, int] = field(default_factory=dict)
    plain_names: dict[str, int] = field(default_factory=dict)
    strings: list[tuple[str, int]] = field(default_factory=list)
    swallowed: int | None = None
    mixes: int | None = None
    unplain: int | None = None
    randomness: Randomness = field(default_factory=Randomness)

    @property
    def modules(self) -> set[str]:
        return {name.split(".")[0] for name in self.imports}

    @property
    def hides(self) -> dict[str, int]:
        """Names that hide from a reader what the code does, with their lines."""
        plain = {n: line for n, line in self.plain_names.items() if n in code_patterns.OPAQUE_NAMES}
        members = {n: line for n, line in self.names.items() if n in code_patterns.OPAQUE_MEMBERS}
        modules = {m: line for m, line in self.imports.items() if m.split(".")[0] in code_patterns.OPAQUE_MODULES}
        return plain | members | modules


def _judge_python(
    task: DryLabTask, support: Mapping[str, str], seen: Mapping[str, _CodeFacts], inside: tuple[str, ...]
) -> StaticReport:
    notes = tuple(n for name, s in seen.items() for n in _warnings(name, s))
    code = seen["code.py"]
    missing = next(filter(None, (_missing_package(n, s, support) for n, s in seen.items())), "")
    if missing:
        return StaticReport(Outcome.DEPENDENCY, missing, notes)
    placeholder = _placeholder_path(code.strings, inside) or _invented_data(task, code)
    if placeholder:
        return StaticReport(Outcome.PLACEHOLDER, placeholder, notes)
    hides = any(s.hides for s in seen.values())
    report = StaticReport(
        warnings=notes,
        varies=hides or any(_varies(s) for s in seen.values()),
        reads_bytes=hides or any(_reads_bytes(s) for s in seen.values()),
        draws=hides or code.randomness.drawn is not None,
        mixes=hides or _mixes(code),
    )
    odd = report.varies or report.reads_bytes or report.draws or report.mixes
    return replace(report, plain=not odd and _is_plain(code, support))


def _varies(seen: _CodeFacts) -> bool:
    return (
        seen.randomness.unseeded is not None
        or bool(code_patterns.VARYING_NAMES & seen.names.keys())
        or bool(code_patterns.VARYING_MODULES & seen.modules)
        or "id" in seen.plain_names
        or any(text.startswith(("/dev/", "/proc/", "/sys/")) for text, _ in seen.strings)
    )


def _reads_bytes(seen: _CodeFacts) -> bool:
    modules = code_patterns.BYTES_MODULES & seen.modules
    return bool(modules or code_patterns.BYTES_NAMES & seen.names.keys()) or "hash" in seen.plain_names


def _mixes(seen: _CodeFacts) -> bool:
    return _reads_bytes(seen) or seen.mixes is not None or bool(code_patterns.MIXING_NAMES & seen.names.keys())


def _is_plain(seen: _CodeFacts, support: Mapping[str, str]) -> bool:
    known = code_patterns.PLAIN_MODULES | {name.removesuffix(".py") for name in support}
    return seen.modules <= known and not (code_patterns.NOT_PLAIN & seen.names.keys()) and seen.unplain is None


def _missing_package(file: str, seen: _CodeFacts, support: Mapping[str, str]) -> str:
    local = {name.removesuffix(".py") for name in support}
    for module, line in seen.imports.items():
        top = module.split(".")[0]
        if top in local or top in seen.optional or is_installed(top):
            continue
        package = code_patterns.PACKAGE_OF_MODULE.get(top, top)
        return (
            f"{file}, line {line}: `import {top}` needs the package {package}, which is not installed; "
            "install it into this program's environment or do without it"
        )
    return ""


def is_installed(module: str) -> bool:
    """Return True if this interpreter finds a top-level module; it is not imported."""
    if module in sys.stdlib_module_names:
        return True
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def _placeholder_path(strings: list[tuple[str, int]], inside: tuple[str, ...]) -> str:
    for text, line in strings:
        if text.startswith(inside) and inside:
            continue
        if code_patterns.PLACEHOLDER_PATH.search(text) or code_patterns.FOREIGN_PATH.fullmatch(text):
            return f"line {line}: {text[:80]!r} is no file of this task; read the paths from the task file"
    return ""


def _invented_data(task: DryLabTask, seen: _CodeFacts) -> str:
    if not task.inputs:
        return ""
    found = seen.randomness
    if found.drawn is not None and not _mentions_inputs(task, seen):
        return f"line {found.drawn}: {_STAND_IN}"
    if found.in_handler is not None:
        return f"line {found.in_handler}: random numbers stand in for data that could not be read"
    return ""


def _mentions_inputs(task: DryLabTask, seen: _CodeFacts) -> bool:
    wanted = {"inputs", "argv", "load_task", *(i.name for i in task.inputs)}
    return bool(wanted & (seen.names.keys() | {text for text, _ in seen.strings}))


def _warnings(file: str, seen: _CodeFacts) -> Iterator[str]:
    network = [(m, line) for m, line in seen.imports.items() if code_patterns.NETWORK.fullmatch(m)]
    network += [(t[:60], line) for t, line in seen.strings if re.match(r"(?:https?|ftp)://\S+$", t)]
    if network:
        name, line = network[0]
        yield f"{file}, line {line}: {name} is on the network, which the code cannot reach"
    if seen.swallowed is not None:
        yield f"{file}, line {seen.swallowed}: an exception is caught and dropped"
    for name, line in list(seen.hides.items())[:1]:
        yield f"{file}, line {line}: `{name}` hides what the code does"


# Reading Python code
_IMPORT_ERRORS = {"ImportError", "ModuleNotFoundError"}


def _read_python(tree: ast.Module) -> _CodeFacts:
    seen = _CodeFacts(randomness=find_randomness(tree))
    documentation = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    for node in ast.walk(tree):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Import | ast.ImportFrom):
            _read_import(node, seen)
        elif isinstance(node, ast.Name):
            seen.names.setdefault(node.id, line)
            seen.plain_names.setdefault(node.id, line)
        elif isinstance(node, ast.Attribute):
            seen.names.setdefault(node.attr, line)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documentation:
            seen.strings.append((node.value, line))
        elif isinstance(node, ast.Call) and _is_unplain(node):
            seen.unplain = seen.unplain or line
        elif isinstance(node, ast.BinOp) and _is_mixing(node):
            seen.mixes = seen.mixes or line
        elif isinstance(node, ast.Try) and any(_catches_imports(h) for h in node.handlers):
            seen.optional |= {m.split(".")[0] for n in ast.walk(node) for m in _modules(n)}
        elif isinstance(node, ast.ExceptHandler) and _swallows(node):
            seen.swallowed = seen.swallowed or line
    return seen


def _is_unplain(node: ast.Call) -> bool:
    """Check whether a call gives memory that was not filled, or cells as the text that the file has."""
    raw = {"str", "object", "string", "string[python]"}
    texts = (k.value for k in node.keywords if k.arg in {"dtype", "converters"})
    named = any(getattr(t, "id", getattr(t, "value", None)) in raw or isinstance(t, ast.Dict) for t in texts)
    return named or (isinstance(node.func, ast.Attribute) and node.func.attr in {"empty", "empty_like", "read"})


def _is_mixing(node: ast.BinOp) -> bool:
    """Check for bits exchanged, or a remainder by a number above 60 (smaller ones are clocks and every n-th row)."""
    by = node.right.value if isinstance(node.right, ast.Constant) else None
    remainder = isinstance(node.op, ast.Mod) and not isinstance(node.left, ast.Constant)
    return isinstance(node.op, ast.BitXor | ast.LShift | ast.RShift) or (
        remainder and (isinstance(by, float) or (isinstance(by, int) and by > 60))
    )


def _modules(node: ast.AST) -> list[str]:
    """Return the modules that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module and not node.level else []


def _read_import(node: ast.Import | ast.ImportFrom, seen: _CodeFacts) -> None:
    for module in _modules(node):
        seen.imports.setdefault(module, node.lineno)
    if isinstance(node, ast.ImportFrom):
        for alias in node.names:
            seen.names.setdefault(alias.name, node.lineno)


def _catches_imports(handler: ast.ExceptHandler) -> bool:
    names = {n.id for n in ast.walk(handler.type) if isinstance(n, ast.Name)} if handler.type else {"Exception"}
    return bool(names & (_IMPORT_ERRORS | {"Exception"}))


def _swallows(handler: ast.ExceptHandler) -> bool:
    """Return True if a handler does nothing but `pass`, `continue` or a print."""
    if isinstance(handler.type, ast.Name) and handler.type.id in _IMPORT_ERRORS:
        return False
    return all(map(_is_idle, handler.body))


def _is_idle(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.Pass | ast.Continue):
        return True
    if not isinstance(statement, ast.Expr):
        return False
    value = statement.value
    printed = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id == "print"
    return printed or isinstance(value, ast.Constant)


# Random numbers in Python code
_MODULES = ("random.", "numpy.random.", "secrets.")
_MAKERS = {"default_rng", "RandomState", "Random", "Generator", "PCG64", "MT19937", "Philox", "SeedSequence"}
_GENERATOR = re.compile(r"^(?:self\.)?_?(?:rng|generator|random_state|rs|prng)\.\w+$")
_INVENTS = re.compile(
    r"\.(?:rvs|make_classification|make_blobs|make_regression)$|^make_(?:classification|blobs|regression)$"
)
_SHUFFLES = re.compile(r"(?:\.sample|train_test_split|\.rvs)$")
_SEED_WORDS = {"random_state", "seed"}


def find_randomness(tree: ast.Module) -> Randomness:
    """Find the random numbers of a file; names are followed through imports, not through assignments."""
    aliases = aliases_of(tree)
    calls = [(n, full_name(n.func, aliases)) for n in ast.walk(tree) if isinstance(n, ast.Call)]
    seeded = {name.removesuffix("seed") for n, name in calls if name.endswith(".seed") and _has_seed(n)}
    handled = {id(n) for h in ast.walk(tree) if isinstance(h, ast.ExceptHandler) for n in ast.walk(h)}
    drawn = [n for n, name in calls if _draws(name)]
    unseeded = [n for n, name in calls if _is_unseeded(n, name, seeded)]
    in_handler = [n for n in drawn if id(n) in handled]
    return Randomness(_first(drawn), _first(unseeded), _first(in_handler))


def _first(nodes: list[ast.Call]) -> int | None:
    return min((n.lineno for n in nodes), default=None)


def _draws(name: str) -> bool:
    return name.startswith(_MODULES) or bool(_GENERATOR.match(name)) or bool(_INVENTS.search(name))


def _has_seed(node: ast.Call) -> bool:
    given = [*node.args, *(k.value for k in node.keywords)]
    return any(not (isinstance(v, ast.Constant) and v.value is None) for v in given)


def _is_unseeded(node: ast.Call, name: str, seeded: set[str]) -> bool:
    last = name.rsplit(".", 1)[-1]
    if last in _MAKERS:
        return not _has_seed(node)
    if name.startswith(_MODULES):
        return last != "seed" and not any(name.startswith(prefix) for prefix in seeded)
    return bool(_SHUFFLES.search(name)) and not any(k.arg in _SEED_WORDS for k in node.keywords)


def aliases_of(tree: ast.Module) -> dict[str, str]:
    """Return local name -> full name for everything imported anywhere in the file."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                full = alias.name if alias.asname else alias.name.split(".")[0]
                found[alias.asname or full] = full
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            for alias in node.names:
                found[alias.asname or alias.name] = f"{node.module}.{alias.name}"
    return found


def full_name(node: ast.expr, aliases: dict[str, str]) -> str:
    """Return a dotted name with its first part resolved; calls and subscripts in it become `?`."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    first = aliases.get(node.id, node.id) if isinstance(node, ast.Name) else "?"
    return ".".join([first, *reversed(parts)])


# R code
_TOKEN = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|#[^\n]*|\n", re.S)
_PACKAGE = re.compile(r"\b(?:library|require|requireNamespace|loadNamespace)\s*\(\s*([\w.]*)|\b([A-Za-z][\w.]*)::")
_RANDOM = re.compile(r"\b(?:rnorm|runif|rbinom|rpois|rexp|rgamma|rbeta|rnbinom|rt|rchisq|sample)\s*\(")
_VARIES = re.compile(r"\b(?:Sys\.time|Sys\.Date|date|proc\.time|system\.time|tempfile|Sys\.getpid)\s*\(")
_BYTES = re.compile(r"\b(?:file\.info|file\.size|file\.mtime|md5sum|readBin)\b")
_MIXES = re.compile(r"\b(?:bitw(?:Xor|ShiftL|ShiftR)|utf8ToInt|charToRaw|digest|sin)\s*\(|%%\s*(?:[6-9]\d|\d{3,})")
_READS = re.compile(r"\b(?:load_task|commandArgs)\b")
_NETWORK = re.compile(r"\b(?:download\.file|url|socketConnection|curl|install\.packages|getGEO)\s*\(")
_HIDES = re.compile(r"\b(?:system2?|shell|eval|parse|source|dyn\.load)\s*\(")
_CATCHES = re.compile(r"\b(?:tryCatch|try)\s*\(")
_NOTES = (
    (_NETWORK, "the network cannot be reached"),
    (_HIDES, "hides what the code does"),
    (_CATCHES, "an error is caught; see that it is not dropped"),
)


@dataclass
class RFacts:
    """Facts about R code; strings, packages and notes with their lines."""

    strings: list[tuple[str, int]] = field(default_factory=list)
    packages: dict[str, int] = field(default_factory=dict)
    notes: list[tuple[str, int]] = field(default_factory=list)
    random: int | None = None
    seeded: bool = False
    reads_task: bool = False
    clock: bool = False
    reads_bytes: bool = False
    mixes: bool = False

    @property
    def varies(self) -> bool:
        """True if two runs may differ by themselves."""
        return self.clock or (self.random is not None and not self.seeded)


def _judge_r(task: DryLabTask, code: TaskCode, inside: tuple[str, ...]) -> StaticReport:
    """Judge R code by its lines; its meaning is left to R and to the perturbed run."""
    seen = read_r_code(code.code)
    missing = next((n for n in seen.packages if n not in r_package_names()), None)
    if missing is not None:
        message = f"code.R, line {seen.packages[missing]}: the R package {missing} is not installed"
        return StaticReport(Outcome.DEPENDENCY, message)
    placeholder = _placeholder_path(seen.strings, inside)
    if not placeholder and task.inputs and seen.random and not seen.reads_task:
        placeholder = f"line {seen.random}: {_STAND_IN}"
    if placeholder:
        return StaticReport(Outcome.PLACEHOLDER, placeholder)
    notes = tuple(f"code.R, line {line}: {what}" for what, line in seen.notes)
    return StaticReport(
        warnings=notes,
        varies=seen.varies,
        reads_bytes=seen.reads_bytes,
        draws=seen.random is not None,
        mixes=seen.mixes,
    )


def read_r_code(text: str) -> RFacts:
    """Cut R code into strings and code, and collect the facts about it."""
    seen = RFacts()
    for number, line in enumerate(_without_strings(text, seen), 1):
        _read_line(line, number, seen)
    return seen


def _without_strings(text: str, seen: RFacts) -> list[str]:
    """Return the lines without comments; strings are emptied and kept in `seen`."""
    line = 1
    kept: list[str] = []
    at = 0
    for match in _TOKEN.finditer(text):
        kept.append(text[at : match.start()])
        part = match[0]
        if part == "\n":
            kept.append("\n")
            line += 1
        elif part[0] in "\"'":
            seen.strings.append((part[1:-1], line))
            quoted = part[1:-1] if re.fullmatch(r"[A-Za-z][\w.]*", part[1:-1]) else ""
            kept.append(f" {quoted} " + "\n" * part.count("\n"))
            line += part.count("\n")
        at = match.end()
    kept.append(text[at:])
    return "".join(kept).split("\n")


def _read_line(line: str, number: int, seen: RFacts) -> None:
    for match in _PACKAGE.finditer(line):
        name = match[1] or match[2]
        if name:
            seen.packages.setdefault(name, number)
    if _RANDOM.search(line):
        seen.random = seen.random or number
    seen.seeded |= "set.seed" in line
    seen.clock |= bool(_VARIES.search(line))
    seen.reads_bytes |= bool(_BYTES.search(line))
    seen.mixes |= bool(_MIXES.search(line))
    seen.reads_task |= bool(_READS.search(line))
    seen.notes += [
        (f"`{m[0].rstrip('( ')}`: {said}", number) for pattern, said in _NOTES if (m := pattern.search(line))
    ]
