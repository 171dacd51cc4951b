"""A desk for conversations at gates: a small cohort, a workspace, and a person who types what is written beforehand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gate_script import Script

from bioresearcher.cli.approvals import answer_approval
from bioresearcher.graph.context import RunContext
from bioresearcher.graph.prepare import RunInputs
from bioresearcher.graph.replay import ReplaySource
from bioresearcher.graph.run import Runner, inputs_of, new_run_folder, read_record, settings_of
from bioresearcher.graph.services import MakeBackend
from bioresearcher.runfolder import RunFolder
from bioresearcher.schemas.base import Objective
from bioresearcher.schemas.run import Decision, RunRecord
from bioresearcher.settings import Settings

QUESTION = Objective(id="o", text="Which genes differ between tumour and normal samples?")


def tables(folder: Path) -> Path:
    """A matrix of 30 genes and 12 samples of two groups."""
    folder.mkdir()
    names = [f"S{n:02d}" for n in range(12)]
    lines = ["gene," + ",".join(names)]
    for gene in range(30):
        values = (f"{7 + ((gene * 7 + n * 13) % 11) / 10 + (gene < 5) * (n % 2):.2f}" for n in range(12))
        lines.append(f"G{gene}," + ",".join(values))
    (folder / "expr.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = [f"{n},{'tumour' if i % 2 else 'normal'}" for i, n in enumerate(names)]
    (folder / "samples.csv").write_text("\n".join(["sample,status", *rows]) + "\n", encoding="utf-8")
    return folder


class Desk:
    """A workspace with a small cohort, and a person who types what is written beforehand; most skip all tasks."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.data = tables(root / "data")
        self.text = ""

    async def run(
        self,
        *lines: str,
        gates: tuple[str, ...] = ("protocol", "tasks"),
        sandbox: str = "none",
        folder: RunFolder | None = None,
        editor: Callable[[str], str] | None = None,
        replay: ReplaySource | None = None,
        make_backend: MakeBackend | None = None,
    ) -> tuple[RunRecord, RunFolder]:
        """Start a run, go on with one, or replay one."""
        script = Script(*lines, editor=editor)

        async def answer(question: dict[str, Any], context: RunContext) -> Decision | None:
            return await answer_approval(question, context, script, None)

        inputs = RunInputs(QUESTION, (), (self.data,))
        settings = Settings.model_validate(
            {
                "workspace": self.root / "ws",
                "only_own": True,
                "backend": "offline",
                "gates": gates,
                "max_parts": 3,
                "sandbox": sandbox,
            }
        )
        if folder is not None:
            settings, inputs = settings_of(read_record(folder)), inputs_of(read_record(folder))
        elif replay is not None:
            settings, inputs = settings_of(replay.record), inputs_of(replay.record)
        folder = folder or new_run_folder(settings.workspace, "o")
        record = await Runner(folder, inputs, settings, answer=answer, replay=replay, make_backend=make_backend).run()
        self.text = " ".join(script.text.split())
        assert not script.lines, f"not asked for: {script.lines}"
        return record, folder


def values(folder: RunFolder, *name: str) -> Any:
    return json.loads(folder.path(*name).read_text("utf-8"))
