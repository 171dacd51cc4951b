"""Direction in the words of a sentence: a higher or lower risk, with respect to high values of what is measured."""

from __future__ import annotations

import re
from typing import Final

_RISK: Final = r"(?:hazards?|risks?|mortality|events?|deaths|event rates?|relapses?|recurrences?)"
_TIME: Final = r"(?:survival|prognosis|outcomes?|times?)"
_RISK_UP: Final = re.compile(
    rf"\b(?:(?:higher|greater|increased|elevated|raised|more) (?:[\w-]+ ){{0,2}}?{_RISK}"
    rf"|(?:worse|poor(?:er)?|shorter|reduced|inferior|lower|decreased|adverse|bad) (?:[\w-]+ ){{0,2}}?{_TIME}"
    r"|earlier (?:events?|relapses?|deaths?)|(?:die|dies|died|relapsed?) (?:earlier|sooner)|unfavou?rable)\b",
    re.IGNORECASE,
)
_RISK_DOWN: Final = re.compile(
    rf"\b(?:(?:lower|smaller|reduced|decreased|fewer) (?:[\w-]+ ){{0,2}}?{_RISK}"
    rf"|(?:better|longer|improved|superior|higher|increased|good) (?:[\w-]+ ){{0,2}}?{_TIME}"
    r"|later (?:events?|relapses?|deaths?)|(?:live|lives|lived|survived?) longer|(?<!un)favou?rable)\b",
    re.IGNORECASE,
)
_LOW_SCORE: Final = re.compile(
    r"\b(?:lower|low|decreas\w+|reduced|falling)[- ](?:[\w-]+[- ]){0,3}?"
    r"(?:scores?|expression|levels?|values?|activity|signature|group|half)\b",
    re.IGNORECASE,
)


def risk_direction(clause: str) -> int:
    """Return 1 where a clause says a higher risk with a higher measure, -1 a lower one, 0 when it says neither.

    `A low score goes with longer survival` says a higher risk with a higher score.
    """
    up, down = _RISK_UP.search(clause), _RISK_DOWN.search(clause)
    if bool(up) == bool(down):
        return 0
    word = up or down
    outside = clause[: word.start()] + " " + clause[word.end() :] if word else clause
    return (1 if up else -1) * (-1 if _LOW_SCORE.search(outside) else 1)
