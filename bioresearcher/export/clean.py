"""Removal of what belongs to one machine or one person from texts that leave it: paths, secrets, addresses of mail."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.run import RunRecord

LEFT_OUT: Final = "[left out]"
INSIDE: Final = "/sandbox/"
"""Place of a task's files inside the sandbox: the same on every machine."""

_SECRET_NAME: Final = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH", re.IGNORECASE)
_SECRET: Final = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}|\bAKIA[0-9A-Z]{16}\b"
    r"|\bxox[abprs]-[\w-]{10,}|\bAIza[\w-]{30,}|\bhf_[A-Za-z0-9]{20,}"
    r"|\bBearer\s+[\w.~+/-]{16,}=*|(?<=://)[^\s/:@\"']{1,100}:[^\s/@\"']{1,200}(?=@)",
    re.DOTALL,
)
_NAMED_SECRET: Final = re.compile(
    r"(?i)(\b[\w-]*(?:api[_-]?key|access[_-]?token|auth[_-]?token|secret|password|passwd)[\"']?\s*[:=]\s*[\"']?)"
    r"(?!null\b|none\b|true\b|false\b)[^\s\"',;)}\]]{6,}"
)
_MAIL: Final = re.compile(r"(\"email\"\s*:\s*\")[^\"]+(?=\")")
ABSOLUTE: Final = re.compile(
    r"(?:(?<=^)|(?<=[\s\"'`(\[=>:;]))"
    r"(?:(?:file:/{1,3}|/)(?!/|sandbox/)(?:[\w.@+~#-]+/)+[\w.@+~#-]*|[A-Za-z]:\\{1,2}[\w.@+~#\\ -]+)",
    re.MULTILINE,
)
"""An absolute path of POSIX or Windows with two names or more; those inside the sandbox are none."""


@dataclass(frozen=True)
class Cleaner:
    """Cleans texts of one run.

    Attributes:
        places: Folder of this machine -> name that stands for it, the longest first.
        secrets: Values of this process's environment that are secrets by their names.
    """

    places: Mapping[str, str]
    secrets: tuple[str, ...] = ()

    @classmethod
    def of(cls, folder: RunFolder, record: RunRecord, datasets: Iterable[Dataset]) -> Cleaner:
        """Make one for a run, with the places that its files may name."""
        places: dict[str, str] = {}
        for dataset in datasets:
            for given in (dataset.root, dataset.given):
                if given and Path(given).is_absolute():
                    places[given.rstrip("/")] = f"data/{dataset.id}"
        for given in _paths_in(record):
            places.setdefault(given.rstrip("/"), f"given/{Path(given).name}")
        roots = {folder.root.absolute(), folder.root.resolve()}
        places |= {str(root): "." for root in roots}
        common = (Path.cwd(), Path.home(), Path(tempfile.gettempdir()), Path(sys.prefix))
        for common_place in common:
            places.setdefault(str(common_place), "…")
        known = {p: n for p, n in places.items() if len(p) > 1}
        secrets = {v for k, v in os.environ.items() if _SECRET_NAME.search(k) and len(v) >= 8 and "/" not in v}
        return cls(dict(sorted(known.items(), key=lambda p: -len(p[0]))), tuple(sorted(secrets)))

    def text(self, text: str) -> str:
        """Return a text without absolute paths of a machine and without secrets."""
        for secret in self.secrets:
            text = text.replace(secret, LEFT_OUT)
        text = _SECRET.sub(LEFT_OUT, text)
        text = _NAMED_SECRET.sub(lambda m: f"{m[1]}{LEFT_OUT}", text)
        text = _MAIL.sub(lambda m: m[1], text)
        for place, name in self.places.items():
            if place in text:
                text = re.sub(rf"(?<![\w.-]){re.escape(place)}(?![\w-])", name, text)
        return ABSOLUTE.sub(_shortened, text)

    def is_clean(self, text: str) -> bool:
        """Return True if a text needs no cleaning."""
        return self.text(text) == text


def _paths_in(record: RunRecord) -> Iterable[str]:
    given: list[object] = [*record.inputs]
    for name in ("papers", "data", "workspace", "project", "pubmed_xml", "config"):
        value = record.settings.get(name)
        given += value if isinstance(value, list) else [value]
    return [g for g in given if isinstance(g, str) and Path(g).is_absolute()]


def _shortened(match: re.Match[str]) -> str:
    names = [n for n in re.split(r"[/\\]+", match[0].removeprefix("file:")) if n]
    return f"…/{names[-1]}" if names else "…"
