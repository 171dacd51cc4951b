"""The offline rules of reading and screening: sentences, headings, laboratory work, relevance of data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bioresearcher.offline.read import LABORATORY, METHOD, WET, OfflineReader
from bioresearcher.offline.search import judge_dataset
from bioresearcher.papers.quotes import locate, split_passages
from bioresearcher.papers.reading_process import load_paper
from bioresearcher.schemas.ask_literature import (
    JudgeDatasetInput,
    JudgeReferabilityInput,
    OutlinedPart,
    OutlinePaperInput,
    OutlineSection,
    ReportPartInput,
    ReportStepDraft,
)
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.dataset import DataFile, Dataset
from bioresearcher.schemas.paper import Passage
from bioresearcher.schemas.paper_report import PaperReport, ReportPart, ReportStep
from bioresearcher.text.words import sentence_texts


def near(left: Sequence[str], right: Sequence[str]) -> NDArray[np.float32]:
    return np.full((len(left), len(right)), 0.5, dtype=np.float32)


READER = OfflineReader(near)


def test_a_reference_number_between_sentences_belongs_to_neither() -> None:
    text = "We plotted the curve.[5] Then we filtered. [7,8] After that, e.g. this was done. [10] Last one."
    assert sentence_texts(text) == [
        "We plotted the curve.", "Then we filtered.", "After that, e.g. this was done.", "Last one.",
    ]  # fmt: skip
    assert all(s in text for s in sentence_texts(text))


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
    report = PaperReport(
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


def section(title: str, kind: str = "methods", number: int = 0) -> OutlineSection:
    return OutlineSection(number=number, title=title, kind=kind, opening=f"{title} Something was done.")


def draft(*texts: str, kind: str = "methods") -> list[ReportStepDraft]:
    passages = [
        Passage(id=str(n), document="P", section="S", kind=kind, start=0, end=len(t), text=t)
        for n, t in enumerate(texts)
    ]
    part = OutlinedPart(title="Part", purpose="p", sections=(0,))
    objective = Objective(id="o", text="t")
    values = ReportPartInput(objective=objective, paper_title="T", part=part, passages=tuple(passages))
    return list(READER.report_part(values).steps)


def test_formalities_are_neither_parts_nor_steps() -> None:
    sections = (section("Cell culture"), section("Ethics statement", number=1), section("Human Subjects", number=2))
    outline = READER.outline_paper(
        OutlinePaperInput(objective=Objective(id="o", text="t"), title="T", abstract="", sections=sections)
    )
    assert [p.title for p in outline.parts] == ["Cell culture"]
    said = draft(
        "Informed consent was obtained from all of the participants. Blood was drawn from the jugular vein twice."
    )
    assert [s.action for s in said] == ["Blood was drawn from the jugular vein twice."]


def test_where_methods_are_described_any_past_passive_is_a_step() -> None:
    text = "The networks were visualised and the samples were spun down twice before use."
    assert [s.action for s in draft(text)] == [text]
    assert draft("The plates were spoken of by everyone in the whole department.", kind="discussion") == []


def test_a_step_carries_what_its_sentence_states() -> None:
    (step,) = draft("Arrays of GSE1992 were normalised with limma 3.50 in R and filtered at an FDR < 0.05 for 24 h.")
    assert step.datasets == ("GSE1992",)
    assert step.software == ("limma 3.50", "R")
    assert [(p.name, p.value, p.unit) for p in step.parameters] == [("FDR", "< 0.05", ""), ("duration", "24", "h")]


def test_a_result_is_given_to_one_step_only() -> None:
    result = Passage(
        id="r", document="P", section="R", kind="results", start=0, end=1,
        text="The expression of the gene was significantly higher in the tumours than in the controls.",
    )  # fmt: skip
    method = Passage(
        id="m", document="P", section="M", kind="methods", start=0, end=1,
        text="Expression was measured on arrays of all samples. The groups were compared by a test for every gene.",
    )  # fmt: skip
    part = OutlinedPart(title="Part", purpose="p", sections=(0,))
    objective = Objective(id="o", text="t")
    values = ReportPartInput(objective=objective, paper_title="T", part=part, passages=(method, result))
    steps = READER.report_part(values).steps
    assert [len(s.results) for s in steps] == [1, 0]


def test_real_methods_are_read_into_parts_with_steps(shared_data: Path) -> None:
    read = 0
    for path in sorted((shared_data / "fulltext" / "jats").iterdir()):
        _, document = load_paper(path)
        passages = [p for p in split_passages(document) if p.kind == "methods"]
        part = OutlinedPart(title="Methods", purpose="p", sections=(0,))
        values = ReportPartInput(
            objective=Objective(id="o", text="t"), paper_title="T", part=part, passages=tuple(passages)
        )
        steps = READER.report_part(values).steps
        read += len(steps) >= 5
        assert all(locate(document, q) for s in steps for q in s.quotes)
    assert read >= 11


def _passage(number: int, section: str, kind: str, text: str) -> Passage:
    return Passage.model_validate(
        {
            "id": f"p{number}",
            "document": "d",
            "section": section,
            "kind": kind,
            "start": 0,
            "end": len(text),
            "text": text,
        }
    )


def _actions(title: str, *passages: Passage) -> list[str]:
    part = OutlinedPart(title=title, purpose="", sections=())
    values = ReportPartInput(objective=Objective(id="o", text="x"), paper_title="t", part=part, passages=passages)
    return [s.action for s in READER.report_part(values).steps]


def test_a_step_is_taken_from_its_own_method_section_and_never_from_a_discussion() -> None:
    own = _passage(1, "Scratch assay", "methods", "Monolayers were scratched with a pipette tip and washed twice.")
    other = _passage(
        2, "RNA sequencing", "methods", "Libraries were sequenced on a machine with paired-end reads of 100."
    )
    later = _passage(3, "Discussion", "discussion", "We measured migration only in two dimensions, as was done before.")
    assert _actions("Scratch assay", own, other, later) == [
        "Monolayers were scratched with a pipette tip and washed twice."
    ]
    assert len(_actions("Methods: a paper", own, other, later)) == 2


@pytest.mark.parametrize(
    "sentence",
    [
        "Migration was measured in two dimensions only, and our results need to be confirmed in tissue.",
        "Lines A and B showed a longer stay-green trait than the other three genotypes were expected to.",
        "Further studies were planned to test if the drug is tolerated by older patients as well.",
    ],
)
def test_a_limitation_or_a_result_is_no_step(sentence: str) -> None:
    assert _actions("Methods", _passage(1, "Methods", "methods", sentence)) == []


def test_a_heading_over_others_is_no_part_and_takes_none_of_their_steps() -> None:
    sections = (
        OutlineSection(number=0, title="STAR★Methods", kind="methods", opening="STAR★Methods"),
        OutlineSection(number=1, title="Scratch assay", kind="methods", opening="Scratch assay Cells were seeded."),
    )
    values = OutlinePaperInput(objective=Objective(id="o", text="t"), title="T", abstract="", sections=sections)
    assert [p.title for p in READER.outline_paper(values).parts] == ["Scratch assay"]


@pytest.mark.parametrize(
    "sentence",
    [
        "Two authors extracted the number of patients and the dose of iron with a standard form.",
        "Mice then received 5 × 10^6 cells and a dose of 2 mg/kg on the same day.",
    ],
)
def test_what_persons_did_and_animals_received_is_a_step(sentence: str) -> None:
    passage = Passage(
        id="p", document="d", section="Methods", kind="methods", start=0, end=len(sentence), text=sentence
    )
    part = OutlinedPart(title="Methods", purpose="", sections=(0,))
    values = ReportPartInput(objective=Objective(id="o", text="t"), paper_title="T", part=part, passages=(passage,))
    assert [s.action for s in READER.report_part(values).steps] == [sentence]


@pytest.mark.parametrize(("text", "level"), [("How is wound closure measured?", "high"), ("Wound closure.", "low")])
def test_laboratory_work_answers_how_something_is_done_where_no_data_are_at_hand(text: str, level: str) -> None:
    steps = tuple(
        ReportStep(id=f"1.{n}", action=f"Cells were seeded and cells were cultured {n} h.", details="", supported=True)
        for n in (1, 2)
    )
    report = PaperReport(
        paper_id="p",
        title="T",
        parts=(ReportPart(id="1", title="Assay", purpose="", steps=steps),),
        quotes=0,
        quotes_located=0,
        origin="offline",
    )
    values = JudgeReferabilityInput(objective=Objective(id="o", text=text), report=report, datasets=())
    (part,) = READER.judge_referability(values).parts
    assert part.level == level
    assert ("laboratory work, which is not asked for" in part.reason) is (level == "low")
