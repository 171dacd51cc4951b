"""What a protocol states about its data is recomputed from a run folder, and a number that nothing shows is listed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from bioresearcher.examples import load_example
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.facts import Audit, LookRecord
from bioresearcher.schemas.protocol import Protocol

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
import bench_design
import recompute

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


async def test_a_made_up_number_is_found_in_a_run_whose_facts_and_looks_come_out_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = load_example("breast-cancer").papers[0] / "perou-2000.md"
    _, protocol = await bench_design._design(tmp_path, [notes])
    (run,) = (tmp_path / "runs").iterdir()
    folder = RunFolder(run)
    first = protocol.steps[0]
    false = first.model_copy(update={"action": f"{first.action} After this 4,321 patients remain."})
    part = protocol.parts[0].model_copy(update={"steps": (false, *protocol.parts[0].steps[1:])})
    folder.write(protocol.model_copy(update={"parts": (part, *protocol.parts[1:])}), "protocol.json")
    found = await recompute.recompute(run, None)
    facts = {f.id for f in folder.read(Audit, "facts.json").facts}
    looks = {k.id for k in folder.read_list(LookRecord, "looks.json") if k.id and not k.refused}
    assert facts
    assert facts <= set(found.same)
    assert found.other == ()
    assert set(found.not_run) == looks
    assert [s.location for s in found.nowhere if "4,321" in s.numbers] == [f"step {first.id}"]
    assert not found.passed
    folder.write(Protocol.model_validate_json(protocol.model_dump_json()), "protocol.json")
    again = await recompute.recompute(run, None)
    assert not [s for s in again.nowhere if "4,321" in s.numbers]
    assert recompute.main([str(tmp_path)]) == 2
    assert "no run folder" in capsys.readouterr().err
