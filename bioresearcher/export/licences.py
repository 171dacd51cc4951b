"""Licences of data sets as their field states them: whether the data may be passed on with a run.

Nothing is guessed: what the field does not say is unknown, and data whose licence is unknown stay at home.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from bioresearcher.schemas.dataset import Dataset
from bioresearcher.text.visible import one_line

_REFUSED: Final = re.compile(
    r"\b(?:not|no|never|without)\b[^.;]{0,40}\b(?:redistribut|distribut|shar(?:e|ed|ing)\b|pass(?:ed)? on|publish)"
    r"|\bno (?:re)?distribution|\bconfidential|\brestricted|\bcontrolled[- ]access|\bdbgap\b|\bega\b"
    r"|\bdata (?:use|access|transfer) (?:agreement|committee|certification)|\bduas?\b|\bmta\b|\bproprietary"
    r"|\ball rights reserved|\bon request|\binternal (?:use|only)|\bidentifiable|\bconsent (?:does|is) not"
    r"|\bpermission (?:of|from|is)|\bby application\b",
    re.IGNORECASE,
)
_CC: Final = re.compile(
    r"\b(?:cc|creative commons)[- ]?(?P<kind>0|zero|by(?:[- ]?(?:nc|sa|nd))*|attribution)\b"
    r"(?:[^\d;,]{0,20}(?P<version>[1-4]\.\d))?",
    re.IGNORECASE,
)
_OPEN: Final = re.compile(
    r"\bpublic domain\b|\bpddl\b|\bodbl\b|\bodc[- ]by\b|\bunlicense\b|\bopen government licen[cs]e\b"
    r"|\b(?:mit|apache(?:[- ]2\.0)?|bsd(?:-\d-clause)?|l?gpl(?:[- ]?v?\d)?) licen[cs]ed?\b"
    r"|^(?:mit|apache-2\.0|bsd-[23]-clause|l?gpl-[23](?:\.0)?(?:-or-later|-only)?)$",
    re.IGNORECASE,
)
_GEO: Final = re.compile(r"\bpublic(?:ly)?\b[^.;]{0,30}\b(?:GEO|Gene Expression Omnibus)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Licence:
    """Verdict on passing a data set on, the reason, and the address of the licence's text where it is known."""

    allowed: bool
    known: bool
    reason: str
    url: str = ""


def licence_of(dataset: Dataset) -> Licence:
    """Judge by the licence field of a data set; of copies that a run made, a licence without derivatives forbids them.

    Words that refuse come first, whatever else stands in the field.
    """
    text = one_line(dataset.licence or "", 1_000)
    if not text:
        return Licence(False, False, "no licence is stated")
    if _REFUSED.search(text):
        return Licence(False, True, f"its licence does not allow it: {one_line(text, 150)}")
    made = dataset.prepared_from is not None or dataset.analysis_of is not None
    if found := _CC.search(text):
        return _creative_commons(found, made=made)
    if _GEO.search(text):
        return Licence(True, True, "public data of GEO, on whose use and distribution NCBI places no restriction")
    if found := _OPEN.search(text):
        return Licence(True, True, f"its licence allows it: {found[0]}")
    return Licence(False, False, f"its licence is not one that is known here: {one_line(text, 150)}")


def _creative_commons(found: re.Match[str], *, made: bool) -> Licence:
    kind = re.sub(r"[- ]", "", found["kind"].casefold()).replace("attribution", "by").replace("zero", "0")
    if kind == "0":
        url = "https://creativecommons.org/publicdomain/zero/1.0/"
        return Licence(True, True, "CC0", url)
    parts = [kind[i : i + 2] for i in range(0, len(kind), 2)]
    name = f"CC {'-'.join(p.upper() for p in parts)} {found['version'] or ''}".strip()
    url = f"https://creativecommons.org/licenses/{'-'.join(parts)}/{found['version']}/" if found["version"] else ""
    if made and "nd" in parts:
        return Licence(False, True, f"{name} allows no changed copies, and this is one", url)
    return Licence(True, True, name, url)
