"""Direction in the words of a sentence: a higher or lower risk, with respect to high values of what is measured."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_RISK: Final = (
    r"(?:hazards?|risks?|odds|chances?|probability|likelihood|mortality|events?|deaths|event rates?|relapses?|"
    r"recurrences?)"
)
_TIME: Final = r"(?:survival|prognosis|outcomes?|times?)"
_RISK_UP: Final = re.compile(
    rf"\b(?:(?:higher|greater|increased|elevated|raised|more) (?:[\w-]+ ){{0,2}}?{_RISK}"
    rf"|(?:worse|poor(?:er)?|shorter|reduced|inferior|lower|decreased|adverse|bad) (?:[\w-]+ ){{0,2}}?{_TIME}"
    rf"|{_RISK} (?:is|are|was|were) (?:[\d.]+ ?% |\w+ )?(?:higher|greater|increased|elevated|raised)|more likely"
    r"|earlier (?:events?|relapses?|deaths?)|(?:die|dies|died|relapsed?) (?:earlier|sooner)|unfavou?rable)\b",
    re.IGNORECASE,
)
_RISK_DOWN: Final = re.compile(
    rf"\b(?:(?:lower|smaller|reduced|decreased|fewer) (?:[\w-]+ ){{0,2}}?{_RISK}"
    rf"|(?:better|longer|improved|superior|higher|increased|good) (?:[\w-]+ ){{0,2}}?{_TIME}"
    rf"|{_RISK} (?:is|are|was|were) (?:[\d.]+ ?% |\w+ )?(?:lower|smaller|reduced|decreased)|less likely"
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


_WAY_UP: Final = re.compile(
    r"\b(?:higher|high|more|greater|larger|increas(?:e|es|ed|ing)|ris(?:e|es|ing)|rose|grow(?:s|ing)?|grew|elevated|raised|"
    r"go(?:es)? up|positive(?:ly)?|direct(?:ly)?)\b",
    re.IGNORECASE,
)
_WAY_DOWN: Final = re.compile(
    r"\b(?:lower|low|less|fewer|smaller|decreas(?:e|es|ed|ing)|fall(?:s|ing)?|fell|declin(?:e|es|ed|ing)|drop(?:s|ped)?|"
    r"reduced|go(?:es)? down|negative(?:ly)?|inverse(?:ly)?|opposite)\b",
    re.IGNORECASE,
)
_TOGETHER: Final = re.compile(r"\b(?:with|as|when|where|in|among|had|have|has|tend(?:s|ed)? to)\b", re.IGNORECASE)


def joint_direction(clause: str) -> int:
    """Return 1 where a clause lets two quantities rise together, -1 against each other, 0 when it says neither.

    `X falls as Y rises` is -1, `patients with less Y had less X` 1, `X rises with Y` 1; `more than` compares.
    """
    if re.search(r"\bthan\b", clause):
        return 0
    downs, ups = len(_WAY_DOWN.findall(clause)), len(_WAY_UP.findall(clause))
    if not downs + ups or downs + ups > 2 or not _TOGETHER.search(clause):
        return 0
    return -1 if downs % 2 else 1


_UNSURE: Final = re.compile(
    r"\b(?:whether|if|may|might|could|would|should|hypothes\w+|expect\w*|aim\w*|predict(?:ed)? that|unclear|unknown|"
    r"suggest\w*|possibl[ey]|apparent(?:ly)?|seem\w*|unlikely|likely|respectively|previous\w*|reported|"
    r"et al|studies|except|unless|either|not only)\b|\[\d|\(\d{4}\)|\?",
    re.IGNORECASE,
)
"""Words that make a direction less than plain: guesses, other people's results, lists in pairs."""
_GROUP_UP: Final = re.compile(
    r"\b(?:higher|greater|increased|elevated|raised|up-?regulated|over-?expressed)\b", re.IGNORECASE
)
_GROUP_DOWN: Final = re.compile(
    r"\b(?:lower|decreased|reduced|down-?regulated|under-?expressed|diminished)\b", re.IGNORECASE
)
_AGAINST: Final = re.compile(r"\b(?:than|compared (?:with|to)|versus|vs|relative to|as against)\b", re.IGNORECASE)
_SIGNED_TIE: Final = re.compile(
    r"\b(?:(positive(?:ly)?)|(negative(?:ly)?|inverse(?:ly)?)) (?:and \w+ )?(?:correlat|associat|relat)\w*",
    re.IGNORECASE,
)
_TIES: Final = re.compile(r"\b(?:positive|negative|inverse)(?:ly)?\b", re.IGNORECASE)
_NOT: Final = re.compile(r"\b(?:not?|nor|neither|without|never|failed)\b|n['’]t\b", re.IGNORECASE)


_NEAR: Final = 60
"""Characters between a measure and the word that says its direction."""


def group_direction(said: str, names: Sequence[str], case: re.Pattern[str], control: re.Pattern[str]) -> int:
    """Return 1 where a sentence says that a measure is higher in the case, -1 lower, 0 unless it says so plainly.

    It must name both groups, one before and the other behind `than` or its like, and hold a single direction, near
    one of the names of the measure.
    """
    ways = [*_GROUP_UP.finditer(said), *_GROUP_DOWN.finditer(said)]
    against = [*_AGAINST.finditer(said)]
    if len(ways) != 1 or len(against) != 1 or _UNSURE.search(said) or _NOT.search(said):
        return 0
    place = against[0].start()
    sides = [(bool(p.search(said[:place])), bool(p.search(said[place:]))) for p in (case, control)]
    way = 1 if _GROUP_UP.fullmatch(ways[0][0]) else -1
    near = said[max(0, ways[0].start() - _NEAR) : ways[0].end() + _NEAR]
    if ways[0].start() > place or not any(re.search(rf"\b{re.escape(n)}", near, re.IGNORECASE) for n in names):
        return 0
    return {((True, False), (False, True)): way, ((False, True), (True, False)): -way}.get((sides[0], sides[1]), 0)


def tie_direction(said: str) -> int:
    """Return 1 where a sentence says of two quantities that they are positively related, -1 inversely, else 0."""
    found = [*_SIGNED_TIE.finditer(said)]
    if len(found) != 1 or len(_TIES.findall(said)) > 1 or _UNSURE.search(said) or _NOT.search(said):
        return 0
    return 1 if found[0][1] else -1
