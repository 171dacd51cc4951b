"""Dry-lab tasks on real data that a vetted analysis has to carry out, or has to refuse."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import dry_checks as checks
import dry_checks_more as more
from dry_tables import tables_impossible, tables_possible

from bioresearcher.schemas.execution import DryLabTask, TaskInput
from bioresearcher.schemas.skill import Skill

Values = dict[str, Any]
Check = Callable[["checks.Seen"], str]


@dataclass(frozen=True)
class Plan:
    """A task: the analysis, its inputs (`name`, or `TASK/output` of an earlier one), and what is true.

    `check` is None for a task that the data do not allow: it has to be `blocked`, and the message must hold `says`.
    """

    id: str
    skill: str
    inputs: Mapping[str, str]
    parameters: Values = field(default_factory=dict)
    check: Check | None = None
    says: str = ""

    @property
    def kind(self) -> str:
        """Short for what it is."""
        return self.skill if self.check else f"impossible: {self.skill}"

    def task(self, skill: Skill) -> DryLabTask:
        """As the pipeline would put it."""
        contract = skill.contract
        given: Values = {}
        for parameter in contract.parameters:
            value = self.parameters.get(parameter.name, parameter.default)
            if value is not None:
                given[parameter.name] = list(value) if isinstance(value, tuple) else value
        inputs = []
        for name, source in self.inputs.items():
            task, _, output = source.partition("/")
            inputs.append(
                TaskInput(name=name, task=task, output=output)
                if output
                else TaskInput(name=name, dataset="bench", file=source)
            )
        return DryLabTask(
            id=self.id, title=f"{self.skill} {self.id}", goal=skill.description, step_ids=("1.1",),
            inputs=tuple(inputs), outputs=contract.outputs, parameters=given, packages=contract.packages,
            language=contract.language, skill=skill.name,
        )  # fmt: skip


UNC: Values = {
    "sample_column": "pid", "feature_column": "gene", "scale": "log2", "dataset_label": "GSE1992",
    "group_column": "er_positive", "case": "1", "control": "0", "missing_values": ["missing"],
    "time_column": "time", "event_column": "event", "covariates": ["node_status", "grade", "age"],
}  # fmt: skip
NORWAY: Values = UNC | {
    "dataset_label": "GSE4335", "group_column": "er_status", "missing_values": ["na", "x"],
    "covariates": ["age", "num_grade"],
}  # fmt: skip
LEUKAEMIA: Values = {
    "sample_column": "sample", "feature_column": "gene", "scale": "log2", "dataset_label": "Chiaretti",
    "group_column": "sex", "case": "F", "control": "M", "covariates": ["age"],
}  # fmt: skip
FUSION: Values = LEUKAEMIA | {"group_column": "mol.biol", "case": "BCR/ABL", "control": "NEG"}
GOLUB: Values = {
    "sample_column": "sample", "feature_column": "probe", "scale": "log10", "dataset_label": "Golub",
    "group_column": "type", "case": "AML", "control": "ALL",
}  # fmt: skip
METASTASIS: Values = {
    "sample_column": "sample", "feature_column": "probe", "scale": "log2", "dataset_label": "GSE7390",
    "time_column": "days", "event_column": "event", "time_unit": "days",
}  # fmt: skip
PROBES = ["X204540_at", "X201291_s_at", "X202418_at", "X201091_s_at", "X204015_s_at", "X202240_at"]
E2F, ER_EARLY, G2M = "HALLMARK_E2F_TARGETS", "HALLMARK_ESTROGEN_RESPONSE_EARLY", "HALLMARK_G2M_CHECKPOINT"
PROLIFERATION = ["AURKA", "MKI67", "BUB1", "CCNB1", "CCNB2", "CDC20", "TOP2A", "BIRC5", "PLK1", "CCNE1", "MYBL2"]
_OTHER: Values = {
    f"validation_{k}": v
    for k, v in NORWAY.items()
    if k in ("dataset_label", "feature_column", "sample_column", "time_column", "event_column", "missing_values")
}
_BACK: Values = NORWAY | {k: UNC[k.removeprefix("validation_")] for k in _OTHER}


def _cohort(name: str, given: Values) -> list[Plan]:
    """Quality, filtering and principal components of a cohort."""
    both = {"expression": name, "samples": f"{name}-samples"}
    plans = [
        Plan(f"{name}-quality", "table-quality-control", both, given, checks.quality),
        Plan(f"{name}-filter", "expression-filtering", both, given, checks.filtering),
    ]
    if given.get("group_column"):
        matched = {"matrix": f"{name}-filter/matrix", "samples": f"{name}-samples"}
        plans.append(Plan(f"{name}-pca", "pca-plot", matched, given, checks.components))
    return plans


def _compared(name: str, cohort: str, given: Values, known: Mapping[str, Any]) -> list[Plan]:
    """Two groups of a cohort: genes, then their heat map."""
    matched = {"matrix": f"{cohort}-filter/matrix", "samples": f"{cohort}-samples"}
    with_table = matched | {"differential": f"{name}-genes/table"}
    return [
        Plan(f"{name}-genes", "differential-expression", matched, given, checks.differential(known)),
        Plan(f"{name}-heat-map", "clustered-heatmap", with_table, given, checks.heat_map),
    ]


def _sets(name: str, given: Values, known: Mapping[str, Any]) -> list[Plan]:
    """Gene sets of a comparison, both ways."""
    table = f"{name}-genes/table"
    over = {"differential": table, "gene_sets": "hallmark-sets"}
    ranked = {"table": table, "gene_sets": "hallmark-sets"}
    return [
        Plan(f"{name}-sets", "over-representation", over, given, checks.over_represented(known)),
        Plan(f"{name}-ranked", "ranked-gene-set-enrichment", ranked, given, checks.ranked(known)),
    ]


def _scored(name: str, cohort: str, given: Values, *more: str) -> list[Plan]:
    """A signature's score, and what it goes with: `correlation`, `kaplan-meier`, `cox-regression`."""
    own = {"expression": cohort, "gene_sets": "hallmark-sets"}
    with_score = {"scores": f"{name}-score/scores", "samples": f"{cohort}-samples"}
    plans = [Plan(f"{name}-score", "signature-scoring", own, given, checks.scoring)]
    for skill in more:
        inputs = with_score | (own if skill == "correlation" else {})
        plans.append(Plan(f"{name}-{skill}", skill, inputs, given, checks.OF_SCORES[skill]))
    return plans


def _validated(name: str, given: Values, cohorts: tuple[str, str], known: Mapping[str, Any]) -> Plan:
    found, other = cohorts
    inputs = {
        "expression": found, "samples": f"{found}-samples", "gene_sets": "hallmark-sets",
        "validation_expression": other, "validation_samples": f"{other}-samples",
    }  # fmt: skip
    return Plan(name, "signature-validation", inputs, given, checks.validation(known))


def _in_r(name: str, cohort: str, given: Values, check: Check) -> list[Plan]:
    """A comparison by limma, and the heat map of the most variable genes."""
    matched = {"matrix": f"{cohort}-filter/matrix", "samples": f"{cohort}-samples"}
    return [
        Plan(f"{name}-limma", "limma-differential-expression", matched, given, check),
        Plan(f"{name}-heat-map-in-r", "heatmap-in-r", matched, given, more.variable_genes),
    ]


def possible_in_r() -> list[Plan]:
    """Those that need R; they read outputs of tasks in `possible()`."""
    return [
        *_in_r("unc-er", "unc", UNC, more.limma(top=("GATA3", "ESR1"))),
        *_in_r("norway-er", "norway", NORWAY, more.limma(top=("ESR1",))),
        *_in_r("all-sex", "all", LEUKAEMIA, more.limma(top=("KDM5D", "DDX3Y"))),
        *_in_r("golub-type", "golub", GOLUB, more.limma(top=("X95735_at",))),
        *(
            Plan(
                f"{name}-survival-in-r", "survival-in-r", {"samples": f"{name}-samples"}, given, more.two_groups_survive
            )
            for name, given in (("unc", UNC), ("norway", NORWAY), ("packaged", UNC))
        ),
    ]


def possible() -> list[Plan]:
    """In an order in which they can run."""
    er = {"called": 1840, "top": ("GATA3", "ESR1"), "up": ER_EARLY, "down": E2F}
    survival = ("correlation", "kaplan-meier", "cox-regression")
    return [
        *_cohort("unc", UNC),
        *_cohort("norway", NORWAY),
        *_cohort("all", LEUKAEMIA),
        *_cohort("golub", GOLUB),
        *_cohort("metastasis", METASTASIS),
        Plan("unc-cohort", "cohort-table", {"samples": "unc-samples", "expression": "unc"}, UNC, checks.cohort),
        Plan("norway-cohort", "cohort-table", {"samples": "norway-samples"}, NORWAY, checks.cohort),
        Plan("all-cohort", "cohort-table", {"samples": "all-samples"}, LEUKAEMIA, checks.cohort),
        Plan("packaged-cohort", "cohort-table", {"samples": "packaged-samples"}, UNC, checks.cohort),
        *_compared("unc-er", "unc", UNC, er),
        *_compared("norway-er", "norway", NORWAY, {"top": ("ESR1",)}),
        *_compared("all-sex", "all", LEUKAEMIA, {"first": ("KDM5D", "DDX3Y")}),
        *_compared("all-fusion", "all", FUSION, {"top": ("ABL1",)}),
        *_compared("golub-type", "golub", GOLUB, {"top": ("X95735_at",)}),
        *_sets("unc-er", UNC, er),
        *_sets("norway-er", NORWAY, {"up": ER_EARLY}),
        *_scored("unc-e2f", "unc", UNC | {"gene_set": E2F}, *survival),
        *_scored("norway-e2f", "norway", NORWAY | {"gene_set": E2F}, *survival),
        *_scored("unc-oestrogen", "unc", UNC | {"gene_set": ER_EARLY}, "kaplan-meier", "correlation"),
        *_scored("norway-genes", "norway", NORWAY | {"genes": PROLIFERATION}, "kaplan-meier"),
        *_scored("metastasis-genes", "metastasis", METASTASIS | {"genes": PROBES}, "kaplan-meier", "cox-regression"),
        _validated(
            "e2f-validated", UNC | _OTHER | {"gene_set": E2F}, ("packaged", "norway"),
            {"hr": (1.51, 1.30), "p": (0.008, 0.11), "replicated": "no"},
        ),
        _validated("g2m-validated", UNC | _OTHER | {"gene_set": G2M}, ("unc", "norway"), {}),
        _validated("e2f-other-way", _BACK | {"gene_set": E2F}, ("norway", "unc"), {"replicated": "no"}),
        Plan(
            "unc-er-model", "penalised-model", {"matrix": "unc-filter/matrix", "samples": "unc-samples"},
            UNC | {"outcome": "group"}, checks.predicted(0.85),
        ),
        Plan(
            "golub-model", "penalised-model", {"matrix": "golub-filter/matrix", "samples": "golub-samples"},
            GOLUB | {"outcome": "group"}, checks.predicted(0.95),
        ),
        *(
            Plan(
                f"{name}-survival-model", "penalised-model",
                {"matrix": f"{name}-filter/matrix", "samples": f"{name}-samples"},
                given | {"outcome": "survival"}, more.survival_predicted,
            )
            for name, given in (("unc", UNC), ("norway", NORWAY))
        ),
        *(Plan(*task) for task in tables_possible()),
    ]  # fmt: skip


def impossible_in_r() -> list[Plan]:
    """The same for those that need R."""
    matched = {"matrix": "unc-filter/matrix"}
    return [
        Plan(
            "limma-of-one-group", "limma-differential-expression", matched | {"samples": "one-group-samples"}, UNC,
            says="0 with 0",
        ),
        Plan(
            "heat-map-of-others-in-r", "heatmap-in-r", matched | {"samples": "other-names-samples"}, UNC,
            says="0 samples of the groups",
        ),
        Plan("no-events-in-r", "survival-in-r", {"samples": "no-event-samples"}, UNC, says="0 events"),
        Plan("no-time-in-r", "survival-in-r", {"samples": "no-time-samples"}, UNC, says="'time'"),
    ]  # fmt: skip


def impossible() -> list[Plan]:
    """The data given do not allow these."""
    own = {"expression": "unc", "gene_sets": "hallmark-sets"}

    def compare(sheet: str, says: str, **change: Any) -> Plan:
        inputs = {"matrix": "unc-filter/matrix", "samples": sheet}
        name = f"no-{sheet.removesuffix('-samples').removeprefix('no-')}-compare"
        return Plan(name, "differential-expression", inputs, UNC | change, says=says)

    def survive(skill: str, sheet: str, says: str) -> Plan:
        inputs = {"scores": "unc-e2f-score/scores", "samples": sheet}
        return Plan(f"{skill}-{sheet}", skill, inputs, UNC, says=says)

    return [
        compare("no-group-samples", "no column 'er_positive'"),
        compare("one-group-samples", "0 samples"),
        compare("one-control-samples", "1"),
        compare("other-names-samples", "only 0 samples are in both"),
        survive("kaplan-meier", "no-event-samples", "0 events"),
        survive("cox-regression", "two-events-samples", "2 events"),
        survive("cox-regression", "words-for-time-samples", "about"),
        survive("kaplan-meier", "no-time-samples", "'time'"),
        Plan("foreign-score", "signature-scoring", own | {"gene_sets": "foreign-sets"}, UNC | {"gene_set": E2F}),
        Plan("unknown-set", "signature-scoring", own, UNC | {"gene_set": "HALLMARK_NO_SUCH"}, says="no gene set named"),
        Plan(
            "foreign-sets-tested", "over-representation",
            {"differential": "unc-er-genes/table", "gene_sets": "foreign-sets"}, UNC, says="none of the",
        ),
        Plan(
            "no-validation-cohort", "signature-validation",
            own | {"samples": "unc-samples", "validation_expression": "absent", "validation_samples": "absent-samples"},
            UNC | _OTHER | {"gene_set": E2F}, says="missing",
        ),
        Plan(
            "validation-without-events", "signature-validation",
            own | {"samples": "unc-samples", "validation_expression": "unc", "validation_samples": "no-event-samples"},
            UNC | _OTHER | {"gene_set": E2F}, says="0 events",
        ),
        Plan("words-in-matrix", "expression-filtering", {"expression": "words"}, UNC, says="where a number"),
        Plan("scale-contradicted", "expression-filtering", {"expression": "linear"}, UNC, says="declared as 'log2'"),
        Plan(
            "too-few-samples", "table-quality-control", {"samples": "three-samples", "expression": "unc"}, UNC,
            says="3 samples",
        ),
        Plan(
            "model-of-two-events", "penalised-model",
            {"matrix": "unc-filter/matrix", "samples": "two-events-samples"}, UNC | {"outcome": "survival"},
            says="2 events",
        ),
        *(Plan(*task, says=says) for *task, says in tables_impossible()),
    ]  # fmt: skip
