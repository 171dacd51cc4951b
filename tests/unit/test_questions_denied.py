"""Objectives with denials, exclusions and merged levels: bound as a biologist means them, or refused, never else."""

from __future__ import annotations

from itertools import product

import pytest

from bioresearcher.analysis.bind import Data, bind_questions
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.question import Question
from bioresearcher.sources.datasets.load import load_datasets

COLUMNS = {
    "sample": 'role = "id"',
    "patient": 'role = "unit"',
    "tissue": 'role = "group"\ncase = "tumour"\ncontrol = "normal"',
    "sample_type": 'role = "other"',
    "er": 'role = "group"\nlabel = "ER status"',
    "her2": 'role = "covariate"\nlabel = "HER2 status"',
    "grade": 'role = "covariate"',
    "stage": 'role = "covariate"',
    "nodes": 'role = "covariate"\nlabel = "nodal status"',
    "treatment": 'role = "covariate"',
    "age": 'role = "covariate"',
    "months": 'role = "time"\nendpoint = "RFS"',
    "relapse": 'role = "event"\nendpoint = "RFS"\nevent_level = "1"',
}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Data:
    folder = tmp_path_factory.mktemp("clinic")
    kinds = (("tumour", "primary"), ("normal", "normal"), ("tumour", "metastasis"), ("tumour", "cell line"))
    signs, treatments = ("positive", "negative"), ("untreated", "chemotherapy", "tamoxifen")
    rows = []
    for n, ((tissue, kind), er, grade) in enumerate(product(kinds, signs, "123")):
        more = (signs[n % 2], grade, ("I", "II", "III", "IV")[n % 4], signs[n // 2 % 2], treatments[n % 3])
        rows.append([f"s{n}", f"P{n % 9}", tissue, kind, er, *more, str(30 + 2 * n), str(n + 3), str(n % 2)])
    (folder / "s.csv").write_text("\n".join(map(",".join, [list(COLUMNS), *rows])) + "\n")
    genes = [[g, *(str((n * k) % 7) for n in range(len(rows)))] for k, g in ((3, "MKI67"), (5, "TP53"))]
    (folder / "e.csv").write_text("\n".join(map(",".join, [["gene", *(r[0] for r in rows)], *genes])) + "\n")
    said = "".join(f"[files.columns.{name}]\n{text}\n" for name, text in COLUMNS.items())
    (folder / "dataset.toml").write_text(
        'title = "made"\nsource = "made"\n[[files]]\nname = "expression"\nkind = "expression"\npath = "e.csv"\n'
        'feature_column = "gene"\nscale = "log2"\n[[files]]\nname = "samples"\nkind = "samples"\npath = "s.csv"\n'
        f'sample_column = "sample"\n{said}'
    )
    (dataset,), failures = load_datasets([folder])
    assert not failures
    return Data(dataset, frozenset({"MKI67", "TP53"}))


def bound(text: str, data: Data) -> Question:
    (question,) = bind_questions(Objective(id="o", text=text), [data]).questions
    return question


DIFFERS = "Which genes differ between ER-positive and ER-negative tumours"
MARKS = "Is MKI67 expression associated with relapse-free survival in patients"


@pytest.mark.parametrize(
    ("text", "population"),
    [
        (f"{DIFFERS}, leaving out the metastases?", "sample_type = cell line or normal or primary"),
        (f"{DIFFERS}, with the cell lines excluded?", "sample_type = metastasis or normal or primary"),
        (f"{DIFFERS} when metastases are left out?", "sample_type = cell line or normal or primary"),
        (f"{DIFFERS}, without the metastatic samples?", "sample_type = cell line or normal or primary"),
        (f"{DIFFERS} in patients with no chemotherapy?", "treatment = tamoxifen or untreated"),
        (f"{DIFFERS} apart from those with stage IV disease?", "stage = I or II or III"),
        (f"{DIFFERS} in grade 2 or 3 disease only?", "grade = 2 or 3"),
        (f"{MARKS} not treated with tamoxifen?", "treatment = chemotherapy or untreated"),
        (f"{MARKS} who did not receive tamoxifen?", "treatment = chemotherapy or untreated"),
        (f"{MARKS} who are not HER2-positive?", "her2 = negative"),
        (f"{MARKS} other than those of grade 3?", "grade = 1 or 2"),
        (f"{MARKS} after exclusion of stage IV?", "stage = I or II or III"),
        (f"{MARKS} in all but the grade 1 tumours?", "grade = 2 or 3"),
        (f"{MARKS} with stage I to III disease?", "stage = I or II or III"),
        (f"{DIFFERS}, leaving cell lines out?", "sample_type = metastasis or normal or primary"),
        (f"{DIFFERS}, metastases aside?", "sample_type = cell line or normal or primary"),
        (f"{MARKS} except those older than 70?", "age ≤ 70"),
        (f"{MARKS} no older than 60?", "age ≤ 60"),
        (f"{MARKS}, excluding patients younger than 40?", "age ≥ 40"),
        (
            f"{MARKS}, stratified by grade, without the metastatic samples?",
            "sample_type = cell line or normal or primary",
        ),
    ],
)
def test_what_is_denied_or_left_out_is_not_what_is_kept(text: str, population: str, data: Data) -> None:
    question = bound(text, data)
    assert question.cannot == ""
    assert population in [f.text for f in question.population]
    assert "sample" not in (*question.blocks, *question.adjust)


@pytest.mark.parametrize(
    ("words", "adjust"),
    [
        ("beyond grade and nodal status", ("grade", "nodes")),
        ("once grade and age are taken into account", ("grade", "age")),
        ("independently of TP53 expression and grade", ("grade", "tp53_expression")),
        ("with age held constant", ("age",)),
        ("given the same grade", ("grade",)),
        ("no matter what treatment they got", ("treatment",)),
        ("without adjusting for age", ()),
    ],
)
def test_covariates_in_other_words(words: str, adjust: tuple[str, ...], data: Data) -> None:
    question = bound(f"Is MKI67 expression associated with relapse-free survival {words}?", data)
    assert (question.cannot, question.adjust, question.measure.names) == ("", adjust, ("MKI67",))


@pytest.mark.parametrize("words", ["of the same women", "pairing by patient", "within the same patient"])
def test_pairs_in_other_words(words: str, data: Data) -> None:
    question = bound(
        f"Which genes differ between primary tumours and metastases, {words}, leaving cell lines out?", data
    )
    assert question.cannot == ""
    assert question.pair == "patient"
    assert question.contrast is not None
    assert {*question.contrast.levels} == {"primary", "metastasis"}


def test_neither_nor_denies_both(data: Data) -> None:
    question = bound(f"{MARKS} who are neither ER-positive nor HER2-positive?", data)
    assert (question.cannot, [f.text for f in question.population]) == ("", ["er = negative", "her2 = negative"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Is relapse-free survival different in stage I and II versus stage III and IV?", "put together"),
        ("Is relapse-free survival worse in grade 2 or 3 than in grade 1?", "put together"),
        ("Which genes differ between grade 1/2 and grade 3 tumours?", "put together"),
        ("Compare relapse-free survival between grade 1 and 2 together and grade 3 patients.", "put together"),
        ("Do stage III-IV patients relapse earlier than stage I-II patients?", "put together"),
        ("Which genes differ between ER-positive and non-ER-positive tumours?", "stands in a list"),
        (f"{MARKS} whether or not they are ER-positive?", "limits nothing"),
        (f"{MARKS} not given any treatment?", "no level of treatment is named"),
        (f"{MARKS} free of nodal metastasis?", "not clear whom this leaves out"),
        ("Which genes differ by ER status in node-negative but not in node-positive patients?", "where it does not"),
        (
            "Is TP53 expression related to grade in ER-negative rather than ER-positive tumours?",
            "compares associations",
        ),
        ("Which genes distinguish node-negative patients who relapse from those who do not?", "is the event itself"),
    ],
)
def test_what_no_rule_understands_is_refused(text: str, said: str, data: Data) -> None:
    assert said in bound(text, data).cannot


@pytest.mark.parametrize(
    ("text", "levels"),
    [
        ("Which genes differ between grade 1, 2 and 3 tumours?", ("1", "2", "3")),
        ("Which genes differ between grade 1 and grade 3 tumours?", ("1", "3")),
        ("Is there no difference in relapse-free survival between stage I and stage II?", ("I", "II")),
    ],
)
def test_lists_of_levels_are_compared_as_before(text: str, levels: tuple[str, ...], data: Data) -> None:
    question = bound(text, data)
    assert question.cannot == ""
    assert question.contrast is not None
    assert {*question.contrast.levels} == {*levels}
