"""Recognition of what a section of a protocol is for, and of sentences that tell someone to do something."""

from __future__ import annotations

import re
from typing import Final, Literal

from bioresearcher.review.vocabulary import listed

Role = Literal["part", "front", "limits", "materials", "notes", "timing", "results", "conclusions", "aside"]
"""Use of a section: a part of the procedure, what is said before it, or what is told beside it."""

_ANY: Final = r"(?:\W.{0,50})?"
_ROLES: Final[tuple[tuple[Role, str], ...]] = (
    (
        "front",
        r"summary|abstract|objectives?|aims?|overview|background|introduction|purpose|decisions at a glance"
        r"|data and cohorts|facts that shape the plan|not done(?:,? and why)?|decision rule(?: for the answer)?"
        r"|definitions|scope|principle|description|摘要|目的|背景",
    ),
    ("limits", rf"(?:limitations?|caveats?|局限性?){_ANY}"),
    (
        "materials",
        r"(?:(?:key |required |other )?(?:materials?|reagents?|equipment|supplies|consumables|solutions|buffers|media"
        r"|primers|chemicals|instruments?|recipes?|stock solutions|ingredients|kits?|apparatus)"
        r"(?:(?:,| and| or|/| &)+ (?:\w+ )?(?:materials?|reagents?|equipment|supplies|consumables|solutions"
        r"|considerations|buffers|media|chemicals|instruments?|tools|setup|set-up))*"
        r"(?: (?:required|needed|list|recipes?|used|preparation list))?|(?:things|what) you(?:'ll| will)?"
        r" need|材料|试剂)",
    ),
    ("timing", r"tim(?:ing|eline|e required)|duration|estimated time|schedule"),
    (
        "results",
        r"(?:expected |anticipated |representative )?(?:results?|outcomes?|findings)(?: and (?:discussion"
        r"|interpretation))?|结果",
    ),
    ("conclusions", r"(?:discussion(?: and conclusions?)?|conclusions?|interpretation|结论|讨论)"),
    (
        "notes",
        r"(?:general |important |additional )?(?:notes?|tips?|hints|remarks|troubleshooting|before (?:you"
        r" )?start(?:ing)?"
        r"|before (?:you )?begin|safety(?: (?:information|warnings?|notes?))?|warnings?|precautions|considerations"
        r"|comments|faq|tips and tricks|注意(?:事项)?)",
    ),
    (
        "aside",
        r"references?|bibliography|literature(?: cited)?|acknowledge?ments?|table of contents|contents|authors?|contact"
        r"|requirements?(?: coverage)?|coverage|appendix.*|(?:list of )?abbreviations|conditions|review"
        r"|revision history"
        r"|version history|change ?log|licen[cs]e|citation|funding|keywords|document history|signatures?|approvals?"
        r"|(?:conflicts?|competing) (?:of )?interests?|author contributions|data availability|参考文献",
    ),
)
_PATTERNS: Final = tuple((role, re.compile(rf"^(?:{pattern})\W*$", re.I)) for role, pattern in _ROLES)
_ACTION: Final = listed("read_text", "action")
_LEAD: Final = re.compile(
    r"^\W*(?:(?:step \d+|next|then|first|second|finally|now|carefully|gently|immediately|slowly"
    r"|optional(?:ly)?|quickly|briefly"
    r"|meanwhile|afterwards|on day \d+|day \d+)\W+){0,2}",
    re.I,
)
_AFTER_CLAUSE: Final = re.compile(
    r"^\W*(?:at|in|on|for|to|using|with|after|when|once|if|under|from|while|during|before|prior"
    r" to)\b[^.;\n]{2,90}?,?\s(\w+)",
    re.I,
)


def role_of(title: str) -> Role:
    """Return the use of a section by its heading; `part` for one of the procedure and for any unknown heading."""
    return next((role for role, pattern in _PATTERNS if pattern.match(title.strip())), "part")


def instructs(text: str) -> bool:
    """Return True if a text tells someone to do something, as a step does: it begins with a verb of bench or desk work.

    A clause may come first: `At OD600 of 0.2 add 2.4 µg DNA`.
    """
    bare = _LEAD.sub("", text[:300])
    if _ACTION.match(bare):
        return True
    first = re.split(r"(?<=[.;])\s", bare, maxsplit=1)[0]
    return bool(_AFTER_CLAUSE.match(bare)) and any(m.group()[0].islower() for m in _ACTION.finditer(first))
