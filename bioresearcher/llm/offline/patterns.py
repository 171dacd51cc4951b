"""What method sentences, results, numbers and software look like in biomedical English."""

from __future__ import annotations

import re


def _any(text: str) -> str:
    """An alternative of the words of a text; `_` stands for a space, and a word may itself be a pattern."""
    return "(?:" + "|".join(word.replace("_", " ") for word in text.split()) + ")"


_DONE = _any(
    """used performed carried measured normali[sz]ed computed calculated estimated compared tested adjusted obtained
    extracted defined selected filtered clustered fitted assessed determined downloaded isolated incubated stained
    sequenced hybridi[sz]ed analy[sz]ed generated identified prepared applied divided split classified scored ranked
    corrected collected quantified treated lysed transfected infected plated seeded cultured grown maintained harvested
    washed centrifuged blotted probed resuspended separated amplified cloned digested purified injected
    log-?transformed averaged excluded cent(?:re|er)ed permuted validated conducted constructed visuali[sz]ed
    summari[sz]ed annotated mapped aligned integrated retrieved merged pooled matched imputed modell?ed enriched"""
)
_DO = _any(
    """normali[sz]e compute calculate estimate compare test adjust define select filter cluster fit assess rank score
    correct average exclude cent(?:re|er) permute validate use take apply report plot check state choose divide
    split sum standardi[sz]e draw repeat keep remove map count collect record fix start order walk control treat
    examine measure include show give describe transform log-transform restrict combine annotate derive freeze set
    stratify group convert express list specify carry evaluate summari[sz]e name hold reject multiply find write
    avoid add leave drop scale correlate assign collapse limit print match look prefer read interpret build decide
    ask begin run obtain identify"""
)
_LEAD = r"(?:(?:first|then|next|finally|before [^,]{3,60}|for [^,]{3,80}|within [^,]{3,60}|after [^,]{3,60}" + (
    r"|if [^,]{3,80}|in [^,]{3,60})?,?\s*)"
)

METHOD = re.compile(
    rf"\b(?:was|were|is|are)\s+(?:\w+ly\s+)?{_DONE}\b|\bwe\s+(?:(?:then|also|first)\s+)?{_DONE}\b", re.I
)
"""A sentence that says how something was done."""

PAST_PASSIVE = re.compile(
    r"\b(?:was|were|had\s+been|have\s+been|has\s+been)\s+(?:(?:then|also|first|all|each|both|further|not|\w+ly)\s+){0,2}"
    r"(?:\w{2,}ed|made|done|taken|given|kept|set|cut|run|put|drawn|grown|spun|frozen|chosen|read|found|lost|built|held|sought|bought|fed|"
    r"split|bound|begun|written)\b|\bwe\s+(?:(?:then|also|first|next|further|\w+ly)\s+)?(?:\w{2,}ed|made|took|ran|used|built|chose|set|"
    r"drew|grew|kept|split)\b|\b(?:using|by\s+means\s+of|according\s+to)\b",
    re.I,
)
"""How something was done, in the looser sense that holds where methods are described."""

FORMALITY = re.compile(
    r"\b(?:informed\s+consent|written\s+consent|ethic(?:s|al)\s+\w+|institutional\s+(?:review|animal)|IRB|IACUC|helsinki"
    r"|approved\s+by|approval\s+(?:was|number)|funded\s+by|trial\s+registration|nomenclatural\s+acts?|ZooBank|conflicts?\s+of\s+interest"
    r"|in\s+accordance\s+with\s+(?:the\s+)?(?:guide|guidelines|regulations|legislation)|according\s+to\s+\w+\s+legislation)\b",
    re.I,
)
"""Permissions and formalities: true of a study, and no step of it."""

FORMAL_HEADING = re.compile(
    r"\b(?:ethic\w*|consent|human\s+subjects?|nomenclatural|approval|registration|funding|patient\s+involvement|role\s+of)\b",
    re.I,
)
"""Headings over formalities."""

IMPERATIVE = re.compile(rf"^{_LEAD}{_DO}\b", re.I)
"""A sentence that says how to do something."""

RESULT = re.compile(
    r"\b"
    + _any(
        """significant significantly associated_with correlated higher lower increased decreased identified revealed
        showed found differed enriched predicted highest lowest obtained confirmed detected observed elevated reduced
        up-?regulated down-?regulated overexpressed amplified achieved"""
    )
    + r"\b",
    re.I,
)
"""A sentence that may state a result."""

_WET = _any(
    r"""incubat\w+ centrifug\w+ pipett\w+ cell_lines? cells_were_(?:seeded|cultured|transfected) antibod\w+ mice
    western_blot\w* immunoblot\w* PCR_primers? agarose immunohistochem\w+ biops\w+
    RNA_(?:was|were)_(?:extracted|isolated)
    [sh]{1,2}i?RNAs? transfect\w+ lentivir\w+ q?RT-?PCR qPCR reverse_transcri\w+ lysates? lysed plasmids? plated
    flow_cytometr\w+ ELISAs?"""
)
WET = re.compile(rf"\b{_WET}\b", re.I)
"""Work in a laboratory or clinic."""

LABORATORY = re.compile(
    rf"\b(?:{_WET}|"
    + _any(
        r"""knock-?downs? knock(?:ing|ed)?_down knock-?outs? silenc\w+ (?:cell|tissue)_cultures? in_vivo in_vitro
        mass_spectrometr\w+ LC-MS\w* EdU wet-?lab bench xenografts? CRISPR\w* stain\w*"""
    )
    + r")\b",
    re.I,
)
"""An objective or requirement that asks for work in a laboratory."""

METHODS_HEADING = re.compile(r"(materials?\s+and\s+)?methods?( and materials?)?|experimental procedures?", re.I)
"""The bare heading over all method sections."""
