"""Claims of a sentence against the findings it cites: groups, directions, significance, replication, comparisons."""

from __future__ import annotations

import math
import re
from typing import Final

from bioresearcher.analysis.direction_words import joint_direction, risk_direction
from bioresearcher.schemas.ask_answer import CitedFinding
from bioresearcher.schemas.execution import Result
from bioresearcher.stages.answer_known import Known, comparable, plain
from bioresearcher.stages.answer_numbers import COUNTS, Amount, amounts, clauses, close, entities

ALPHA: Final = 0.05
_NEGATED: Final = re.compile(
    r"\b(?:not|no|none|nor|neither|never|without|cannot|"
    r"fail(?:s|ed)? to|lack\w*|absence of|non-?significant)\b|n['’]t\b",
    re.IGNORECASE,
)
_CLAIM: Final = re.compile(
    r"\b(?:significan\w*|associat\w*|differ(?:s|ed|ent|entially|ence|ences)?\b(?! of means)|"
    r"correlat\w*|predict\w*|prognostic|linked|related|"
    r"enriched|over-?represented|detected)\b",
    re.IGNORECASE,
)
_REPLICATED: Final = re.compile(
    r"\b(?:replicat\w*|reproduc\w*|confirm\w*|validated|holds? (?:up )?in|held (?:up )?in|seen again)\b", re.IGNORECASE
)
_SIGNIFICANT: Final = re.compile(r"\b(?<!non-)(?<!non)significan(?:t|tly|ce)\b", re.IGNORECASE)
_HIGHER: Final = re.compile(
    r"\b(?:higher|up-?regulated|elevated|increased|greater|over-?expressed|positively|raised|"
    r"more (?:frequent|abundant|common|expressed))\b",
    re.IGNORECASE,
)
_LOWER: Final = re.compile(
    r"\b(?:lower|down-?regulated|decreased|reduced|under-?expressed|negatively|inversely|depleted|rarer|"
    r"less (?:frequent|abundant|common|expressed))\b",
    re.IGNORECASE,
)
_MORE_THAN: Final = re.compile(
    r"\b(higher|larger|greater|more|bigger|stronger|closer|tighter|lower|smaller|fewer|less|weaker|looser)\b(?:[^.;]|\.(?=\d)){0,80}?\bthan\b",
    re.IGNORECASE,
)
_MOST: Final = re.compile(
    r"\b(?:strongest|largest|highest|smallest|lowest|top|leading|best|"
    r"most (?:significant|enriched|different|clearly|often|frequent(?:ly)?|common(?:ly)?|abundant))\b",
    re.IGNORECASE,
)
_COMPARED: Final = re.compile(
    r"\b(?:\w+er (?:\w+ ){0,4}?than|steeper|stronger|weaker|larger|smaller|higher|lower|heavier|lighter|greater|"
    r"fewer)\b",
    re.IGNORECASE,
)
_LISTED_AFTER: Final = re.compile(r"(-?\d+(?:\.\d+)?)(?: ?[\w%/]+)? \(([A-Za-z][\w -]*)\)")
_ADJUSTED: Final = re.compile(
    r"\badjust(?:ed|ment|ing) for ([\w ,-]+?)(?= \(|[.;:(]|,? the | with |$)|\bwith ([\w ,-]+?) in the model\b",
    re.IGNORECASE,
)
_PAIR: Final = re.compile(
    r"([\w-]+)(?: (?:mice|samples|patients|cells|group))? (?:is|are|was|were) (?:[\d.,]+ (?:\w+ )?)?"
    r"(higher|greater|larger|more|heavier|longer|lower|smaller|less|fewer|lighter|shorter) than "
    r"(?:in |of |with |that in |those in |the )*([\w-]+)",
    re.IGNORECASE,
)
_NONE: Final = r"\b(?:no|without(?: any)?|free of|neither|nor) (?:[\w-]+ ){0,2}?"
_ABSENT: Final = re.compile(
    rf"{_NONE}(heterogeneity|interactions?|missing|outliers?|batch|bias|confounding|drop-?outs?|adverse|side)\b",
    re.IGNORECASE,
)
_LISTED: Final = re.compile(r"([A-Za-z][\w-]*[A-Z0-9_][\w-]*) \(([^()]*)\)")


def why_not_claimed(text: str, known: Known) -> str:
    """Return in a few words which claim of a sentence its findings do not bear; empty when they bear all."""
    checks = (_groups, _directions, _significance, _replication, _comparisons, _absences, _owners, _adjusted, _pairwise)
    return next((said for check in checks if (said := check(text, known))), "")


def _groups(text: str, known: Known) -> str:
    """Return which count is said to be of the wrong group."""
    for clause in clauses(text):
        for said in amounts(clause, known.case, known.control):
            if said.group and said.role in ("n", ""):
                level = known.question.case if said.group == "case" else known.question.control
                counts = {
                    float(f.result.groups[level]) for f in known.findings if f.result and level in f.result.groups
                }
                stated = {k.value for k in known.amounts if k.group == said.group}
                if (counts or stated) and said.value not in counts | stated:
                    return f"{said.text} is not the size of that group"
    return ""


def _sign(result: Result) -> int:
    """+1 where the estimate says higher with the measure or in the case, -1 lower, 0 when it says nothing."""
    if result.estimate is None:
        return 0
    centre = (
        1.0
        if result.effect in ("hazard ratio", "odds ratio")
        else 0.5
        if result.effect == "area under the curve"
        else 0.0
    )
    return (result.estimate > centre) - (result.estimate < centre)


def _relevant(clause: str, known: Known) -> list[CitedFinding]:
    """Return the findings whose estimate a clause gives; all that have one when it gives none."""
    rows = [
        a
        for a in amounts(clause, known.case, known.control)
        if a.role in ("hr", "or", "corr", "coef", "diff", "lfc", "nes")
    ]
    named = []
    for finding in known.findings:
        own = Known.of(known.question, [finding])
        if rows and any(comparable(a, k) and close(a, k) for a in rows for k in own.amounts):
            named.append(finding)
    return named or list(known.findings)


def _directions(text: str, known: Known) -> str:
    for clause in clauses(text):
        if problem := _risk_direction(clause, known) or _joint(clause, known) or _group_direction(clause, known):
            return problem
    return ""


def _joint(clause: str, known: Known) -> str:
    """Return a problem where a clause lets two columns go together otherwise than their correlation or slope does."""
    said = 0 if _NEGATED.search(clause) else joint_direction(clause)
    told = [f.result for f in _relevant(clause, known) if f.result]
    signs = {_sign(r) for r in told if r.effect in ("correlation", "regression coefficient") and r.contrast is None}
    return "its direction is not that of the estimate" if said and signs - {0} and said not in signs else ""


def _risk_direction(clause: str, known: Known) -> str:
    said = risk_direction(clause)
    if not said or _NEGATED.search(clause):
        return ""
    rows = amounts(clause, known.case, known.control)
    here = {(a.value > 1) - (a.value < 1) for a in rows if a.role in ("hr", "or")}
    signs = here or {
        _sign(f.result)
        for f in _relevant(clause, known)
        if f.result and f.result.effect in ("hazard ratio", "odds ratio")
    }
    signs.discard(0)
    if signs and said not in signs:
        return "its direction is not that of the estimate"
    return ""


def _oriented(clause: str, known: Known) -> int:
    """Return the direction of a clause with respect to the case, where it names a direction and a group; else 0."""
    up, down = _HIGHER.search(clause), _LOWER.search(clause)
    if bool(up) == bool(down):
        towards = re.search(r"\b(?:towards?|for|favou?ring)\b", clause)
        if not towards:
            return 0
        at = towards.end()
        said = 1
    else:
        word = up or down
        said, at = (1 if up else -1), word.end() if word else 0
    case, control = known.case.search(clause, at), known.control.search(clause, at)
    if not case and not control:
        case, control = known.case.search(clause), known.control.search(clause)
        if case and control:
            return 0
    if not case and not control:
        return 0
    first_is_case = bool(case) and (not control or (case is not None and case.start() < control.start()))
    first = case if first_is_case else control
    compared = first is not None and re.search(r"\bthan (?:in |with |the |those |that )*$", clause[: first.start()])
    return said if first_is_case != bool(compared) else -said


def _group_direction(clause: str, known: Known) -> str:
    if _NEGATED.search(clause):
        return ""
    said = _oriented(clause, known)
    if not said:
        signed = _HIGHER.search(clause) if not _LOWER.search(clause) else None
        below = _LOWER.search(clause) if not _HIGHER.search(clause) else None
        word = signed or below
        if word and word[0].casefold() in ("positively", "negatively", "inversely"):
            signs = {_sign(f.result) for f in _relevant(clause, known) if f.result} - {0}
            wanted = 1 if signed else -1
            return "its direction is not that of the estimate" if signs and wanted not in signs else ""
        return ""
    names = [n for n in entities(clause) if plain(n) not in plain(known.question.column + known.question.text)]
    for finding in known.findings:
        own = Known.of(known.question, [finding])
        told = [(plain(c), _oriented(c, own)) for c in clauses(finding.statement)]
        for name in names:
            for b in own.bundles:
                signed_row = next((a for a in b.amounts if a.role in ("diff", "lfc", "nes", "corr", "coef")), None)
                of_it = bool(b.lead) and plain(name) in plain(b.lead)
                if of_it and signed_row and signed_row.value and (signed_row.value > 0) != (said > 0):
                    return f"its direction is not that of {name}"
            whole = plain(finding.statement)
            stated = {d for c, d in told if d}
            if (
                plain(name) in whole
                and len(stated) == 1
                and said not in stated
                and finding.result
                and finding.result.kind == "enrichment"
            ):
                return f"its direction is not that of {name}"
    if not names:
        ways = {d for f in known.findings for c in clauses(f.statement) if (d := _oriented(c, known))}
        if len(ways) == 1 and said not in ways:
            return "its direction is not that of its findings"
        signs = {_sign(f.result) for f in _relevant(clause, known) if f.result and f.result.contrast} - {0}
        if signs and said not in signs:
            return "its direction is not that of the estimate"
    return ""


def significant(finding: CitedFinding) -> bool | None:
    """True if a finding is below the level of its test; None when it does not say."""
    r = finding.result
    if r is None:
        p = finding.values.get("p")
        return p < ALPHA if isinstance(p, float) else None
    if r.called is not None:
        return r.called > 0
    if r.p is not None:
        return r.p < ALPHA
    return None


def _significance(text: str, known: Known) -> str:
    for clause in clauses(text):
        denied = bool(_NEGATED.search(clause))
        if not denied and _COMPARED.search(clause):
            told = [a for a in amounts(clause, known.case, known.control) if a.role in ("p", "fdr") and not a.sign]
            if told and all(a.value >= ALPHA for a in told):
                return "it claims what its findings do not show at p < 0.05"
        found = list(_CLAIM.finditer(clause))
        if not found:
            continue
        of_each = re.search(r"\b(?:each|every|all|pairwise)\b", clause, re.IGNORECASE)
        at_once = [f for f in known.findings if f.result and f.result.contrast and len(f.result.contrast.levels) > 2]
        if not denied and of_each and at_once and len(at_once) == len(known.findings):
            return "it claims of each group what its findings show of all at once"
        rows = [a for a in amounts(clause, known.case, known.control) if a.role in ("p", "fdr") and not a.sign]
        if rows:
            states = {a.value < ALPHA for a in rows}
        else:
            states = {s for f in _relevant(clause, known) if (s := significant(f)) is not None}
        if not states:
            if not denied and _SIGNIFICANT.search(clause) and not _SIGNIFICANT.search(known.text):
                return "it calls significant what its findings do not"
            continue
        if not denied and False in states and re.search(r"\b(?:both|all|each|every)\b", clause, re.IGNORECASE):
            return "it claims of all what its findings do not show of each"
        if not denied and True not in states:
            return "it claims what its findings do not show at p < 0.05"
        if denied and False not in states and not _tolerates(known):
            return "it denies what its findings show"
    return ""


def _tolerates(known: Known) -> bool:
    """True if a finding itself denies something, such as a failed replication."""
    stated = (c for f in known.findings for c in clauses(f.statement))
    return any(_NEGATED.search(c) and (_CLAIM.search(c) or _REPLICATED.search(c)) for c in stated)


def _replication(text: str, known: Known) -> str:
    for clause in clauses(text):
        found = _REPLICATED.search(clause)
        if not found:
            continue
        denied = bool(_NEGATED.search(clause)) or bool(re.search(r"\bwhether\b|\bwould\b", clause))
        told = [(f.values.get("replicated"), f.statement) for f in known.findings]
        states = {bool(v) for v, _ in told if isinstance(v, bool)}
        if not states:
            states = {
                not _NEGATED.search(c)
                for _, s in told
                for c in clauses(s)
                if _REPLICATED.search(c) and "would" not in c
            }
        if not states:
            return "no finding of it tells of a replication"
        if (not denied) not in states:
            return "it tells another outcome of the replication than its findings"
    return ""


def _comparisons(text: str, known: Known) -> str:
    for clause in clauses(text):
        found = _MORE_THAN.search(clause)
        if found and not re.match(r"\w+\s+than$", found[0]):  # `more than 5 %` is a limit
            rows = [
                a
                for a in amounts(clause, known.case, known.control)
                if a.role in ("hr", "or", "corr", "nes", "diff", "lfc", "index")
                or (not a.role and not a.sign)
                or a.role in COUNTS
            ]
            before = [a for a in rows if a.place < found.end()]
            after = [a for a in rows if a.place >= found.end()]
            if before and after:
                word = found[1].casefold()
                more = word in ("higher", "larger", "greater", "more", "bigger", "stronger", "closer", "tighter")
                of_size = word in ("stronger", "closer", "tighter", "weaker", "looser")
                if (_size(before[-1], of_size) > _size(after[0], of_size)) != more:
                    return "its comparison is not that of the numbers"
        best = _MOST.search(clause)
        names = (entities(clause[best.end() :]) or entities(clause[: best.start()])[-1:])[:1] if best else []
        for name in names:
            by_p = best and re.match(r"\W*(?:adjusted )?(?:p|q|fdr)\b", clause[best.end() :], re.IGNORECASE)
            if best and not by_p and (problem := _not_the_most(name, best[0].casefold(), known)):
                return problem
            if not by_p and _estimates(known, name):
                continue
            lists = [entities(c) for f in known.findings for c in [f.statement] if plain(name) in plain(c)]
            firsts = [plain(x) for row in lists for x in row[:6]]
            listed_first = any(_first_listed(f.statement, name) for f in known.findings)
            if lists and firsts and not listed_first:
                return f"{name} is not the first in its findings"
    return ""


def _estimates(known: Known, name: str) -> dict[str, float]:
    """Return name -> estimate of the list of a finding in which a name stands with others; empty when in none."""
    for finding in known.findings:
        rows = {
            plain(b.lead): a.value
            for b in Known.of(known.question, [finding]).bundles
            for a in b.amounts
            if b.lead and a.role in ("lfc", "diff", "nes", "corr", "coef")
        }
        if len(rows) > 1 and plain(name) in rows:
            return rows
    return {}


def _not_the_most(name: str, word: str, known: Known) -> str:
    """Return a problem where a name is called the largest or smallest and another's estimate is."""
    rows = _estimates(known, name)
    pick = {"strongest": (max, abs), "largest": (max, abs), "smallest": (min, abs)}.get(word)
    if not rows or pick is None:
        return ""
    best, of = pick
    return "" if of(rows[plain(name)]) == best(map(of, rows.values())) else f"{name} is not the {word} in its findings"


def _adjusted(text: str, known: Known) -> str:
    """Return a name that a sentence says to be in the model, and that is in none of its findings."""
    q = known.question
    allowed = plain(" ".join([known.text, q.text, q.words, *q.terms, *q.labels.values()]))
    for found in _ADJUSTED.finditer(text):
        for name in re.split(r",\s*(?:and )?|\s+and\s+", found[1] or found[2]):
            words = [w for w in re.findall(r"[A-Za-z]{3,}", name) if w not in ("the", "with")]
            if words and not any(plain(w) in allowed for w in words):
                return f"{name.strip()} is not in the model of its findings"
    return ""


def _pairwise(text: str, known: Known) -> str:
    """Return a problem where two groups are compared the other way round than by a finding."""
    stated = {(a, b): way for f in known.findings for a, b, way in _compared_pairs(f.statement)}
    for one, other, way in _compared_pairs(text):
        known_way = stated.get((one, other)) or -stated.get((other, one), 0)
        if known_way and known_way != way:
            return "its direction is not that of its findings"
    return ""


def _compared_pairs(text: str) -> list[tuple[str, str, int]]:
    """Return (group, other group, 1 or -1) of each `… in A is higher than in B`."""
    rows = []
    for m in _PAIR.finditer(text):
        way = 1 if m[2].casefold() in ("higher", "greater", "larger", "more", "heavier", "longer") else -1
        rows.append((plain(m[1]), plain(m[3]), way))
    return rows


def _size(amount: Amount, of_size: bool) -> float:
    """Return what a comparison orders by: the value, or how far an estimate lies from saying nothing."""
    if not of_size:
        return amount.value
    ratio = amount.role in ("hr", "or") and amount.value > 0
    return abs(math.log(amount.value)) if ratio else abs(amount.value)


def _absences(text: str, known: Known) -> str:
    for clause in clauses(text):
        for found in _ABSENT.finditer(clause):
            if not re.search(rf"{_NONE}{re.escape(found[1])}", known.text, re.IGNORECASE):
                return f"that there is {found[0]} is in none of its findings"
    return ""


def _owners(text: str, known: Known) -> str:
    """Return which number of a list `NAME (numbers); NAME (numbers)` a clause gives to another name."""
    lists = [(plain(m[1]), m[2]) for f in known.findings for m in _LISTED.finditer(f.statement)]
    rest = " ".join(_LISTED.sub(" ", f.statement) for f in known.findings)
    elsewhere = {a.value for a in amounts(rest, known.case, known.control)}
    for clause in clauses(text):
        named = {plain(n) for n in entities(clause)} & {name for name, _ in lists}
        for said in amounts(clause, known.case, known.control) if len(named) == 1 else ():
            of = {name for name, told in lists for a in amounts(told, known.case, known.control) if close(said, a)}
            if of and not of & named and said.value not in elsewhere:
                return f"{said.text} is of another name in its findings"
        after = {m[2]: float(m[1]) for f in known.findings for m in _LISTED_AFTER.finditer(f.statement)}
        here = [name for name in after if re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", clause, re.IGNORECASE)]
        numbers = {a.value for a in amounts(clause, known.case, known.control)} & {*after.values()}
        if len(here) == 1 and numbers and after[here[0]] not in numbers:
            return f"{min(numbers):g} is of another name than {here[0]} in its findings"
    return ""


def _first_listed(statement: str, name: str) -> bool:
    """True if a name is the first with a number in parentheses, or the only one in the statement."""
    listed = re.findall(r"([A-Za-z][\w-]*[A-Z0-9_][\w-]*) \(", statement)
    return (
        not listed
        or plain(name) in plain(listed[0])
        or plain(listed[0]) in plain(name)
        or plain(name) not in plain(" ".join(listed))
    )
