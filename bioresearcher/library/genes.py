"""Human gene symbols in text, checked against the approved symbols of the HGNC (CC0; the list lies beside this file).

Only symbols as approved count, in their approved spelling: aliases stand for several genes or for ordinary words too
often to be evidence. Symbols that are also abbreviations of other things (`PC`, `SDS`, `CAT`) count where the text
itself speaks of genes: in a list with other symbols, or before a word such as `gene` or `mRNA`.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Final

_TOKEN: Final = re.compile(r"(?<![\w-])(?:[A-Z][A-Z0-9]+(?:-[A-Z0-9]+)*|C\d+orf\d+)(?![\w])")
_SPEAKS_OF_GENES: Final = re.compile(r"\s*(?:genes?|mRNAs?|transcripts?|proteins?|expression|knock-?(?:down|out))\b")
_LIST: Final = re.compile(r"\s*(?:,|/|;|and|or|,\s*(?:and|or))\s*")
_AMBIGUOUS: Final = frozenset(
    """ACHE ARC BID CAD CAMP CAT CHAT CLOCK COIL COPE DES DST DDT ENG FACT FAP FES GAL GEM GIF GPT HPD ICOS
    IMPACT INS KIT LIF MAL MAX MET MPO NOV NPS PAH PAM PBS PIP POLE PRL PROC PTS RAN REN REST SCT SDS SET SHE SLN
    SON SPR SRI STAR TAT TBS TES TUB VIP WAS GAN GPI HAL HRAS1 MARS NIN PKD PNP RHO ROS SAG SDC SIM CEL EMD GATC
    NHS""".split()
)


@lru_cache(maxsize=1)
def approved_symbols() -> frozenset[str]:
    """The approved symbols of human genes other than pseudogenes, about 28,000."""
    packed = Path(__file__).with_name("hgnc-symbols.txt.gz").read_bytes()
    return frozenset(line for line in gzip.decompress(packed).decode("ascii").splitlines() if not line.startswith("#"))


def gene_symbols(text: str) -> Iterator[tuple[str, int, int]]:
    """The approved symbols that stand in a text: symbol, start, end; in order, repeats included."""
    known = approved_symbols()
    found = [m for m in _TOKEN.finditer(text) if m[0] in known]
    sure = {m.span() for m in found if not _is_ambiguous(m[0])}
    for number, match in enumerate(found):
        beside = [found[n] for n in (number - 1, number + 1) if 0 <= n < len(found)]
        listed = any(m.span() in sure and _in_one_list(text, match, m) for m in beside)
        if match.span() in sure or listed or _SPEAKS_OF_GENES.match(text, match.end()):
            yield match[0], match.start(), match.end()


def _is_ambiguous(symbol: str) -> bool:
    return len(symbol) <= 2 or symbol in _AMBIGUOUS


def _in_one_list(text: str, one: re.Match[str], other: re.Match[str]) -> bool:
    first, second = sorted((one, other), key=lambda m: m.start())
    return _LIST.fullmatch(text, first.end(), second.start()) is not None
