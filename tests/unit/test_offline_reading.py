"""The offline rules of reading and screening: sentences, headings, laboratory work, relevance of data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from bioresearcher.llm.offline.patterns import LABORATORY, METHOD, WET
from bioresearcher.llm.offline.read import Reader
from bioresearcher.llm.offline.search import judge_dataset
from bioresearcher.llm.offline.text import sentences
from bioresearcher.schemas.ask_read import JudgeReferabilityInput, OutlinePaperInput, OutlineSection
from bioresearcher.schemas.ask_search import JudgeDatasetInput
from bioresearcher.schemas.dataset import DataFile, Dataset
from bioresearcher.schemas.objective import Objective
from bioresearcher.schemas.report import Report, ReportPart, ReportStep


def near(left: Sequence[str], right: Sequence[str]) -> NDArray[np.float32]:
    return np.full((len(left), len(right)), 0.5, dtype=np.float32)


READER = Reader(near)


def test_a_reference_number_between_sentences_belongs_to_neither() -> None:
    text = "We plotted the curve.[5] Then we filtered. [7,8] After that, e.g. this was done. [10] Last one."
    assert sentences(text) == [
        "We plotted the curve.", "Then we filtered.", "After that, e.g. this was done.", "Last one.",
    ]  # fmt: skip
    assert all(s in text for s in sentences(text))


def test_the_purpose_of_a_part_does_not_repeat_its_heading() -> None:
    section = OutlineSection(
        number=0, title="Microarray data", kind="methods", opening="Microarray data Profiles were downloaded. More."
    )
    values = OutlinePaperInput(objective=Objective(id="o", text="t"), title="T", abstract="", sections=(section,))
    (part,) = READER.outline_paper(values).parts
    assert part.purpose == "Profiles were downloaded."


@pytest.mark.parametrize(
    "sentence",
    ["Cells were lysed in buffer.", "Cells were transfected with plasmids.", "Cells were seeded in 96-well plates."],
)
def test_laboratory_sentences_are_method_sentences(sentence: str) -> None:
    assert METHOD.search(sentence)


def test_laboratory_work_is_recognised_and_analysis_is_not() -> None:
    for text in ("siRNA knock-down in MCF-7", "Western blot of Cyp7a1", "LC-MS of bile acids", "in vivo imaging"):
        assert LABORATORY.search(text), text
    for text in ("Differential expression with FDR", "Cox regression of survival", "nested cross-validation"):
        assert not LABORATORY.search(text), text
    assert not WET.search("RNA sequencing counts were normalised")


def referability(text: str) -> str:
    actions = ("Cells were transfected.", "Blots.")
    steps = tuple(ReportStep(id=f"1.{n}", action=a, details=a, supported=True) for n, a in enumerate(actions, 1))
    report = Report(
        paper_id="P", title="T", parts=(ReportPart(id="1", title="Blot", purpose="p", steps=steps),),
        quotes=0, quotes_located=0, origin="offline",
    )  # fmt: skip
    values = JudgeReferabilityInput(objective=Objective(id="o", text=text), report=report, datasets=())
    return READER.judge_referability(values).parts[0].level


def test_laboratory_parts_are_reusable_for_a_laboratory_objective_only() -> None:
    assert referability("Does siRNA transfection slow growth?") == "high"
    assert referability("Which genes predict survival?") == "low"


def described(by: str, title: str) -> Dataset:
    matrix = DataFile(name="expression", kind="expression", path="e.tsv", rows=9, sha256="0" * 64, bytes=1)
    return Dataset.model_validate(
        {
            "id": "D1", "title": title, "source": "s", "root": "/d", "files": (matrix,), "n_samples": 20,
            "n_features": 9, "described_by": by,
        }
    )  # fmt: skip


def test_a_data_set_about_something_else_is_not_of_the_right_condition() -> None:
    liver = Objective(id="o", text="Bile acids in liver by mass spectrometry")
    answers = judge_dataset(JudgeDatasetInput(objective=liver, dataset=described("dataset.toml", "Breast tumours")))
    assert not answers.right_condition
    assert "Shares 0%" in answers.reason


def test_an_undescribed_data_set_is_the_researchers_word() -> None:
    liver = Objective(id="o", text="Bile acids in liver by mass spectrometry")
    answers = judge_dataset(JudgeDatasetInput(objective=liver, dataset=described("inferred", "tables")))
    assert answers.right_condition
    assert "researcher's word" in answers.reason
