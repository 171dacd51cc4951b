"""Questions bound by rule: population, endpoint, comparison, pairs, terms, genes, and the words bound to nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bioresearcher.analysis.bind import Data, bind_questions
from bioresearcher.analysis.sentences import questions_lines
from bioresearcher.schemas.base import Objective, Requirement
from bioresearcher.schemas.dataset import Column, DataFile, Dataset, Reading
from bioresearcher.schemas.question import Question, Questions


def column(name: str, role: str = "other", *levels: str, **more: Any) -> Column:
    return Column.model_validate({"name": name, "dtype": "text", "role": role, "levels": levels, **more})


def number(name: str, role: str = "covariate", **more: Any) -> Column:
    return Column.model_validate({"name": name, "dtype": "number", "role": role, **more})


def event(name: str, endpoint: str = "", **more: Any) -> Column:
    return Column.model_validate(
        {"name": name, "dtype": "integer", "role": "event", "levels": ("0", "1"), "endpoint": endpoint, **more}
    )


OS = (number("os_months", "time", endpoint="OS"), event("os_event", "OS"))
RFS = (number("rfs_months", "time", endpoint="RFS"), event("rfs_event", "RFS"))
ER = column("er_status", "group", "negative", "positive")
SEX = column("sex", "covariate", "F", "M")
TISSUE = column("tissue", "group", "normal", "tumour")
SUBTYPE = column("subtype", "group", "Basal-like", "HER2-enriched", "Luminal A", "Luminal B")
STAGE = column("stage", "covariate", "I", "II", "III", "IV")
BATCH = column("batch", "batch", "b1", "b2")
SMOKER = column("smoker", "covariate", "no", "yes")
AGE = number("age")
GENES = frozenset({"MKI67", "ESR1", "TP53", "HLA-A"})
SETS = ("HALLMARK_E2F_TARGETS", "HALLMARK_HYPOXIA")


def data(*columns: Column, matrix: bool = True, **more: Any) -> Data:
    common = {"bytes": 1, "sha256": "0" * 64}
    sheet = DataFile(
        name="samples",
        kind="samples",
        path="s.tsv",
        rows=60,
        columns=(column("id", "id"), *columns),
        sample_column="id",
        bytes=1,
        sha256="0" * 64,
    )
    files = (DataFile.model_validate({"name": "expression", "kind": "expression", "path": "e.tsv", **common}), sheet)
    dataset = Dataset(
        id="D", title="D", source="own", root="/d", files=files if matrix else (sheet,), n_samples=60, **more
    )
    return Data(dataset, GENES if matrix else frozenset(), SETS)


def asked(text: str, *columns: Column, requirements: tuple[str, ...] = (), **more: Any) -> Questions:
    wishes = tuple(Requirement(id=f"R{n}", text=t) for n, t in enumerate(requirements, 1))
    return bind_questions(Objective(id="o", text=text, requirements=wishes), [data(*columns, **more)])


def first(text: str, *columns: Column, **more: Any) -> Question:
    return asked(text, *columns, **more).questions[0]


def test_a_subset_is_the_population() -> None:
    one = first("In ER-negative breast cancer patients only, is the E2F targets score associated with OS?", ER, *OS)
    assert [f.text for f in one.population] == ["er_status = negative"]
    assert (one.kind, one.measure.names, one.cannot) == ("time to event", ("HALLMARK_E2F_TARGETS",), "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Is MKI67 associated with overall survival in women?", "sex = F"),
        ("Among patients older than 60, is MKI67 associated with OS?", "age > 60"),
        ("Is MKI67 associated with OS in patients aged 40 to 60?", "age ≥ 40 and age ≤ 60"),
        ("Is MKI67 associated with OS in stage III and IV patients?", "stage = III or IV"),
        ("Excluding stage IV, is MKI67 associated with OS?", "stage = I or II or III"),
        ("Is MKI67 associated with overall survival in never smokers?", "smoker = no"),
    ],
)
def test_populations_are_read_as_they_are_written(text: str, said: str) -> None:
    one = first(text, SEX, AGE, STAGE, SMOKER, *OS)
    assert [f.text for f in one.population] == [said]
    assert one.cannot == ""


def test_a_subset_that_no_column_holds_stops_the_question_and_is_named() -> None:
    found = asked("In HER2-positive patients, is MKI67 associated with OS?", ER, SUBTYPE, *OS)
    assert "HER2-positive" in found.questions[0].cannot
    assert any("HER2" in u.words and u.narrows for u in found.not_understood)
    assert found.questions[0].population == ()


def test_the_endpoint_that_is_asked_for_is_taken_and_no_other() -> None:
    one = first("Is MKI67 associated with relapse-free survival (RFS)?", *OS, *RFS)
    assert one.endpoint is not None
    assert (one.endpoint.name, one.endpoint.time_column, one.endpoint.event_column) == (
        "RFS",
        "rfs_months",
        "rfs_event",
    )


def test_no_endpoint_is_taken_where_several_are_there_and_none_is_named() -> None:
    one = first("Is MKI67 associated with survival?", *OS, *RFS)
    assert "several" in one.cannot
    assert one.endpoint is None


def test_another_endpoint_never_takes_the_place_of_one_that_is_not_there() -> None:
    one = first("Is MKI67 associated with progression-free survival?", *OS)
    assert "progression-free survival" in one.cannot
    assert "overall survival" in one.cannot


def test_status_one_and_two_is_asked_for_with_the_line_that_settles_it() -> None:
    status = Column(name="status", dtype="integer", role="event", levels=("1", "2"))
    one = first("Is MKI67 associated with survival?", number("time", "time"), status)
    assert "nothing says which of them is the event" in one.cannot
    assert "event_level" in one.mend
    assert "[files.columns.status]" in one.mend


def test_event_levels_of_a_description_are_used() -> None:
    vital = column("vital", "event", "Alive", "Dead", event_level="Dead", endpoint="OS")
    one = first("Does overall survival differ between men and women?", number("t", "time", endpoint="OS"), vital, SEX)
    assert one.endpoint is not None
    assert one.endpoint.event_level == ("Dead",)
    assert one.contrast is not None
    assert {*one.contrast.levels} == {"F", "M"}


def test_pairs_are_bound_to_their_column() -> None:
    text = "Which genes differ between tumour and matched normal tissue of the same patients? Paired analysis."
    one = first(text, column("patient", "unit"), TISSUE)
    assert one.pair == "patient"
    assert one.contrast is not None
    assert (one.contrast.case, one.contrast.control) == ("tumour", "normal")


def test_pairs_without_a_column_stop_the_question() -> None:
    one = first("Paired comparison: which genes differ between tumour and normal?", TISSUE)
    assert "belong together" in one.cannot
    assert 'role = "pair"' in one.mend


@pytest.mark.parametrize(
    "text",
    [
        "Which genes differ between tumour and normal, adjusted for batch and age?",
        "Which genes differ between tumour and normal, controlling for age and batch?",
        "Which genes differ between tumour and normal? Use the design ~ batch + age + tissue",
        "Which genes differ between tumour and normal? Batch and age are included in the design.",
    ],
)
def test_terms_of_the_model_are_bound(text: str) -> None:
    one = first(text, TISSUE, BATCH, AGE)
    assert (one.blocks, one.adjust) == (("batch",), ("age",))


def test_a_covariate_that_is_not_there_is_named() -> None:
    found = asked("Is MKI67 associated with OS, adjusted for age and ECOG?", AGE, *OS)
    assert found.questions[0].adjust == ("age",)
    assert [u.words for u in found.not_understood if u.narrows] == ["ECOG"]


def test_a_requirement_adds_its_term_and_is_linked() -> None:
    wish = "Batch is included in the design of the differential expression model"
    one = first("Which genes differ between tumour and normal?", TISSUE, BATCH, requirements=(wish,))
    assert one.blocks == ("batch",)
    assert one.requirements == ("R1",)


def test_three_groups_that_are_named_are_all_compared() -> None:
    one = first("Which genes differ between Basal-like, HER2-enriched and Luminal A tumours?", SUBTYPE)
    assert one.contrast is not None
    assert one.contrast.levels == ("Basal-like", "HER2-enriched", "Luminal A")
    assert one.contrast.case is None


def test_a_reference_level_is_the_control() -> None:
    one = first("Which genes differ between Luminal A and Luminal B, with Luminal A as the reference?", SUBTYPE)
    assert one.contrast is not None
    assert (one.contrast.case, one.contrast.control) == ("Luminal B", "Luminal A")


def test_the_direction_of_versus_is_kept() -> None:
    one = first("Which genes differ in Luminal B versus Basal-like tumours?", SUBTYPE)
    assert one.contrast is not None
    assert (one.contrast.case, one.contrast.control) == ("Luminal B", "Basal-like")


def test_one_of_several_levels_without_its_partner_is_not_guessed() -> None:
    one = first("Which genes are specific to subtype Luminal A and how do they differ?", SUBTYPE)
    assert one.contrast is None
    assert one.cannot != ""


def test_a_named_gene_is_measured_and_one_that_is_not_there_stops() -> None:
    assert first("Is high MKI67 expression associated with shorter overall survival?", *OS).measure.names == ("MKI67",)
    one = first("Is FOXM1 expression associated with overall survival?", *OS)
    assert "FOXM1" in one.cannot
    assert "no row of the matrix" in one.cannot


def test_a_mutation_is_not_the_expression_of_its_gene() -> None:
    assert "altered" in first("Is TP53 mutation associated with overall survival?", *OS).cannot
    known = column("TP53_status", "group", "mutant", "wild type")
    one = first("Is TP53 mutation associated with overall survival?", known, *OS)
    assert one.contrast is not None
    assert (one.contrast.case, one.contrast.control) == ("mutant", "wild type")


def test_a_signature_that_is_not_there_stops() -> None:
    one = first("Does the interferon signature go with overall survival?", *OS)
    assert "interferon signature" in one.cannot


def test_a_column_that_is_not_there_stops_with_the_nearest_name() -> None:
    found = asked("Which genes differ by tissue_typ?", TISSUE, column("tissue_type", "group", "a1", "a2"))
    assert "tissue_typ" in found.questions[0].cannot
    assert "tissue_type" in found.questions[0].mend


def test_a_model_and_a_test_by_name_are_kept() -> None:
    one = first("Which genes differ between tumour and normal? Use a negative binomial model as in DESeq2.", TISSUE)
    assert one.model == "negative binomial model"
    one = first("Compare gene expression between tumour and normal with a Wilcoxon test", TISSUE)
    assert one.test == "wilcoxon test"


def test_contradictory_wishes_are_said() -> None:
    one = first("In men only, which genes differ between men and women?", SEX)
    assert "one of the two wishes must go" in one.cannot


def test_an_association_that_differs_between_groups_is_not_answered_by_an_association() -> None:
    one = first("Does the association of MKI67 with overall survival differ between men and women?", SEX, *OS)
    assert one.cannot != ""


def test_a_follow_up_that_ends_at_a_time_is_named() -> None:
    found = asked("Does 5-year overall survival differ between men and women?", SEX, *OS)
    assert any("5-year" in u.words and u.narrows for u in found.not_understood)


def test_an_unsure_reading_that_decides_stops_the_question_with_its_line() -> None:
    reading = {
        "file": "s.tsv",
        "column": "sex",
        "says": "1 = male",
        "reason": "a convention",
        "sure": False,
        "decides": True,
        "line": 'codes = {"1" = "male", "2" = "female"}',
    }
    coded = Column(name="sex", dtype="integer", role="covariate", levels=("1", "2"))
    one = first("Does overall survival differ between men and women?", coded, *OS, readings=(reading,))
    assert 'codes = {"1" = "male", "2" = "female"}' in one.mend
    kept = first("Is MKI67 associated with overall survival?", coded, *OS, readings=(reading,))
    assert kept.cannot == ""


@pytest.mark.parametrize(
    "text",
    [
        "Is the effect of smoking on overall survival different by sex?",
        "Does MKI67 predict response to the drug?",
        "Is TP53 expression correlated with MKI67 expression?",
        "Which genes are associated with overall survival?",
    ],
)
def test_a_question_of_another_form_is_not_answered_by_one_that_is_near(text: str) -> None:
    one = first(text, SEX, SMOKER, column("TP53_status", "group", "mutant", "wild type"), *OS)
    assert one.cannot != "" or one.model == "interaction test"


def test_a_column_of_numbers_that_is_named_is_compared_and_not_the_genes() -> None:
    one = first("Are there differences in BMI between men and women?", SEX, number("bmi"))
    assert (one.measure.kind, one.measure.names) == ("column", ("bmi",))


def test_a_levels_own_words_ask_nothing() -> None:
    one = first("Which genes differ between ER+ and ER- tumours, excluding HER2-enriched?", ER, SUBTYPE)
    assert one.kind == "difference"
    assert "HER2-enriched" not in one.population[0].levels


def test_risk_factors_are_all_covariates() -> None:
    done = column("complication", "group", "no", "yes")
    text = "Which risk factors are associated with a postoperative complication? Multivariable logistic regression."
    one = first(text, AGE, SEX, SMOKER, done, matrix=False)
    assert one.kind == "association"
    assert one.outcome == "complication"
    assert one.measure.names == ("age", "sex", "smoker")
    assert one.model == "logistic regression"


def test_what_is_bound_and_what_is_not_is_said_in_words() -> None:
    found = asked("In HER2-positive patients, is MKI67 associated with OS? Is MKI67 higher in tumour?", TISSUE, *OS)
    said = "\n".join(questions_lines(found))
    assert "This cannot be answered:" in said
    assert "Not understood:" in said


def test_nothing_is_asked_of_no_data() -> None:
    found = bind_questions(Objective(id="o", text="Which genes differ between tumour and normal?"), [])
    assert found.questions[0].cannot == "there is no data set with samples"


def test_files_are_not_needed_to_bind(tmp_path: Path) -> None:
    assert not list(tmp_path.iterdir())
    assert first("Is age associated with overall survival?", AGE, *OS).measure.names == ("age",)


def test_a_column_that_shares_a_word_with_a_named_side_is_not_what_is_compared() -> None:
    grown = column("renal_sinus_invasion", "group", "false", "true", case="true", control="false")
    source = column("source", "group", "tissue of the tumour", "tissue beside it")
    one = first("Which genes differ between renal cell carcinoma and normal kidney in patients?", grown, source)
    assert one.contrast is None
    assert "“renal cell carcinoma” and “normal” are compared, and no level of the data is called so" in one.cannot


def test_genes_of_a_group_without_a_gene_set_stop_with_the_flag_that_gives_one() -> None:
    text = "Is the expression of interferon genes associated with overall survival of the patients?"
    found = asked(text, *OS)
    one = found.questions[0]
    assert "“interferon genes”" in one.cannot
    assert "hypoxia" not in one.cannot
    assert "`--data FILE.gmt`" in one.mend
    assert "INTERFERON" in one.mend


@pytest.mark.parametrize("named", ["MKI67", "the E2F targets", "hypoxia genes"])
def test_genes_that_are_at_hand_stop_nothing(named: str) -> None:
    assert first(f"Is the expression of {named} associated with overall survival?", *OS).cannot == ""


def test_survival_of_patients_without_anything_it_may_go_with_is_no_description() -> None:
    one = first("Is anything associated with overall survival of the patients?", *OS)
    assert "no gene, signature, column or groups are named" in one.cannot
    assert first("Describe the overall survival of the patients.", *OS).cannot == ""


def test_channels_of_an_array_are_paired_and_nothing_else_is_asked_of_them() -> None:
    array = column("array", "pair", "a1", "a2", "a3")
    drug = column("treatment", "group", "drug", "none")
    held = data(drug, array, *OS)
    sheet = held.dataset.file("samples")
    assert sheet is not None
    files = tuple(
        f if f.kind != "samples" else sheet.model_copy(update={"row_is": "channel"}) for f in held.dataset.files
    )
    of_channels = Data(held.dataset.model_copy(update={"files": files}), GENES, SETS)
    text = "Which genes differ between drug and none? Is MKI67 associated with overall survival?"
    differ, survive = bind_questions(Objective(id="o", text=text), [of_channels]).questions
    assert (differ.pair, differ.cannot) == ("array", "")
    assert "only differences within an array" in survive.cannot


def test_rows_that_are_studies_are_said_to_be_none_of_samples() -> None:
    columns = (column("study"), number("hr", "other"), number("se", "other"))
    file = DataFile(name="t", kind="table", path="t.csv", rows=5, row_is="study", columns=columns, bytes=1, sha256="0")
    table = Dataset(id="T", title="T", source="own", root="/d", files=(file,))
    text = "Random-effects meta-analysis of the hazard ratios"
    [one] = bind_questions(Objective(id="o", text=text), [Data(table)]).questions
    assert one.kind == "synthesis"
    assert (one.model, one.cannot) == ("meta-analysis", "")
    [other] = bind_questions(Objective(id="o", text="Is age associated with stage?"), [Data(table)]).questions
    assert "each of the 5 rows of t.csv is a study (study, hr, se)" in other.cannot


def test_levels_that_differ_in_case_only_come_with_the_line_that_tells_them_apart() -> None:
    one = first("Which genes differ by genotype?", column("genotype", "group", "A", "a"))
    assert "differ in case only" in one.cannot
    line = 'codes = {"A" = "A (1)", "a" = "a (2)"} under [files.columns.genotype] of dataset.toml'
    assert line in one.mend
    told = column("genotype", "group", "A", "a", codes=(("A", "A (1)"), ("a", "a (2)")))
    apart = first("Which genes differ by genotype?", told)
    assert apart.cannot == ""
    assert apart.contrast is not None
    assert {*apart.contrast.levels} == {"A (1)", "a (2)"}


def test_an_unsure_reading_of_another_column_is_no_line_for_a_time_and_event() -> None:
    dose = {"file": "s.tsv", "column": "dose", "says": "x", "reason": "y", "sure": False, "decides": True}
    reading = {**dose, "line": 'missing_values = ["999"]'}
    one = first("Is MKI67 associated with survival?", number("dose"), readings=(Reading.model_validate(reading),))
    assert "no column of time and event" in one.cannot
    assert "missing_values" not in one.mend
    assert 'role = "time"' in one.mend
    assert "event_level" in one.mend


@pytest.mark.parametrize("text", ["Cure leukaemia", "New treatment targets for breast cancer", "What is TP53 for?"])
def test_an_objective_that_asks_nothing_of_data_is_no_description_of_them(text: str) -> None:
    one = first(text, ER, SEX)
    assert one.cannot == "the objective asks for nothing that an analysis of these data answers"
    assert one.text == f"“{text}”"


@pytest.mark.parametrize("text", ["Describe the patients", "Explore this cohort", "Analyse the quality of the data"])
def test_a_description_is_given_where_it_is_asked_for(text: str) -> None:
    assert (first(text, ER, SEX).kind, first(text, ER, SEX).cannot) == ("description", "")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Check if the age of the donors follows a normal distribution.", "normal distribution"),
        ("Explore the distribution of age. Use a Shapiro-Wilk test for it.", "Shapiro-Wilk"),
        ("Analyse the outliers of age by their z-scores.", "outliers"),
        ("Describe the mean age of the patients.", "the mean"),
        ("Explore the standard deviation of age.", "standard deviation"),
        ("How many distinct stages have at least 5 patients?", "How many"),
        ("How many patients are older than 60?", "How many patients are older than"),
        ("How many genes are on chromosome 1?", "How many"),
        ("Explore the data by creating a new feature of age and stage.", "creating a new feature"),
        ("Analyse the skewness of the age distribution.", "skewness"),
    ],
)
def test_a_statistic_that_no_description_states_is_not_answered_by_one(text: str, named: str) -> None:
    one = first(text, ER, AGE, STAGE)
    assert one.kind == "description"
    assert one.cannot.startswith("no vetted analysis does this (“"), one.cannot
    assert named in one.cannot
    assert one.mend


@pytest.mark.parametrize(
    "text",
    [
        "How many patients are in each stage?",
        "How many samples have missing values?",
        "Describe the cohort by means of a table 1",
        "Summarise age and stage, with the median and range",
        "What is the distribution of age and of stage?",
        "What do these data mean?",
        "Inspect the quality of the normal and tumour samples",
    ],
)
def test_a_description_states_counts_medians_and_missing_values(text: str) -> None:
    assert (first(text, TISSUE, AGE, STAGE).kind, first(text, TISSUE, AGE, STAGE).cannot) == ("description", "")


def test_a_statistic_beside_a_description_is_a_question_of_its_own() -> None:
    told, more = asked("Describe the patients. Is age normally distributed?", ER, AGE).questions
    assert (told.kind, told.cannot) == ("description", "")
    assert "no vetted analysis does this (“normally distributed”)" in more.cannot


@pytest.mark.parametrize(
    "text",
    ["Is the E2F targets score associated with time to distant metastasis?", "Does MKI67 predict distant metastasis?"],
)
def test_time_to_distant_metastasis_is_an_endpoint(text: str) -> None:
    end = first(text, number("t_tdm", "time", endpoint="TDM"), event("e_tdm", "TDM")).endpoint
    assert end is not None
    assert end.name == "TDM"


def test_the_unaffected_are_the_reference() -> None:
    one = first("Which genes differ by status?", column("status", "group", "affected", "unaffected"))
    assert one.contrast is not None
    assert (one.contrast.case, one.contrast.control) == ("affected", "unaffected")


def test_groups_called_like_an_endpoint_are_groups_and_the_next_sentence_is_another_question() -> None:
    state = column("state", "group", "relapse", "remission")
    found = asked(
        "Which genes differ between relapse and remission? Is MKI67 associated with overall survival?", state, *OS
    )
    differ, survive = found.questions
    assert (differ.kind, differ.cannot) == ("difference", "")
    assert differ.contrast is not None
    assert {*differ.contrast.levels} == {"relapse", "remission"}
    assert (survive.kind, survive.measure.names, survive.cannot) == ("time to event", ("MKI67",), "")


def test_a_difference_in_an_endpoint_between_groups_stays_one_in_time() -> None:
    one = first("Does the time to death differ between men and women?", SEX, *OS)
    assert one.kind == "time to event"


@pytest.mark.parametrize("grouping", ["by grade", "by tumour grade", "across genotypes", "according to smoking status"])
def test_the_only_column_of_groups_is_not_taken_for_another_that_is_named(grouping: str) -> None:
    one = first(f"Which genes differ {grouping}?", column("tissue", "group", "tumour", "normal"))
    assert one.contrast is None
    assert "no column or level of the data is called so" in one.cannot
    assert "tissue" in one.mend


@pytest.mark.parametrize("method", ["by limma", "by a moderated t test", "by Welch's t test", "by group", "by tissue"])
def test_a_method_or_the_groups_themselves_are_no_other_grouping(method: str) -> None:
    one = first(f"Which genes are differentially expressed {method}?", column("tissue", "group", "tumour", "normal"))
    assert one.contrast is not None
    assert one.contrast.column == "tissue"


ARM = column("arm", "group", "A", "B")


@pytest.mark.parametrize(
    "text",
    [
        "Is arm B associated with worse overall survival in ER-positive patients?",
        "In ER-positive patients, is arm B associated with worse overall survival?",
        "Is arm A associated with better overall survival in patients with stage III?",
        "Among ER-positive patients, does arm B have a higher risk of death?",
        "Is smoking associated with worse overall survival in women of stage II?",
        "Does overall survival differ by arm in ER-positive patients?",
        "Does overall survival differ between arm A and arm B in women?",
        "Do genes differ between arm A and arm B in ER-positive tumours?",
        "Which genes differ by arm in women?",
    ],
)
def test_a_subset_is_never_compared_where_a_level_or_column_is_named(text: str) -> None:
    found = asked(text, ARM, ER, SEX, STAGE, SMOKER, *OS, matrix="genes" in text.lower()).questions[0]
    wanted = "smoker" if "smoking" in text else "arm"
    assert found.contrast is not None or found.cannot
    if found.contrast is not None and not found.cannot:
        assert found.contrast.column == wanted
        assert all(f.column != wanted for f in found.population)
        assert found.population
