"""Random sheets with known roles, codes, endpoints and pairs: they are described as made, or said to be unsure."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bioresearcher.schemas.dataset import Column, Dataset
from bioresearcher.sources.datasets.load import load_datasets

ENDPOINTS = {
    "OS": (
        ("OS_MONTHS", "OS_STATUS"),
        ("OS.time", "OS"),
        ("follow_up_months", "vital_status"),
        ("survival_days", "death"),
        ("overall survival (months)", "overall survival status"),
    ),
    "RFS": (("RFS_MONTHS", "RFS_STATUS"), ("RFS.time", "RFS"), ("t_rfs", "e_rfs"), ("rfs_days", "event_rfs")),
    "DFS": (("DFS_MONTHS", "DFS_STATUS"), ("Disease Free (Months)", "Disease Free Status")),
    "PFS": (("PFS_months", "PFS_event"), ("PFS.time", "PFS")),
}
CODINGS = (
    ("0", "1", True),
    ("0.0", "1.0", True),
    ("Alive", "Dead", True),
    ("LIVING", "DECEASED", True),
    ("0:LIVING", "1:DECEASED", True),
    ("censored", "event", True),
    ("1", "2", False),
    ("no", "yes", True),
)
GROUPS = (
    ("treatment", ("placebo", "drug")),
    ("tissue", ("Tumor", "Normal")),
    ("subtype", ("Basal", "Her2", "Luminal")),
    ("genotype", ("wild type", "mutant")),
    ("condition", ("control", "infected", "recovered", "vaccinated")),
)
MISSING = (
    ("age", range(30, 80), "999"),
    ("age_years", range(30, 80), "-9"),
    ("grade", (1, 2, 3), "-9"),
    ("grade", (1, 2, 3), "9"),
    ("stage", (1, 2, 3, 4), "99"),
    ("ferritin", range(20, 300), "-99"),
    ("marker_level", range(1, 60), "999"),
)
OTHERS = ("bmi", "weight_kg", "crp_mg_l", "notes", "batch")


def spelt(level: str, rng: random.Random) -> str:
    """One of the spellings that are the same word."""
    return rng.choice((level, level, level.lower(), level.upper(), f"{level} ", level.capitalize()))


class Made:
    """A random sheet and what its columns are."""

    def __init__(self, seed: int) -> None:
        rng = random.Random(seed)
        self.n = 2 * rng.randint(10, 40)
        self.paired = rng.random() < 0.4
        self.events: dict[str, tuple[str, str, list[bool]]] = {}
        self.groups: dict[str, list[str]] = {}
        self.missing: dict[str, str] = {}
        columns: dict[str, list[str]] = {"sample": [f"S{i:03}" for i in range(self.n)]}
        if self.paired:
            self.unit = rng.choice(("patient", "patient_id", "donor", "_PATIENT", "subject"))
            columns[self.unit] = [f"P{i // 2:03}" for i in range(self.n)]
        for name in rng.sample(sorted(ENDPOINTS), rng.randint(0, 3)):
            time, event = rng.choice(ENDPOINTS[name])
            censored, dead, _ = rng.choice(CODINGS)
            truth = [rng.random() < 0.4 for _ in range(self.n)]
            truth[:4] = [True, False, True, False]
            columns[time] = [f"{rng.uniform(0.5, 90):.1f}" for _ in range(self.n)]
            columns[event] = [dead if is_event else censored for is_event in truth]
            self.events[event] = (name, time, truth)
        for name, levels in rng.sample(GROUPS, rng.randint(0, 2)):
            truth = [levels[i % len(levels)] for i in range(self.n)]
            if not self.paired:
                rng.shuffle(truth)
            columns[name] = [spelt(level, rng) for level in truth]
            self.groups[name] = truth
        for name, values, code in rng.sample(MISSING, rng.randint(0, 2)):
            if name in columns:
                continue
            cells = [str(rng.choice(list(values))) for _ in range(self.n)]
            cells[: len(set(values))] = [str(v) for v in list(values)[: self.n]][: len(set(values))]
            for i in rng.sample(range(self.n), 4):
                cells[i] = code
            columns[name] = cells[: self.n]
            self.missing[name] = code
        for name in rng.sample(OTHERS, rng.randint(0, 2)):
            columns[name] = [f"{rng.uniform(18, 60):.1f}" for _ in range(self.n)]
            if name == "notes":
                columns[name] = [rng.choice(("seen again", "moved", "no remark", "called")) for _ in range(self.n)]
            if name == "batch":
                columns[name] = [f"b{rng.randint(1, 3)}" for _ in range(self.n)]
        names = list(columns)
        rng.shuffle(names)
        self.columns = {n: columns[n] for n in names}

    def load(self) -> Dataset:
        """The sheet as the product reads it."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "sheet.csv"
            rows = [",".join(self.columns), *(",".join(row) for row in zip(*self.columns.values(), strict=True))]
            path.write_text("\n".join(rows) + "\n", encoding="utf-8")
            [dataset], failures = load_datasets([path])
        assert failures == []
        return dataset


def column(dataset: Dataset, name: str) -> Column:
    return next(c for f in dataset.files for c in f.columns if c.name == name)


def is_open(dataset: Dataset, name: str) -> bool:
    """Whether the description says that something about the column decides and is not sure, with the mend."""
    return any(r.column == name and not r.sure and r.decides and r.line for r in dataset.readings)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**9))
def test_random_sheets_are_described_as_they_were_made_or_said_to_be_unsure(seed: int) -> None:
    made = Made(seed)
    dataset = made.load()
    sheet = dataset.file("samples")
    assert sheet is not None
    assert sheet.sample_column == "sample"
    if made.paired:
        assert column(dataset, made.unit).role == "unit"
        assert sheet.row_is == "sample"
    for event, (name, time, truth) in made.events.items():
        found, when = column(dataset, event), column(dataset, time)
        if not is_open(dataset, event) and not is_open(dataset, time):
            assert (found.role, when.role) == ("event", "time"), (event, time, made.columns)
            assert found.endpoint == when.endpoint == name
            assert [found.is_event(cell) for cell in made.columns[event]] == truth
    for name, levels in made.groups.items():
        found = column(dataset, name)
        if not is_open(dataset, name):
            assert found.role == "group"
            pairs = Counter(zip(levels, map(found.level_of, made.columns[name]), strict=True))
            assert len(pairs) == len(set(levels)) == len(found.groups)
    for name, code in made.missing.items():
        found = column(dataset, name)
        assert code in found.missing_values or is_open(dataset, name), (name, code)
        others = {cell for cell in made.columns[name] if cell != code}
        assert not others & set(found.missing_values)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 10**9))
def test_a_written_description_is_read_as_the_sheet_was(seed: int) -> None:
    from bioresearcher.sources.datasets.spec import DESCRIPTION
    from bioresearcher.sources.datasets.write import described_text

    made = Made(seed)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sheet.csv"
        rows = [",".join(made.columns), *(",".join(row) for row in zip(*made.columns.values(), strict=True))]
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")
        [before], _ = load_datasets([Path(folder)])
        (Path(folder) / DESCRIPTION).write_text(described_text(before), encoding="utf-8")
        [after], failures = load_datasets([Path(folder)])
    assert failures == []
    assert after.files == before.files
    opened = {(r.column, r.line) for r in before.readings if r.decides and not r.sure}
    assert {(r.column, r.line) for r in after.readings if r.decides and not r.sure} == opened
