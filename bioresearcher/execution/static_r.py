"""What can be seen of R code without running it: strings, packages, and calls that matter, by line.

There is no parser of R here, so a line is cut into strings, comments and code; what the code means is not followed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_TOKEN = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|#[^\n]*|\n", re.S)
_PACKAGE = re.compile(r"\b(?:library|require|requireNamespace|loadNamespace)\s*\(\s*([\w.]*)|\b([A-Za-z][\w.]*)::")
_RANDOM = re.compile(r"\b(?:rnorm|runif|rbinom|rpois|rexp|rgamma|rbeta|rnbinom|rt|rchisq|sample)\s*\(")
_VARIES = re.compile(r"\b(?:Sys\.time|Sys\.Date|date|proc\.time|system\.time|tempfile|Sys\.getpid)\s*\(")
_BYTES = re.compile(r"\b(?:file\.info|file\.size|file\.mtime|md5sum|readBin)\b")
_MIXES = re.compile(r"\b(?:bitw(?:Xor|ShiftL|ShiftR)|utf8ToInt|charToRaw|digest|sin)\s*\(|%%\s*(?:[6-9]\d|\d{3,})")
_READS = re.compile(r"\b(?:load_task|commandArgs)\b")
_NOTES = (
    (re.compile(r"\b(?:download\.file|url|socketConnection|curl|install\.packages|getGEO)\s*\("),
     "the network cannot be reached"),
    (re.compile(r"\b(?:system2?|shell|eval|parse|source|dyn\.load)\s*\("), "hides what the code does"),
    (re.compile(r"\b(?:tryCatch|try)\s*\("), "an error is caught; see that it is not dropped"),
)  # fmt: skip


@dataclass
class RCode:
    """What was seen; packages and notes with their lines."""

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
        """Whether two runs may differ by themselves."""
        return self.clock or (self.random is not None and not self.seeded)


def read_r(text: str) -> RCode:
    """Cut R code into strings and code, and note what matters."""
    seen = RCode()
    for number, line in enumerate(_without_strings(text, seen), 1):
        _read_line(line, number, seen)
    return seen


def _without_strings(text: str, seen: RCode) -> list[str]:
    """The lines without comments, strings emptied and kept in `seen`."""
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


def _read_line(line: str, number: int, seen: RCode) -> None:
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
