"""Supplementary tables of values: forms they come in, and what is made of their columns."""

from __future__ import annotations

import gzip
from pathlib import Path

import openpyxl
import pytest

from bioresearcher.errors import InputError
from bioresearcher.schemas.dataset import GeoSample
from bioresearcher.sources.geo.supplement import SupplementRows

SAMPLES = [GeoSample(accession=f"GSM{n}00", title=f"tumor_{n}") for n in range(1, 4)]
NAMES = ["GSM100", "GSM200", "GSM300"]


def table(path: Path) -> SupplementRows:
    return SupplementRows(path, SAMPLES)


def write(path: Path, text: str) -> Path:
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def test_annotation_columns_are_no_samples_and_symbols_are_kept(tmp_path: Path) -> None:
    text = (
        "Geneid\tSymbol\tLength\tChr\ttumor_1\ttumor_2\ttumor_3\n"
        "ENSG1\tTP53\t900\t17\t1\t2\t3\nENSG2\t\t800\t1\t4\t5\tNA\n"
    )
    found = table(write(tmp_path / "GSE1_counts.txt.gz", text))
    assert (found.samples, found.linked, found.genes) == (NAMES, 3, {"ENSG1": "TP53"})
    assert list(found) == [("ENSG1", ["1", "2", "3"]), ("ENSG2", ["4", "5", "NA"])]


def test_a_header_as_r_writes_it_and_commas_are_understood(tmp_path: Path) -> None:
    r_like = table(
        write(tmp_path / "GSE1_tpm.txt", '"tumor_1"\t"tumor_2"\t"tumor_3"\n"G1"\t1.5\t2\t3\n"G2"\t1\t2\t3\n')
    )
    assert (r_like.samples, next(iter(r_like))) == (NAMES, ("G1", ["1.5", "2", "3"]))
    commas = table(write(tmp_path / "GSE1_tpm.csv", "gene,tumor-1,Tumor.2,other\nG1,1,2,3\nG2,1,2,3\n"))
    assert (commas.samples, commas.linked) == (["GSM100", "GSM200", "other"], 2)


def test_a_gzipped_workbook_is_read(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(["only a title"])
    sheet = book.create_sheet("values")
    for row in (["gene", "tumor_1", "tumor_2", "tumor_3"], ["G1", 1, 2, 3], ["G2", 4, 5.5, None]):
        sheet.append(row)
    book.save(tmp_path / "plain.xlsx")
    packed = tmp_path / "GSE1_fpkm.xlsx.gz"
    packed.write_bytes(gzip.compress((tmp_path / "plain.xlsx").read_bytes()))
    found = table(packed)
    assert (found.samples, list(found)) == (NAMES, [("G1", ["1", "2", "3"]), ("G2", ["4", "5.5", ""])])


@pytest.mark.parametrize("text", ["", "gene\tnote\nG1\tx\nG2\ty\n", "one column\nG1\nG2\n"])
def test_a_table_without_values_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match=r"GSE1_x\.txt: it has no columns of numbers"):
        table(write(tmp_path / "GSE1_x.txt", text))
