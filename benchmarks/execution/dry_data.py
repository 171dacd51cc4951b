"""The data of the dry-lab tasks: real cohorts, what is made from them, and sheets and matrices spoilt on purpose."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from dry_tables import make_tables
from dry_truth import matrix, sheet
from figures import ROOT

from bioresearcher.schemas.dataset import DataFile, Dataset

PACKAGED = ROOT / "bioresearcher/_examples/breast-cancer/data"
Rows = list[dict[str, str]]


@dataclass(frozen=True)
class Store:
    """Files by name; all lie below `root`."""

    root: Path
    files: dict[str, Path]

    def dataset(self) -> Dataset:
        """The files as one data set of the program."""
        files = tuple(
            DataFile(name=name, kind=_kind(name), path=str(path.relative_to(self.root)), bytes=1, sha256="0" * 64)
            for name, path in self.files.items()
        )
        return Dataset(id="bench", title="benchmark", source="own", root=str(self.root), files=files, n_samples=100)


def _kind(name: str) -> str:
    if name.endswith(("wells", "cells")):
        return "table"
    return "samples" if name.endswith("samples") else "gene_sets" if name.endswith("sets") else "expression"


def make_store(shared: Path, root: Path) -> Store:
    """Copies of the real files, and the files made from them, below `root`."""
    cohorts = shared / "expression"
    real = {
        "unc": cohorts / "breast_gse1992/expression_log2.tsv.gz",
        "unc-samples": cohorts / "breast_gse1992/clinical.tsv",
        "norway": cohorts / "breast_gse4335/expression_log2.tsv.gz",
        "norway-samples": cohorts / "breast_gse4335/clinical.tsv",
        "all": cohorts / "all_chiaretti/expression_log2.tsv.gz",
        "all-samples": cohorts / "all_chiaretti/phenotype.tsv",
        "golub": cohorts / "golub/golub_all_aml.tsv.gz",
        "hallmark-sets": shared / "gene_sets/h.all.v7.0.symbols.gmt",
        "packaged": PACKAGED / "GSE1992/expression_log2.tsv.gz",
        "packaged-samples": PACKAGED / "GSE1992/clinical.tsv",
    }
    files = {}
    for name, path in real.items():
        files[name] = root / f"{name}{''.join(path.suffixes[-2:] if path.suffix == '.gz' else [path.suffix])}"
        shutil.copyfile(path, files[name])
    store = Store(root, files)
    _derive(store, cohorts / "breast_gse7390/gse7390_76gene.tsv")
    _spoil(store)
    store.files.update(make_tables(shared, root))
    return store


def _derive(store: Store, wide: Path) -> None:
    """Sheets and matrices of cohorts that are published in another shape."""
    _, samples, _ = matrix(store.files["golub"], skip=1)
    _write(store, "golub-samples", [{"sample": s, "type": s[-3:]} for s in samples])
    rows = sheet(wide)
    named = [f"P{row['patient']}" for row in rows]
    _write(
        store,
        "metastasis-samples",
        [{"sample": n, "days": r["t_tdm_days"], "event": r["e_tdm"]} for n, r in zip(named, rows, strict=True)],
    )
    probes = [c for c in rows[0] if c[0] == "X" and c[1].isdigit()]
    _write(
        store,
        "metastasis",
        [{"probe": p, **{n: r[p] for n, r in zip(named, rows, strict=True)}} for p in probes],
    )


def _spoil(store: Store) -> None:
    """What the impossible tasks are given."""
    rows = sheet(store.files["unc-samples"])
    _write(store, "no-group-samples", [{k: v for k, v in r.items() if k != "er_positive"} for r in rows])
    _write(store, "no-event-samples", [r | {"event": "0"} for r in rows])
    _write(store, "two-events-samples", [r | {"event": "1" if i < 2 else "0"} for i, r in enumerate(rows)])
    _write(store, "one-group-samples", [r | {"er_positive": "1"} for r in rows])
    _write(store, "one-control-samples", [r | {"er_positive": "0" if i == 3 else "1"} for i, r in enumerate(rows)])
    _write(store, "words-for-time-samples", [r | {"time": f"about {r['time']} months"} for r in rows])
    _write(store, "no-time-samples", [{k: v for k, v in r.items() if k != "time"} for r in rows])
    _write(store, "other-names-samples", [r | {"pid": f"patient {i}"} for i, r in enumerate(rows)])
    _write(store, "three-samples", rows[:3])
    sets = store.files["hallmark-sets"].read_text("utf-8").splitlines()
    foreign = ["\t".join([*line.split("\t")[:2], *(f"ENSG{i:011}" for i in range(60))]) for line in sets[:20]]
    store.files["foreign-sets"] = store.root / "foreign-sets.gmt"
    store.files["foreign-sets"].write_text("\n".join(foreign) + "\n", encoding="utf-8")
    features, samples, values = matrix(store.files["unc"])
    cells = [{"gene": f, **dict(zip(samples, map(str, v), strict=True))} for f, v in zip(features, values, strict=True)]
    cells[7][samples[4]] = "high"
    _write(store, "words", cells[:400])
    _write(store, "linear", [{k: v if k == "gene" else _raised(v) for k, v in row.items()} for row in cells[20:420]])


def _raised(value: str) -> str:
    return str(2 ** (float(value) + 9)) if value != "nan" else ""


def _write(store: Store, name: str, rows: Rows) -> None:
    path = store.root / f"{name}.tsv"
    lines = ["\t".join(rows[0]), *("\t".join(row.values()) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    store.files[name] = path
