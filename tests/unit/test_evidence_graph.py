"""The evidence graph runs both ways, and says what falls without a paper."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_support import build_run

from bioresearcher.cli.app import main
from bioresearcher.papers.evidence_graph import evidence_graph, named_papers, removal_effects
from bioresearcher.schemas.library import EvidenceGraph, StepBasis, StepGround
from bioresearcher.schemas.paper import Paper


def basis(name: str, papers: list[str], uses: list[str]) -> StepBasis:
    grounds = tuple(
        StepGround(paper_id=p, report_step="1.1", section="Methods", start=n, end=n + 9) for n, p in enumerate(papers)
    )
    return StepBasis(step_id=name, title=f"Step {name}", grounds=grounds, uses=tuple(uses), tasks=(f"T{name}",))


GRAPH = EvidenceGraph(
    steps=(
        basis("1.1", ["A"], []),
        basis("1.2", ["A", "B"], ["1.1"]),
        basis("2.1", ["B"], ["1.2"]),
        basis("2.2", [], []),
        basis("2.3", ["B", "C"], []),
    ),
    papers=(),
)


def test_a_step_falls_when_no_ground_is_left_and_others_follow() -> None:
    result = removal_effects(GRAPH, {"A"})
    assert [(s.step_id, s.effect) for s in result.steps] == [("1.1", "falls"), ("1.2", "follows"), ("2.1", "follows")]
    assert result.steps[1].through == ("1.1",)
    assert (result.steps[1].lost, result.steps[1].left) == (("A",), ("B",))
    assert result.tasks == ("T1.1", "T1.2", "T2.1")
    assert [(s.step_id, s.effect) for s in removal_effects(GRAPH, {"C"}).steps] == [("2.3", "weakened")]
    assert removal_effects(GRAPH, set()).steps == ()


@st.composite
def graphs(draw: st.DrawFn) -> EvidenceGraph:
    steps = []
    for number in range(draw(st.integers(0, 8))):
        papers = draw(st.lists(st.sampled_from("ABCD"), max_size=3))
        uses = draw(st.lists(st.integers(0, 9).map(str), max_size=2))
        steps.append(basis(str(number), papers, uses))
    return EvidenceGraph(steps=tuple(steps), papers=())


@given(graphs(), st.sets(st.sampled_from("ABCD")), st.sets(st.sampled_from("ABCD")))
def test_taking_more_papers_away_never_saves_a_step(graph: EvidenceGraph, few: set[str], more: set[str]) -> None:
    down = {s.step_id for s in removal_effects(graph, few).steps if s.effect != "weakened"}
    further = {s.step_id for s in removal_effects(graph, few | more).steps if s.effect != "weakened"}
    assert down <= further
    everything = removal_effects(graph, set("ABCD"))
    assert {s.step_id for s in graph.steps if s.grounds} <= {s.step_id for s in everything.steps}
    for step in everything.steps:
        assert step.left == ()


@pytest.mark.parametrize("name", ["PMID7", "7", "pmid 7", "PMC12", "10.1000/ABC", "https://doi.org/10.1000/abc"])
def test_a_paper_is_named_in_many_ways(name: str) -> None:
    papers = [Paper(id="PMID7", title="t", pmid="7", pmcid="PMC12", doi="10.1000/abc", source="own")]
    papers.append(Paper(id="PMID8", title="u", pmid="8", pmcid="PMC7", source="own"))
    assert [p.id for p in named_papers(papers, name)] == ["PMID7"]
    assert named_papers(papers, "nothing") == ()


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("workspace")
    build_run(place / "runs" / "one")
    (place / "runs" / "broken").mkdir()
    return place


def test_both_directions_are_written_beside_the_report(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = workspace / "runs" / "one"
    assert main(["report", str(run)]) == 0
    capsys.readouterr()
    graph = EvidenceGraph.model_validate_json((run / "evidence.json").read_bytes())
    used = {g.paper_id for s in graph.steps for g in s.grounds}
    assert used == {p.paper_id for p in graph.papers if p.protocol_steps}
    assert used
    for paper in graph.papers:
        over = [s.step_id for s in graph.steps if any(g.paper_id == paper.paper_id for g in s.grounds)]
        assert list(paper.protocol_steps) == over


def test_report_without_a_paper_lists_what_falls(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = str(workspace / "runs" / "one")
    assert main(["report", run, "--without", "10963602", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert said["papers"] == ["PMID10963602"]
    fallen = [s["step_id"] for s in said["steps"] if s["effect"] != "weakened"]
    assert main(["report", run, "--without", "PMID10963602"]) == 1
    text = capsys.readouterr().out
    assert all(f"  {step}  " in text for step in fallen)
    assert main(["report", run, "--without", "31415926"]) == 2
    assert "has no paper '31415926'" in capsys.readouterr().err


def test_library_show_lists_every_run(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["library", "show", "10963602", "--workspace", str(workspace), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    (row,) = shown["uses"]
    assert (row["run"], row["use"]["paper_id"], shown["entry"]) == ("one", "PMID10963602", None)
    assert row["use"]["protocol_steps"]
    assert main(["library", "show", "PMID10963602", "--workspace", str(workspace)]) == 0
    assert "protocol steps that stand on it: " in capsys.readouterr().out
    assert main(["library", "show", "PMID999", "--workspace", str(workspace)]) == 2


def test_a_run_without_a_protocol_has_papers_and_no_steps() -> None:
    graph = evidence_graph([Paper(id="P", title="t", source="own")], [], None, [])
    assert (graph.steps, graph.papers[0].protocol_steps, graph.papers[0].report_steps) == ((), (), ())
