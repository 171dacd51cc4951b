"""The packaged example, from the command line to its report: what it must show, and what it must not claim."""

from __future__ import annotations

import csv
import html
import json
import os
import re
import subprocess
import sys

import pytest

from bioresearcher.report.run_data import load_view
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.execution import DryLabTask, TaskRecord
from bioresearcher.schemas.facts import Audit
from bioresearcher.schemas.paper import Document
from bioresearcher.schemas.paper_report import PaperReport
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.run import RunRecord

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400), pytest.mark.xdist_group("example")]


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """One run of the example by the real program, in a process of its own, without a network."""
    workspace = tmp_path_factory.mktemp("workspace")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("BIORESEARCHER_")}
    command = [sys.executable, "-m", "bioresearcher", "run", "--example", "breast-cancer", "--yes", "--json"]
    done = subprocess.run(
        [*command, "--workspace", str(workspace)],
        capture_output=True,
        text=True,
        timeout=380,
        env=environment,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    if not record["sandbox"]:
        if os.environ.get("REQUIRE_SANDBOX"):
            pytest.fail("no sandbox works here")
        pytest.skip("no sandbox works here")
    return RunFolder(workspace / "runs" / record["run_id"])


def records(folder: RunFolder) -> dict[str, TaskRecord]:
    """Task records by skill and data set label, e.g. `table-quality-control GSE1992`."""
    found = {}
    for task in folder.read_list(DryLabTask, "tasks.json"):
        label = str(task.parameters.get("dataset_label", ""))
        found[f"{task.skill} {label}".strip()] = folder.read(TaskRecord, "tasks", task.id, "record.json")
    return found


def table(folder: RunFolder, skill: str, output: str = "table") -> list[dict[str, str]]:
    found = records(folder)
    record = found.get(skill) or next(r for name, r in found.items() if name.startswith(skill))
    artifact = next(a for a in record.artifacts if a.name == output)
    with folder.path("tasks", record.task_id, artifact.path).open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def statements(folder: RunFolder, skill: str) -> str:
    return " ".join(f.statement for name, r in records(folder).items() if name.startswith(skill) for f in r.findings)


def test_every_task_is_verified(example: RunFolder) -> None:
    found = records(example)
    assert len(found) >= 12
    assert {name: str(r.outcome) for name, r in found.items() if not r.verified} == {}
    assert all(r.sandbox == "bubblewrap" for r in found.values())
    assert all(r.perturbed and r.perturbed.done and r.perturbed.changed for r in found.values())


def test_the_manifest_counts_what_happened(example: RunFolder) -> None:
    record = example.read(RunRecord, "run.json")
    totals = record.totals
    assert record.status == "done"
    assert totals.verified == totals.exit_ok == totals.tasks == len(records(example))
    assert totals.quotes_located == totals.quotes > 0
    assert totals.papers_read == 11
    assert set(totals.task_outcomes.values()) == {"verified"}
    assert (totals.attempts, totals.repairs, totals.error_classes) == (totals.tasks, 0, {})
    assert totals.tokens_per_verified is totals.cost_per_verified_usd is None
    assert totals.calls == totals.input_tokens == 0  # no model was asked
    assert record.inputs
    assert all(re.fullmatch(r"[0-9a-f]{64}", d) for d in record.inputs.values())


def test_er_positive_and_negative_tumours_differ_as_known(example: RunFolder) -> None:
    """In the 115 of 117 primary tumours with a receptor status, without values that were filled in."""
    rows = table(example, "differential-expression")
    significant = [r for r in rows if float(r["fdr"]) < 0.05]
    assert 1680 <= len(significant) <= 1740
    top = [r["gene"] for r in rows[:25]]
    assert "GATA3" in top
    assert "ESR1" in top


def test_gene_sets_go_in_the_known_directions(example: RunFolder) -> None:
    text = statements(example, "ranked-gene-set-enrichment")
    rows = table(example, "ranked-gene-set-enrichment")
    score = {r["gene_set"]: float(r["nes"]) for r in rows}
    assert score["HALLMARK_ESTROGEN_RESPONSE_EARLY"] > 0
    assert score["HALLMARK_ESTROGEN_RESPONSE_LATE"] > 0
    assert score["HALLMARK_E2F_TARGETS"] < 0
    assert text


def test_within_series_of_samples_the_score_is_not_significant_in_discovery_and_replicates_nothing(
    example: RunFolder,
) -> None:
    rows = {r["cohort"]: r for r in table(example, "signature-validation GSE1992-prepared")}
    discovery, validation = rows["GSE1992-prepared"], rows["GSE4335-prepared"]
    assert (discovery["n"], discovery["events"]) == ("94", "26")
    assert float(discovery["hr"]) == pytest.approx(1.15, abs=0.01)
    assert float(discovery["p"]) == pytest.approx(0.48, abs=0.005)
    assert float(validation["hr"]) == pytest.approx(1.85, abs=0.01)
    said = records(example)["signature-validation GSE1992-prepared"].findings[-1].statement
    assert "did not replicate" in said
    assert "Without strata it would have been called replicated" in said


def test_on_the_data_as_given_the_score_is_significant_in_discovery_and_does_not_replicate(example: RunFolder) -> None:
    rows = {r["cohort"]: r for r in table(example, "signature-validation GSE1992")}
    discovery, validation = rows["GSE1992"], rows["GSE4335"]
    assert float(discovery["hr"]) == pytest.approx(1.51, abs=0.01)
    assert float(discovery["p"]) == pytest.approx(0.0083, abs=0.0005)
    assert float(validation["hr"]) == pytest.approx(1.30, abs=0.01)
    assert float(validation["p"]) == pytest.approx(0.11, abs=0.005)
    said = records(example)["signature-validation GSE1992"].findings[-1].statement
    assert "did not replicate" in said
    for report in ("report.md", "report.html"):
        assert "did not replicate" in example.path(report).read_text(encoding="utf-8")


READERS = {
    "How many genes differ between the receptor groups?": r"1,708 of 4,695 genes differ",
    "In which direction?": r"764 are higher and 944 lower in ER-positive",
    "Which gene sets go with the receptor?": r"over-represented at FDR < 0\.05: HALLMARK_ESTROGEN_RESPONSE_EARLY",
    "Is the E2F score associated with outcome, and how strongly?": r"HR per SD 1\.87 \(95 % CI 1\.16 to 3\.00",
    "On how many samples and events does that rest?": r"n = 76, 25 events",
    "Does it depend on the model?": r"p = 0\.48; n = 94, 26 events\): no clear association, so the answer dep",
    "Does it hold in the independent cohort?": r"HALLMARK_E2F_TARGETS score with outcome did not replicate",
    "Which endpoint is it?": r"What counts as an event is not stated by the source of GSE1992, GSE4335",
    "What was done to the data before?": r"Leave out 7 of 124 samples",
    "Was anything not answered?": r"Not answered Nothing that was asked",
    "Who answered, at what cost, and when?": r"Answered by rules, no model Cost none Date 20\d\d-",
}
"""Questions of a reader, and the words of the first screen that answer them."""


def test_the_first_screen_answers_a_readers_questions(example: RunFolder) -> None:
    page = example.path("report.html").read_text(encoding="utf-8")
    first = page[page.index("<main") : page.index('<section id="full"')]
    said = html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", first)))
    said = re.sub(r"\s+([,.;:)])", r"\1", re.sub(r"\(\s+", "(", said))
    assert [asked for asked, words in READERS.items() if not re.search(words, said)] == []
    assert first.count("<img") == 3, "the key figures"
    text = example.path("report.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300
    assert len(text.split()) <= 2_500


def test_no_unit_of_time_and_no_endpoint_is_made_up(example: RunFolder) -> None:
    computed = " ".join(f.statement for r in records(example).values() for f in r.findings)
    assert not re.search(r"\b(months?|years?|days?|overall survival|relapse-free)\b", computed, re.I)
    assert "not stated" in computed


def test_each_step_rests_on_a_passage_or_a_fact_or_is_marked(example: RunFolder) -> None:
    protocol = example.read(Protocol, "protocol.json")
    documents = {d.id: d for d in example.read_all(Document, "documents")}
    facts = {f.id for f in example.read(Audit, "facts.json").facts}
    resting = [s for s in protocol.steps if any(c.state == "supported" for c in s.citations)]
    assert len(resting) >= 0.7 * len(protocol.steps)
    assert sum(bool(s.links) for s in protocol.steps) >= 5
    for step in protocol.steps:
        assert {c.ref for c in step.citations if c.kind == "fact"} <= facts
        for link in step.links:
            document = documents[link.paper_id]
            assert document.text[link.evidence.start : link.evidence.end] == link.evidence.text
    text = example.path("report", "protocol.md").read_text(encoding="utf-8")
    assert text.count("- **unsupported**") == len(protocol.steps) - len(resting)


def test_every_quote_of_every_report_stands_in_its_document(example: RunFolder) -> None:
    documents = {d.id: d for d in example.read_all(Document, "documents")}
    quotes = [e for r in example.read_all(PaperReport, "reports") for p in r.parts for s in p.steps for e in s.evidence]
    assert len(quotes) >= 50
    for quote in quotes:
        assert documents[quote.document].text[quote.start : quote.end] == quote.text


def test_every_requirement_is_covered_or_said_not_to_be(example: RunFolder) -> None:
    protocol = example.read(Protocol, "protocol.json")
    ids = {s.id for s in protocol.steps}
    assert [c.requirement for c in protocol.coverage] == [f"R{n}" for n in range(1, 9)]
    for row in protocol.coverage:
        assert set(row.steps) <= ids
        assert bool(row.steps) == row.met
    assert sum(c.met for c in protocol.coverage) >= 7


def test_the_report_loads_whole(example: RunFolder) -> None:
    view = load_view(example)
    assert view.missing == ()
    assert view.problems == ()


def test_no_secret_and_no_path_of_the_sandbox_host_leaks_into_outputs(example: RunFolder) -> None:
    for path in example.path("tasks").glob("*/outputs/*.json"):
        assert str(example.root) not in path.read_text(encoding="utf-8")
