"""Identifiers of papers: checked, and made into ids that are safe as file names."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final, Self

from bioresearcher.runfolder import safe_name

_PMID: Final = re.compile(r"(?:PMID:?\s*)?([1-9][0-9]{0,8})")
_PMCID: Final = re.compile(r"(?:PMCID:?\s*)?(?:PMC)?\s*([1-9][0-9]{0,8})(?:\.\d+)?", re.IGNORECASE)
_DOI: Final = re.compile(
    r"(?:https?://(?:dx\.)?doi\.org/|doi:?\s*)?(10\.[0-9]{4,9}/[^\s\"<>{}|\\^`]{1,180})", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Identifiers:
    """A paper's identifiers; each is None unless it was given and well formed."""

    pmid: str | None = None
    pmcid: str | None = None
    doi: str | None = None

    @classmethod
    def of(cls, *, pmid: str | None = None, pmcid: str | None = None, doi: str | None = None) -> Self:
        """Identifiers from raw texts: `PMID 123` → `123`, `4521097` → `PMC4521097`, DOI links → lower-case DOI."""
        p = _PMID.fullmatch(pmid.strip()) if pmid else None
        c = _PMCID.fullmatch(pmcid.strip()) if pmcid else None
        d = _DOI.fullmatch(doi.strip()) if doi else None
        return cls(
            pmid=p[1] if p else None,
            pmcid=f"PMC{c[1]}" if c else None,
            doi=d[1].lower().rstrip(".,;)") if d else None,
        )

    def keys(self) -> tuple[str, ...]:
        """What two descriptions of the same paper have in common."""
        named = (("pmid", self.pmid), ("pmcid", self.pmcid), ("doi", self.doi))
        return tuple(f"{name}:{value}" for name, value in named if value)


def paper_id(found: Identifiers, sha256: str) -> str:
    """The paper's id: `PMID…`, else `PMC…`, else `doi-…`, else `own-<hash>` from the file's sha256.

    A DOI that does not survive as a file name (long, or with unusual characters) gets a hash at its end.
    """
    if found.pmid:
        return f"PMID{found.pmid}"
    if found.pmcid:
        return found.pmcid
    if found.doi:
        name = safe_name(f"doi-{found.doi}")
        lossless = f"doi-{found.doi.replace('/', '-', 1)}"
        if name == lossless:
            return name
        return f"{name[:60]}-{hashlib.sha256(found.doi.encode()).hexdigest()[:8]}"
    return f"own-{sha256[:12]}"
