"""How far raters agree: people with people, and a machine with people."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from bioresearcher.schemas.base import Value

Level = Literal["nominal", "ordinal", "interval"]


class Coefficient(Value):
    """One coefficient; `value` None means that it is not defined, and `why` says so."""

    value: float | None
    low: float | None = Field(default=None, description="lower end of the 95 % bootstrap interval over items")
    high: float | None = None
    why: str = ""


class Stratum(Value):
    """The coefficients over the items whose human labels are equally uncertain."""

    name: str
    items: int
    share: float = Field(ge=0, le=1, description="of all items")
    alpha_hh: Coefficient = Field(description="Krippendorff's alpha among people")
    alpha_hm: Coefficient = Field(description="Krippendorff's alpha of people's aggregated label with the machine's")
    kappa_hh: Coefficient = Field(description="Randolph's kappa among people")
    kappa_hm: Coefficient
    jsd: float | None = Field(description="binned Jensen-Shannon distance of the machine's labels from people's")


class Bin(Value):
    """The items with one aggregated human label: how people and the machine labelled them."""

    label: str
    items: int
    weight: float
    human: tuple[float, ...] = Field(description="share of each label, in the order of the scale")
    machine: tuple[float, ...]
    jsd: float | None = Field(description="Jensen-Shannon distance, 0 to 0.8326; None when the bin is empty")


class Agreement(Value):
    """What `bioresearcher review agreement` reports."""

    level: Level
    labels: tuple[str, ...] = Field(description="the scale, in order")
    items: int
    raters: int
    machines: int = Field(description="machine labels per item at most")
    strata: tuple[Stratum, ...] = Field(description="all items first, then by number of different human labels")
    bins: tuple[Bin, ...]
    jsd_people: float | None = Field(
        description="the same distance with each person in turn held against the others, averaged over people"
    )
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
