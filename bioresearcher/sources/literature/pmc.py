"""Full text from PubMed Central under licences that let programs read it: efetch and the open-access service.

An article that states an open licence in its JATS is used; for one without, PMC's open-access service decides
("OA Web Service API", NCBI). Any other article is not used, even if efetch gives its text.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from typing import Final

from bioresearcher.papers.canonical import UnreadablePaper, clean
from bioresearcher.papers.jats import read_jats
from bioresearcher.schemas.paper import Document, Paper
from bioresearcher.sources.http import Http, ServiceError
from bioresearcher.sources.literature.eutils import xml_of, xml_problem

_FULLTEXT_BYTES: Final = 48 << 20
_OA_BYTES: Final = 1 << 20
_OPEN: Final = re.compile(
    rb"creativecommons\.org/(?:licenses|publicdomain)/|license-type=\"(?:open-?access|cc[ -]?(?:by|0))"
    rb"|<\?properties open_access|Creative\s+Commons|public\s+domain",
    re.IGNORECASE,
)


class Pmc:
    """Source of full text; `oa` is the address of the open-access service, empty to use the stated licence alone."""

    name: Final = "pmc"

    def __init__(self, http: Http, eutils: str, parameters: Mapping[str, str], oa: str = "") -> None:
        self._http = http
        self._eutils = eutils.rstrip("/")
        self._parameters = dict(parameters)
        self._oa = oa

    async def full_text(self, paper: Paper) -> Document | None:
        """Fetch the article's text; None if it has none there, or none that is open.

        Raises:
            OutsideError: PMC cannot be reached.
        """
        if not paper.pmcid:
            return None
        asked = {**self._parameters, "db": "pmc", "id": paper.pmcid.removeprefix("PMC"), "retmode": "xml"}
        url = f"{self._eutils}/efetch.fcgi"
        answer = await self._http.get(url, asked, kind="fulltext", max_bytes=_FULLTEXT_BYTES, problem_of=xml_problem)
        document = jats_document(answer.body, paper)
        if document is None or _OPEN.search(_permissions(answer.body)):
            return document
        return document if self._oa and await self.licence(paper.pmcid) else None

    async def licence(self, pmcid: str) -> str | None:
        """Find the licence of an article in the open-access subset; None if it is not in it.

        Raises:
            OutsideError: The service cannot be reached or its answer cannot be used.
        """
        asked = {"id": pmcid, **{k: v for k, v in self._parameters.items() if k != "api_key"}}
        answer = await self._http.get(self._oa, asked, kind="fulltext", max_bytes=_OA_BYTES, problem_of=xml_problem)
        return read_licence(answer.body, pmcid)


def read_licence(body: bytes, pmcid: str) -> str | None:
    """Read the open-access service's answer: the licence (`none` if it names none), None if the article is not open.

    Raises:
        ServiceError: It is no such answer.
    """
    root = xml_of(body)
    if root.tag != "OA":
        raise ServiceError(f"PMC's open-access service answered with <{clean(str(root.tag))[:40]}>.")
    for record in root.iterfind("records/record"):
        if record.get("id") == pmcid:
            return clean(record.get("license") or "") or "none"
    return None


def jats_document(body: bytes, paper: Paper) -> Document | None:
    """Read an article as a document of this paper; None if the answer holds no body, as for a closed article."""
    try:
        _, document = read_jats(body, sha256=hashlib.sha256(body).hexdigest(), source=paper.source)
    except UnreadablePaper:
        return None
    has_body = any(s.kind not in ("title", "abstract", "front", "references") for s in document.sections)
    return document.model_copy(update={"id": paper.id}) if has_body else None


def _permissions(body: bytes) -> bytes:
    """Cut out the article's statement of its licence; its text may name other works' licences."""
    front = body.partition(b"</front>")[0]  # figures have licences of their own
    marked = b"<?properties open_access" if b"<?properties open_access" in front else b""
    stated = re.search(rb"<(permissions|license)\b.*?</\1>", front, re.DOTALL)
    return marked + (stated[0] if stated else b"")
