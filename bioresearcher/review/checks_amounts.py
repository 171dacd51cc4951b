"""Checks of bench work that arithmetic or a physical bound can be sure of: temperatures, speeds, volumes, dilutions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from bioresearcher.review.check import Check, CheckedProtocol, CheckHit, quote
from bioresearcher.review.quantities import Quantity, quantities, sentences

Find = Callable[[str], Iterator[tuple[str, int, int, str]]]
"""Finder in one sentence: message, first and last place, advice."""


def _each_sentence(find: Find) -> Callable[[CheckedProtocol], Iterator[CheckHit]]:
    def check(view: CheckedProtocol) -> Iterator[CheckHit]:
        for s in view.steps:
            text = s.step.action if s.step.action.startswith(s.step.title) else f"{s.step.title}. {s.step.action}"
            for _, sentence in sentences(text[:20_000]):
                for message, start, end, advice in find(sentence):
                    yield CheckHit(s.location, f"{message}: {quote(sentence, start, end)}", advice)

    return check


def _of(text: str, *dimensions: str) -> list[Quantity]:
    return [q for q in quantities(text) if q.dimension in dimensions]


# -- temperature --------------------------------------------------------------------------------------

_DRY_HEAT: Final = re.compile(
    r"\b(?:bak\w+|dry|dries|dried|frying|fry|nitric|evaporat\w*|oven|furnace|combust\w*|ash\w*|muffle"
    r"|flame\w*|glass\w*|foil|burn\w*|pyroly\w*|hot ?plate"
    r"|GC|inlet|injector|detector|capillary|ioni[sz]\w*|source|desolvation|reflux\w*|distil\w*|melt\w*|solder\w*"
    r"|quartz|combusted|sinter\w*|digestion block|acid digest\w*|mass spec\w*|column oven|gas flow|nozzle"
    r"|temperature ramp|transfer tube|loss.on.ignition|LOI|ignit\w*|kiln|calcin\w*"
    r"|\w*spray|ramp\w*|steril\w*|autoclav\w*|dehydrat\w*|anneal the (?:glass|chip))\b",
    re.I,
)
_SAMPLE: Final = re.compile(
    r"\b(?:incubat|cultur|grow|stor|thaw|anneal|denatur|centrifug|spin|spun|elut|hybridi|extension|extend"
    r"|boil|water ?bath"
    r"|heat ?block|heating block|heat shock|cycl|shak|agitat|rotat|wash|stain|fix|block|resuspend|pre-?warm"
    r"|warm|room|ice"
    r"|fridge|freez|refrigerat|overnight|inactivat|hold|supernatant|lysate|cells|pellet|tubes?|plates?)\w*\b",
    re.I,
)
_HOTTEST: Final = 125.0
_COLDEST: Final = -196.0


def impossible_temperature(text: str) -> Iterator[tuple[str, int, int, str]]:
    """Hotter than any sample bears (dry heat and instruments aside), or colder than liquid nitrogen."""
    advice = "Check the number and its unit."
    for q in _of(text, "temperature"):
        if q.unit == "C" and not 0 < abs(q.number) < 1_000:  # a room, a model: `7410C`
            continue
        if q.value < -273.15:
            yield "colder than absolute zero", q.start, q.end, advice
        elif q.value < _COLDEST - 1 and "helium" not in text.lower():
            yield "colder than liquid nitrogen", q.start, q.end, advice
        elif ((q.value > _HOTTEST and _SAMPLE.search(text)) or q.value > 400) and not _DRY_HEAT.search(text):
            yield "hotter than a sample in a tube or plate can be", q.start, q.end, advice


# -- speed --------------------------------------------------------------------------------------------

_SMALL_CENTRIFUGE: Final = re.compile(
    r"\b(?:micro ?-?centrifuge|microfuge|table ?-?top|bench ?-?top|eppendorf|1\.5[- ]?ml|2[- ]?ml tubes?|spin column)",
    re.I,
)
_ULTRA: Final = re.compile(
    r"\bultra|TLA|SW ?\d\d|Ti ?\d|\d Ti\b|Beckman|vacuum|Optima|rotor|gradient|cushion|\bCsCl\b", re.I
)
_SPIN: Final = re.compile(r"\b(?:centrifug|spin|spun|pellet|microcentrifug)\w*", re.I)
_SHAKE: Final = re.compile(r"\b(?:shak|agitat|orbital|rotat|rock|incubat|grow|cultur|stir)\w*", re.I)
_CELLS: Final = re.compile(r"\b(?:pellet|spin|centrifuge|collect|harvest)\w*(?: down)? (?:the )?(?:\w+ )?cells\b", re.I)


def impossible_speed(text: str) -> Iterator[tuple[str, int, int, str]]:
    """A speed that the centrifuge or shaker named cannot reach, or that no cell survives."""
    advice = "Check the number and whether rpm or × g is meant."
    for q in _of(text, "force", "turns", "mass"):
        if q.dimension == "mass" and not (q.unit == "g" and q.number >= 100 and _SPIN.search(text)):
            continue
        bound, what = _fastest(text, q)
        if q.value > bound:
            yield f"faster than {what}", q.start, q.end, advice


def _fastest(text: str, q: Quantity) -> tuple[float, str]:
    long = any(t.value >= 1800 for t in _of(text, "time"))  # nobody spins that long but in an ultracentrifuge
    ultra = bool(_ULTRA.search(text)) or (long and not _SMALL_CENTRIFUGE.search(text))
    if q.dimension == "turns":
        if not _SPIN.search(text) and _SHAKE.search(text):
            return 3_500, "a shaker turns"
        return (160_000, "any centrifuge turns") if ultra else (26_000, "a centrifuge that is no ultracentrifuge turns")
    if _CELLS.search(text) and not ultra:
        return 25_000, "cells bear"
    if _SMALL_CENTRIFUGE.search(text) and not ultra:
        return 32_000, "a microcentrifuge spins"
    return (1_100_000, "any centrifuge spins") if ultra else (120_000, "a centrifuge that is no ultracentrifuge spins")


_BARE_SPEED: Final = re.compile(
    r"\b(?:centrifug|spin|spun)\w*\b[^.;\n]{0,50}?\bat\s+(?P<v>\d{1,3},?\d{3}|\d{1,2} ?[xX×])\s+(?=for\b|at\b|and\b)",
    re.I,
)


def speed_without_unit(text: str) -> Iterator[tuple[str, int, int, str]]:
    """A speed without `rpm` or `× g`, or with half of it (`10 x`)."""
    for m in _BARE_SPEED.finditer(text):
        yield "a speed without its unit", m.start("v"), m.end("v"), "Say whether rpm or × g is meant."


# -- volumes and vessels ------------------------------------------------------------------------------

_WELLS: Final = {6: 17e-3, 12: 7e-3, 24: 3.6e-3, 48: 1.8e-3, 96: 2.4e-3, 384: 0.3e-3, 1536: 0.015e-3}
"""Wells of a plate -> litres that the largest common well of that plate holds (96: deep well)."""
_PLATE: Final = re.compile(r"\b(6|12|24|48|96|384|1536)[- ]?well\b", re.I)
_PER_WELL: Final = re.compile(
    r"\b(?:per|to each|in(?:to)? each|to every|each) (?:of the )?(?:\d+ )?wells?\b|/\s?well\b", re.I
)
_TUBE: Final = re.compile(
    r"\b(?:in(?:to)?|to) (?:an? |the |each |new |clean |fresh |sterile |labell?ed |single )*"
    r"(?P<size>\d+(?:\.\d+)?)[- ]?(?P<unit>m[lL]|µ[lL]|μ[lL]|ul|uL) (?:[\w-]+ ){0,2}?(?:tube|vial)\b"
)
_MICRO_TUBE: Final = re.compile(
    r"\b(?:in(?:to)?|to) (?:an? |the |each |new |clean |fresh |sterile |labell?ed )*"
    r"(?:microfuge|microcentrifuge|eppendorf|micro-?centrifuge) (?:tube|vial)\b",
    re.I,
)
_MOVE: Final = re.compile(r"^\W*(?:\w+,? )?(?:add|transfer|pipette?|dispense|place|put|aliquot|load)\b", re.I)
_IN_ALL: Final = re.compile(r"^\W*(?:in )?(?:total|all)\b|\bneeded\b", re.I)
_SEVERAL: Final = re.compile(
    r"\b(?:tubes|vials|aliquots?|divide|split|batches|several|multiple|portions?|at a time|repeat)\b", re.I
)


def over_full(text: str) -> Iterator[tuple[str, int, int, str]]:
    """More than the tube or well named can hold."""
    volumes = _of(text, "volume")
    plate = _PLATE.search(text)
    per_well = _PER_WELL.search(text)
    if plate and per_well:
        room = _WELLS[int(plate.group(1))]
        for q in volumes:
            near = q.end <= per_well.start() and per_well.start() - q.end < 60
            if near and q.value > room and not _IN_ALL.search(text[q.end : q.end + 30]):
                yield f"more than a well of a {plate.group(1)}-well plate holds", q.start, q.end, "Check the volume."
    tube = _TUBE.search(text) or _MICRO_TUBE.search(text)
    if tube and _MOVE.search(text) and not _SEVERAL.search(text):
        size = (
            next(iter(quantities(f"{tube.group('size')} {tube.group('unit')}"))).value
            if "size" in tube.groupdict()
            else 2.2e-3
        )
        for q in volumes:
            vessel = re.search(
                r"(?:\b(?:from|in) (?:an? |the )?|\b(?:bottle|flask|beaker|tube|vial|carboy) ?\()$", text[: q.start]
            )
            if q.end <= tube.start() and tube.start() - q.end < 80 and q.value > 1.5 * size and not vessel:
                yield "more than the tube holds", q.start, q.end, "Check the volume and the tube."


def odd_magnitude(text: str) -> Iterator[tuple[str, int, int, str]]:
    """A number far beyond what is written with its unit: 20,000 µl, 50,000 ml, 4,000 min."""
    for q in quantities(text):
        bound = _WRITTEN.get(q.dimension, {}).get(_plain_unit(q.unit))
        if bound and q.number > bound:
            yield f"a number this large is not written in {q.unit}", q.start, q.end, "Check the number and its unit."


def _plain_unit(unit: str) -> str:
    low = unit.lower().replace("µ", "u").replace("μ", "u")
    return {"microliter": "ul", "microliters": "ul", "milliliter": "ml", "milliliters": "ml"}.get(
        low, re.sub(r"^(sec|min|hour|hr|day)\w*$", r"\1", low)
    )


_WRITTEN: Final[dict[str, dict[str, float]]] = {
    "volume": {"ul": 9_999, "ml": 9_999, "l": 200},
    "mass": {"ug": 9_999, "mg": 9_999, "ng": 99_999},
    "time": {"sec": 900, "min": 600},
}


# -- concentrations -----------------------------------------------------------------------------------

_MOST_MOLAR: Final[tuple[tuple[str, float], ...]] = (
    (r"NaCl|sodium chloride", 6.2),
    (r"KCl|potassium chloride", 5.0),
    (r"EDTA", 1.1),
    (r"EGTA", 1.0),
    (r"Tris(?:[- ](?:HCl|Cl|base))?", 5.0),
    (r"HEPES", 3.5),
    (r"DTT|dithiothreitol", 5.0),
    (r"MgCl2|magnesium chloride", 5.9),
    (r"CaCl2|calcium chloride", 7.5),
    (r"sucrose", 6.1),
    (r"HCl|hydrochloric acid", 12.5),
    (r"imidazole", 10.0),
    (r"IPTG", 2.5),
    (r"sodium acetate", 6.5),
    (r"sodium citrate", 3.0),
)
"""Substance -> mol/l that water can hold of it, rounded up (solubilities of the CRC Handbook and of suppliers)."""
_MOST_PERCENT: Final[tuple[tuple[str, float], ...]] = (
    (r"(?:low[- ]melt(?:ing)?(?:[- ]point)? )?agarose", 8.0),
    (r"(?:bacto[- ]?)?agar(?! plate)", 10.0),
    (r"SDS|sodium dodecyl sul(?:f|ph)ate", 30.0),
    (r"PFA|paraformaldehyde", 37.0),
    (r"formaldehyde|formalin", 100.0),
    (r"H2O2|hydrogen peroxide", 60.0),
    (r"BSA|bovine serum albumin", 40.0),
    (r"glutaraldehyde", 75.0),
    (r"sodium azide", 40.0),
    (r"(?:nonfat |skim(?:med)? )?(?:dry |dried )?milk", 30.0),
    (r"sucrose", 85.0),
    (r"polyacrylamide|acrylamide", 50.0),
    (r"saponin|digitonin", 20.0),
    (r"gelatin", 30.0),
    (r"sodium hypochlorite", 20.0),
)
"""Substance -> per cent in which it can be had, a little rounded up."""
_NAMED_MOLAR: Final = tuple((re.compile(rf"\s*(?:of\s+)?(?:{n})(?![\w-])"), most) for n, most in _MOST_MOLAR)
_NAMED_PERCENT: Final = tuple(
    (re.compile(rf"\s*(?:\(?[wv]\s?/\s?[wv]\)?\s*)?(?:of\s+)?(?:{n})(?!\w)", re.I), most) for n, most in _MOST_PERCENT
)
_OF_SATURATION: Final = re.compile(
    r"\bsaturat\w*|humidity|confluen\w*|identity|recover\w*|yield|efficien\w*|increase|excess", re.I
)
_INCUBATOR: Final = re.compile(r"(?:\s*\(v/v\))?\s*(?:CO2|CO₂)(?!\w)", re.I)
_OTHER_GAS: Final = re.compile(
    r"\b(?:euthan|an(?:a)?esth|anoxic|anaerob|N2|nitrogen|chamber gas|carbonat|dry ice|purge|mix)\w*", re.I
)


def impossible_concentration(text: str) -> Iterator[tuple[str, int, int, str]]:
    """More of a substance than its solution can hold: 5 M EDTA, 25 mg/µl, 100 % SDS, pH 80."""
    advice = "Check the number and its unit."
    for q in quantities(text):
        after = text[q.end : q.end + 60]
        if q.dimension == "mass per volume" and q.value > 2_500 and not re.search(r"densit|gravity", text, re.I):
            yield "denser than any solution", q.start, q.end, advice
        elif q.dimension == "molar":
            most = next((m for pattern, m in _NAMED_MOLAR if pattern.match(after)), 20.0)
            named = re.match(r"\s(?:of\s+)?[A-Z][A-Za-z0-9]+\b|\s(?:of\s+)?[a-z]{4,}", after) and " " in q.text
            if q.value > most and (most < 20 or named):
                yield f"more concentrated than its solution can be ({most:g} M)", q.start, q.end, advice
        elif q.dimension == "percent" and not _OF_SATURATION.search(text):
            most = next((m for pattern, m in _NAMED_PERCENT if pattern.match(after)), 100.0)
            if q.value > most and (
                most < 100
                or re.match(
                    r"\s*(?:\(?[vw]/[vw]\)?\s*)?[A-Za-z]*(?:ol|one|FBS|FCS|serum|glycerol|Tween|Triton)\b", after
                )
            ):
                yield f"more than it can be had in ({most:g} %)", q.start, q.end, advice
            elif _INCUBATOR.match(after) and q.value > 21 and not _OTHER_GAS.search(text):
                yield "more CO2 than an incubator for cells holds", q.start, q.end, advice
    for m in _PH.finditer(text):
        if float(m.group(1)) > 14:
            yield "a pH above 14", *m.span(), advice


_PH: Final = re.compile(r"\bpH\s*(?:of|=|:|to|at)?\s*(\d{1,3}(?:\.\d+)?)(?![\d-])")
_PARTS: Final = re.compile(r"\b(?:dissolve|add|dilute|mix|resuspend|weigh)\w*\b", re.I)


def wrong_dilution(text: str) -> Iterator[tuple[str, int, int, str]]:
    """Amounts that do not give the concentration stated: 1 g in 40 ml for 25 mg/µl."""
    found = list(quantities(text))
    volumes = [q for q in found if q.dimension == "volume"]
    masses = [q for q in found if q.dimension == "mass"]
    made = [q for q in found if q.dimension == "mass per volume"]
    advice = "Compute the amounts anew."
    if (
        _PARTS.search(text)
        and len(masses) == 1
        and len(volumes) == 1
        and len(made) == 1
        and _IN.search(text[masses[0].end : volumes[0].start] if masses[0].end <= volumes[0].start else "")
    ):
        mass, volume, goal = masses[0], volumes[0], made[0]
        expected = mass.value / volume.value
        if goal.start > volume.end and _FOR.search(text[volume.end : goal.start]) and not _near(expected, goal.value):
            yield f"the amounts give {expected:g} g/l, not {goal.value:g} g/l", mass.start, goal.end, advice
    for kind in ("mass per volume", "molar", "fold"):
        levels = [q for q in found if q.dimension == kind]
        if len(levels) == 2 and len(volumes) == 2 and _PARTS.search(text):
            yield from _taken(text, levels, volumes, advice)


_IN: Final = re.compile(r"\b(?:in|to|with|into)\b", re.I)
_FOR: Final = re.compile(
    r"\b(?:for|to (?:make|give|get|obtain|yield|prepare|a final)|final|stock|gives?|giving|yields?|=)(?:\b|\s)", re.I
)


def _near(a: float, b: float) -> bool:
    return b > 0 and 0.74 < a / b < 1.35


def _taken(
    text: str, levels: list[Quantity], volumes: list[Quantity], advice: str
) -> Iterator[tuple[str, int, int, str]]:
    """`V1 of the C1 stock to V2 for C2`, in this order, or with the stock's concentration first."""
    stock, goal = levels
    taken, whole = volumes
    ordered = max(stock.start, taken.start) < whole.start < goal.start and min(stock.start, taken.start) < whole.start
    if (
        not ordered
        or not _FOR.search(text[whole.end : goal.start])
        or not _IN.search(text[max(stock.end, taken.end) - 1 : whole.start])
    ):
        return
    if not re.search(r"\bof\b|stock", text[min(stock.end, taken.end) : max(stock.start, taken.start) + 40]):
        return
    either = (stock.value * taken.value / whole.value, stock.value * taken.value / (whole.value + taken.value))
    if goal.value > 0 and not any(_near(x, goal.value) for x in either):
        ratio = either[0] / goal.value
        yield f"the volumes give {ratio:.2g} times the concentration stated", stock.start, goal.end, advice


_TOTAL: Final = re.compile(
    r"\b(?:(?:total|final|reaction) (?:reaction )?volume (?:of|is|=|:)|in a (?:total |final )?(?:reaction"
    r"|volume) of|reactions? of)\s*$",
    re.I,
)


def more_than_whole(text: str) -> Iterator[tuple[str, int, int, str]]:
    """A component larger than the volume of the whole reaction."""
    volumes = _of(text, "volume")
    for whole in volumes:
        if not _TOTAL.search(text[: whole.start]):
            continue
        for q in volumes:
            if (
                q.end < whole.start
                and whole.start - q.end < 90
                and q.value > 1.05 * whole.value
                and not _SEVERAL.search(text)
            ):
                yield "more than the whole volume", q.start, whole.end, "Check both volumes."
                break


# -- words around a value -----------------------------------------------------------------------------

_ACT: Final = re.compile(
    r"\b(?:incubat|centrifug|spin|heat|cool|shak|vortex|boil|denatur|anneal|soak|stain|dry|store|rinse|rotat|mix|chill"
    r"|elut|wash|add|pour|place|melt|thaw|keep|transfer|remove|discard|hold|let|allow|hybridi)e?s?\b",
    re.I,
)
_GAP: Final = re.compile(
    r"\b(?:incubat|centrifug|spin|heat|cool|wash|shak|vortex|boil|denatur|anneal|soak|stain|dry|store|rinse|place"
    r"|rotat|keep|mix|rest|sit|chill|elut)\w*\b[^.;:\n]{0,60}?\b(?P<gap>(?:for|at)\s*(?:(?=[.;]\s*$)|(?=,)"
    r"|(?:at|for|to|and|then|in|on|with)\b(?! least| most| which| ice|er| (?:in|of|from|to|with)\b)))",
    re.I,
)
_DOUBLE: Final = re.compile(
    r"\b(?P<gap>(?:(?:into|with|to|in|through|from|by) of\b(?! (?:course|the (?:following|above)))|at for\b"
    r"|at least\s*(?=[.;]\s*$)"
    r"|(?:for|at)\s+or (?:overnight|until|at|for)\b|at\s+(?:[<>≥≤~])?\s*(?=[.;]\s*$)))",
    re.I,
)
_LONE: Final = re.compile(
    r"(?:^\W*|[,;]\s+|\b(?:and|then)\s+)(?P<gap>(?:add|transfer|pipette|dispense)\s+of\s+(?!each|the"
    r" (?:following|above)))",
    re.I,
)


def missing_value(text: str) -> Iterator[tuple[str, int, int, str]]:
    """A preposition that waits for a value which is not there: `Incubate for at 37 °C`, `Add of buffer`."""
    for pattern in (_GAP, _LONE, _DOUBLE):
        for m in pattern.finditer(text) if _ACT.search(text) or _SPIN.search(text) else ():
            yield "a value is missing", *m.span("gap"), "Give the value that belongs here."


_FOR_HEAT: Final = re.compile(
    r"\bfor\s+(?:exactly |about |approximately )?(?P<q>[-‐−]?\d+(?:\.\d+)?\s?(?:°|º|˚)\s?C"
    r"|[\d,.]+\s?(?:[x×]\s?g|rpm)(?!,?(?: for| and)? \d+ ?(?:s|sec|min|h))"  # the time is there as well: wording
    r"|RT(?![-‐/\w])|room temp(?:erature)?)(?!\w| (?:stor|incubat|us|work|stab|centrif)\w*)"
)
_AT_OVERNIGHT: Final = re.compile(r"\bat (?P<q>overnight)\b(?! (?:temp|cult))", re.I)
_AT_TIME: Final = re.compile(
    r"\b(?:incubat|centrifug|spin|heat|boil|denatur|store|rotat|shak"
    r"|hold)\w*\b[^.;,\n]{0,50}?\bat\s+(?:exactly )?(?P<q>(?:\d+[-–‐])?\d+(?:\.\d+)?\s?(?:min|minutes?|sec"
    r"|seconds?|hours?|hrs?))\b"
    r"(?!\s*(?:intervals?|time ?points?|post|after|before|each|per|in\b))",
    re.I,
)
_OF_WRONG: Final = re.compile(
    r"\b(?:add|transfer|pipette|dispense)\s+(?P<q>-?\d+(?:\.\d+)?\s?(?:(?:°|º|˚)\s?C|min(?:utes?)?"
    r"|sec(?:onds?)?|hours?|rpm|x ?g))\s+(?:of|to)\b"
    r"(?!\s+(?:\w+\s+){0,2}(?:values?|temperatures?|readings?|estimates?|anomal\w+)\b)",
    re.I,
)


def swapped_value(text: str) -> Iterator[tuple[str, int, int, str]]:
    """A value of the wrong kind for its place: `for 37 °C`, `incubate at 10 min`, `add 5 min of buffer`."""
    for pattern in (_FOR_HEAT, _AT_OVERNIGHT, _AT_TIME, _OF_WRONG):
        for m in pattern.finditer(text) if _ACT.search(text) or _SPIN.search(text) else ():
            yield "a value of another kind is expected here", *m.span("q"), "Look whether two values were exchanged."


_BACKWARDS: Final = re.compile(
    r"(?<![\w.,/^×–-])(?<!pH )(?P<low>\d[\d,]*(?:\.\d+)?)[-–‐](?P<high>\d[\d,]*(?:\.\d+)?)\s?"
    r"(?P<unit>m[lL]|[uµμ][lL]|mg|ng|[uµμ]g|[x×]\s?g|rpm|min(?:ute)?s?|sec(?:ond)?s?|hours?|hrs?|h)\b"
)


def backward_range(text: str) -> Iterator[tuple[str, int, int, str]]:
    """A range whose first number is the larger: `150-20 minutes`; a dash between blanks parts, as in `NP 40 - 1 ml`."""
    for m in _BACKWARDS.finditer(text):
        low, high = (float(m.group(name).replace(",", "")) for name in ("low", "high"))
        if low > high > 0 and low != 10:  # `10-5` is how a power of ten is copied
            yield "a range that runs backwards", *m.span(), "Check both numbers."


# -- time ---------------------------------------------------------------------------------------------

_BRIEF: Final = re.compile(
    r"\b(?:vortex|microcentrifuge|microfuge|quick ?spin|pulse ?spin|centrifuge"
    r"|spin)(?:ed)?\b(?P<rest>[^.,;\n]{0,50}?)\bfor\s+(?=\d)",
    re.I,
)


def too_long(text: str) -> Iterator[tuple[str, int, int, str]]:
    """Hours of what takes seconds or minutes: vortexing, a spin in a microcentrifuge."""
    for verb in _BRIEF.finditer(text):
        brief = not re.match("centrifuge|spin", verb.group(), re.I)
        for q in _of(text, "time"):
            if q.start == verb.end() and q.value > (2 * 3600 if brief else 30 * 3600) and not _ULTRA.search(text):
                yield "longer than this takes", q.start, q.end, "Check the number and its unit."


# -- PCR ----------------------------------------------------------------------------------------------

_STAGE: Final = re.compile(
    r"\b(?P<stage>denatur|anneal|exten[sd])\w*(?:\s+(?:step|temperature))?\s*(?:at|:|for \d+ ?(?:s|sec"
    r"|min)\w* at|\(|=)?\s*"
    r"(?P<value>\d{2,3})\s?(?:°|º|˚)?\s?C\b",
    re.I,
)


def pcr_temperatures(text: str) -> Iterator[tuple[str, int, int, str]]:
    """Denaturation not hotter than annealing, or annealing above what any primer binds at."""
    found = {m.group("stage").lower()[:4]: m for m in _STAGE.finditer(text)}
    hot, cool = found.get("dena"), found.get("anne")
    if hot and cool and float(hot.group("value")) <= float(cool.group("value")):
        start, end = min(hot.start(), cool.start()), max(hot.end(), cool.end())
        yield "denaturing is not hotter than annealing", start, end, "Look whether the two were exchanged."


CHECKS: tuple[Check, ...] = tuple(
    Check(name, title, "error", "correctness", _each_sentence(find))
    for name, title, find in (
        ("G-QTY-01", "temperatures are possible", impossible_temperature),
        ("G-QTY-02", "speeds are within reach of the device", impossible_speed),
        ("G-QTY-03", "speeds have their unit", speed_without_unit),
        ("G-QTY-04", "volumes fit tubes and wells", over_full),
        ("G-QTY-05", "numbers are of the size their unit is used for", odd_magnitude),
        ("G-QTY-06", "concentrations are possible", impossible_concentration),
        ("G-QTY-07", "dilutions compute", wrong_dilution),
        ("G-QTY-08", "no component is larger than the whole", more_than_whole),
        ("G-QTY-09", "no value is missing where one is announced", missing_value),
        ("G-QTY-10", "values are of the kind their place asks for", swapped_value),
        ("G-QTY-11", "brief acts do not take hours", too_long),
        ("G-QTY-13", "ranges run upwards", backward_range),
        ("G-QTY-12", "PCR temperatures are in order", pcr_temperatures),
    )
)
