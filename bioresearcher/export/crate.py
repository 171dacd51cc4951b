"""RO-Crate of a run: version 1.1 with the profiles Process, Workflow and Provenance Run 0.5, as a zip file.

The crate's root is laid out as a run folder, so that `reproduce` works on what is unpacked. Beside the profiles' own
relations, PROV's lead from data through analysis set, code and environment to output, finding and sentence.
"""

from __future__ import annotations

import io
import json
import mimetypes
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from bioresearcher.export.content import RunContent
from bioresearcher.export.parcel import Packed, Parcel, place_of
from bioresearcher.schemas.dataset import DataFile, Dataset
from bioresearcher.schemas.execution import DryLabTask, Outcome, TaskRecord
from bioresearcher.stages.answers import flow_text
from bioresearcher.stages.deviations import deviation_lines

if TYPE_CHECKING:
    from rocrate.model.entity import Entity
    from rocrate.rocrate import ROCrate

METADATA: Final = "ro-crate-metadata.json"
_PROFILES: Final = (
    ("https://w3id.org/ro/wfrun/process/0.5", "Process Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/workflow/0.5", "Workflow Run Crate", "0.5"),
    ("https://w3id.org/ro/wfrun/provenance/0.5", "Provenance Run Crate", "0.5"),
    ("https://w3id.org/workflowhub/workflow-ro-crate/1.0", "Workflow RO-Crate", "1.0"),
)
_TERMS: Final = "https://w3id.org/ro/terms/workflow-run/context"
_PROV: Final = {
    "used": "http://www.w3.org/ns/prov#used",
    "wasGeneratedBy": "http://www.w3.org/ns/prov#wasGeneratedBy",
    "wasAssociatedWith": "http://www.w3.org/ns/prov#wasAssociatedWith",
}
"""Terms of PROV that the context of RO-Crate 1.1 does not have; it has `wasDerivedFrom`."""
_WORKFLOW: Final = "tasks.json"
_EARLIEST: Final = (1980, 1, 1, 0, 0, 0)
Ref = dict[str, str]


def _ref(entity_id: str) -> Ref:
    return {"@id": entity_id}


def crate_zip(content: RunContent, parcel: Parcel, licence: str = "") -> bytes:
    """Return the crate as the bytes of a zip file; the same run gives the same bytes."""
    metadata = crate_metadata(content, parcel, licence)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        text = json.dumps(metadata, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
        _put(archive, METADATA, text.encode("utf-8", "replace"))
        for file in parcel.files:
            _put(archive, file.path, file.read())
    return out.getvalue()


def _put(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    info = zipfile.ZipInfo(name, _EARLIEST)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    archive.writestr(info, data)


def crate_metadata(content: RunContent, parcel: Parcel, licence: str = "") -> dict[str, Any]:
    """Return the crate's JSON-LD."""
    return _Writer(content, parcel).write(licence)


class _Writer:
    """Writer of one crate's entities."""

    def __init__(self, content: RunContent, parcel: Parcel) -> None:
        from rocrate.rocrate import ROCrate

        self.content = content
        self.parcel = parcel
        self.words = content.words
        self.files = {f.path: f for f in parcel.files}
        self.crate: ROCrate = ROCrate(version="1.1")
        self.actions: list[str] = []
        self.run_id = "#run"
        self.workflow = _WORKFLOW in self.files and bool(content.recorded.tasks)  # else only a process was run

    def add(self, entity_id: str, kind: str | list[str], **properties: object) -> Ref:
        """Add a contextual entity; empty properties are left out."""
        from rocrate.model import ContextEntity

        given = {k: v for k, v in properties.items() if v not in ("", [], None)}
        self.crate.add(ContextEntity(self.crate, entity_id, {"@type": kind, **given}))
        return _ref(entity_id)

    def write(self, licence: str) -> dict[str, Any]:
        """Write all entities and return the metadata."""
        root = self.crate.root_dataset
        content, run = self.content, self.content.run
        self.crate.metadata.extra_contexts.append(_TERMS)
        self.crate.metadata.extra_terms.update(_PROV)
        profiles = [
            self.add(i, "CreativeWork", name=n, version=v) for i, n, v in _PROFILES[: None if self.workflow else 1]
        ]
        said = content.answers.headline or "No question was asked of data"
        root["name"] = content.title
        root["description"] = f"{self.words(run.objective.text)} {said}. {self._left()}".strip()
        root["datePublished"] = content.date
        root["license"] = self._licence(licence)
        root["conformsTo"] = profiles
        root["identifier"] = run.run_id
        for file in parcel_files(self.parcel):
            self._file(file)
        self._data()
        self._programs()
        self._sets()
        self._tasks()
        self._run()
        self._answers()
        self._record()
        root["mentions"] = [_ref(a) for a in self.actions]
        found: dict[str, Any] = self.crate.metadata.generate()
        return found

    def _left(self) -> str:
        kept = self.parcel.kept_data
        if not kept:
            return "All data that the tasks read are in the crate."
        return f"Data that are not passed on, named by digest: {', '.join(self.words(k, 80) for k in kept)}."

    def _licence(self, licence: str) -> Ref | str:
        if licence.startswith(("https://", "http://")):
            return self.add(licence, "CreativeWork", name=self.words(licence, 200))
        said = "The data in it keep their own licences, which stand with each file."
        name = self.words(licence, 200) or "No licence was chosen for this analysis"
        return self.add("#licence", "CreativeWork", name=name, description=said)

    # -- files and data -------------------------------------------------------------------------------

    def _file(self, file: Packed) -> None:
        kind: list[str] | str = "File"
        more: dict[str, Any] = {}
        if file.path == _WORKFLOW and self.workflow:
            return
        if file.path.endswith((".py", ".R")):
            kind = ["File", "SoftwareSourceCode"]
            more["programmingLanguage"] = _ref("#r" if file.path.endswith(".R") else "#python")
        guess = mimetypes.guess_type(file.path)[0]
        self._data_entity(
            file, kind, name=PurePosixPath(file.path).name, encodingFormat=guess or "application/octet-stream", **more
        )

    def _data_entity(self, file: Packed, kind: str | list[str], **more: object) -> None:
        from rocrate.model import File

        properties = {"@type": kind, "contentSize": str(file.size), "sha256": file.sha256, **more}
        self.crate.add(File(self.crate, dest_path=file.path, source=io.BytesIO(b""), properties=properties))

    def _data(self) -> None:
        """Add the data sets; a file that stays is an entity with its digest and without a file."""
        held = {w.path: w for w in self.parcel.withheld if w.dataset}
        for dataset in self.content.recorded.datasets.values():
            terms = self._terms(dataset)
            for file in dataset.files:
                stays = held.get(f"{dataset.id}/{file.path}")
                ref = self._data_id(dataset, file.name)
                if ref is not None and stays is not None and self.crate.get(ref) is None:
                    said = f"Not in this crate: {self.words(stays.reason, 300)}"
                    self.add(ref, "CreativeWork", sha256=file.sha256, conditionsOfAccess=said)
                entity = self.crate.get(ref) if ref is not None else None
                if entity is not None:
                    self._describe(entity, dataset, file, terms)
        for w in self.parcel.withheld:
            if not w.dataset:
                said = f"Not in this crate: {self.words(w.reason, 300)}"
                name = self.words(w.path, 300)
                self.add(f"#withheld-{w.path}", "CreativeWork", name=name, sha256=w.sha256, conditionsOfAccess=said)

    def _terms(self, dataset: Dataset) -> Ref | None:
        """Add the licence of a data set as its field states it."""
        if not dataset.licence:
            return None
        terms_id = self.parcel.licences[dataset.id].url or f"#licence-{dataset.id}"
        if self.crate.get(terms_id) is None:
            self.add(terms_id, "CreativeWork", name=self.words(dataset.licence, 500))
        return _ref(terms_id)

    def _describe(self, entity: Entity, dataset: Dataset, file: DataFile, terms: Ref | None) -> None:
        """Describe a data file: name, source, licence, and the file that it was prepared from."""
        entity["name"] = self.words(f"{dataset.id}: {file.path}", 200)
        entity["description"] = self.words(f"{dataset.title}. {dataset.source}", 600)
        if terms is not None:
            entity["license"] = terms
        if dataset.citation:
            entity["citation"] = self.words(dataset.citation, 500)
        source = self.content.recorded.datasets.get(dataset.prepared_from or dataset.analysis_of or "")
        above = self._data_id(source, file.name) if source is not None else None
        if above is not None and above != entity.id:
            entity["wasDerivedFrom"] = [_ref(above)]

    def _data_id(self, dataset: Dataset, name: str) -> str | None:
        """Return the id of a data set's file: its path in the crate, or its digest; None for files no task reads."""
        file = next((f for f in dataset.files if f.name == name), None)
        if file is None:
            return None
        if place_of(file) in self.files:
            return place_of(file)
        held = any(w.path == f"{dataset.id}/{file.path}" for w in self.parcel.withheld)
        return f"#data-{file.sha256}" if held else None

    def _programs(self) -> None:
        run = self.content.run
        self.add("#python", "ComputerLanguage", name="Python", version=run.versions.get("python", ""))
        if any(f.path.endswith(".R") for f in self.parcel.files):
            self.add("#r", "ComputerLanguage", name="R")
        self.add("#task-list", "ComputerLanguage", name="BioResearcher task list")
        packages = [
            self.add(f"#package-{name}", "SoftwareApplication", name=name, softwareVersion=version)
            for name, version in sorted(run.versions.items())
            if name not in ("bioresearcher", "python", "source")
        ]
        version = run.versions.get("bioresearcher", "unknown")
        self.add(
            "#engine",
            "SoftwareApplication",
            name="BioResearcher",
            softwareVersion=version,
            description=self.words(f"Answers by: {run.backend}. Sandbox: {run.sandbox or 'none'}.", 200),
        )
        self.add(
            "#environment",
            "SoftwareApplication",
            name="Environment of the tasks",
            softwareVersion=f"Python {run.versions.get('python', 'unknown')}",
            softwareRequirements=packages,
        )

    def _sets(self) -> None:
        for found in self.content.sets.sets:
            dataset = self.content.recorded.datasets.get(found.population)
            files = [self._data_id(dataset, f.name) for f in dataset.files] if dataset else []
            self.add(
                f"#set-{found.id}",
                "CreativeWork",
                name=f"Analysis set {found.id}",
                description=self.words(found.problem or flow_text(found)),
                identifier=found.samples_digest,
                wasDerivedFrom=[_ref(f) for f in files if f is not None],
            )

    # -- what was done --------------------------------------------------------------------------------

    def _tasks(self) -> None:
        parts, steps = [], []
        for n, task in enumerate(self.content.recorded.tasks.values(), 1):
            record = self.content.recorded.records.get(task.id)
            tool = f"tasks/{task.id}/{task.code_file}"
            if tool not in self.files:
                tool = f"#tool-{task.id}"
                self.add(
                    tool, "SoftwareApplication", name=self.words(task.title, 200), softwareVersion="not in the crate"
                )
            step = self.add(
                f"{_WORKFLOW}#{task.id}",
                "HowToStep",
                name=self.words(task.title, 200),
                position=str(n),
                workExample=_ref(tool),
            )
            if _ref(tool) not in parts:
                parts.append(_ref(tool))
            steps.append(step)
            if record is not None and record.attempts:
                self._task_action(task, record, tool, step)
        if self.workflow:
            self._workflow(parts, steps)

    def _workflow(self, parts: list[Ref], steps: list[Ref]) -> None:
        inputs, outputs = [], []
        for dataset in self.content.recorded.datasets.values():
            for file in dataset.files:
                ref = self._data_id(dataset, file.name)
                if ref is not None and ref in self.files:
                    name = f"{dataset.id}-{file.name}"
                    inputs.append(self._parameter(f"#in-{name}", name, ref))
        if "answer.json" in self.files:
            outputs.append(self._parameter("#out-answer", "answer", "answer.json"))
        self._data_entity(
            self.files[_WORKFLOW],
            ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
            name=f"Tasks of {self.content.title}",
            description="Tasks in the order of their needs, with inputs, outputs and parameters; "
            "`bioresearcher reproduce` executes them again.",
            programmingLanguage=_ref("#task-list"),
            encodingFormat="application/json",
            hasPart=parts,
            step=steps,
            input=inputs,
            output=outputs,
        )
        self.crate.root_dataset["mainEntity"] = _ref(_WORKFLOW)

    def _parameter(self, entity_id: str, name: str, value: str) -> Ref:
        entity = self.crate.get(value)
        if entity is not None:
            entity["exampleOfWork"] = _ref(entity_id)
        return self.add(
            entity_id,
            "FormalParameter",
            name=self.words(name, 100),
            additionalType="File",
            workExample=_ref(value),
            conformsTo=_ref("https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"),
        )

    def _task_action(self, task: DryLabTask, record: TaskRecord, tool: str, step: Ref) -> None:
        used = self._used(task)
        made = [f"tasks/{task.id}/{a.path}" for a in record.artifacts]
        made = [m for m in made if m in self.files]
        failed = record.outcome is not Outcome.VERIFIED
        sets = [_ref(f"#set-{s.id}") for s in self.content.sets.sets if s.question in task.questions]
        action = self.add(
            f"#task-{task.id}",
            "CreateAction",
            name=f"{task.id}: {self.words(task.title, 200)}",
            description=self.words(task.goal),
            instrument=_ref(tool),
            object=[*map(_ref, used), *sets],
            result=[_ref(m) for m in made],
            agent=_ref("#engine"),
            actionStatus="http://schema.org/FailedActionStatus"
            if failed
            else "http://schema.org/CompletedActionStatus",
            error=self.words(f"{record.outcome}: {record.message}", 500) if failed else "",
            used=[*map(_ref, used), *sets, _ref(tool), _ref("#environment")],
            wasAssociatedWith=_ref("#engine"),
        )
        for path in made:
            entity = self.crate.get(path)
            if entity is not None:
                entity["wasGeneratedBy"], entity["wasDerivedFrom"] = action, [*map(_ref, used), *sets]
        self.actions += [f"#task-{task.id}", f"#control-{task.id}"]
        self.add(f"#control-{task.id}", "ControlAction", name=f"run {task.id}", instrument=step, object=action)

    def _used(self, task: DryLabTask) -> list[str]:
        found: list[str] = []
        for given in task.inputs:
            if given.task is not None:
                record = self.content.recorded.records.get(given.task)
                artifact = next((a for a in record.artifacts if a.name == given.output), None) if record else None
                path = f"tasks/{given.task}/{artifact.path}" if artifact else ""
                found += [path] if path in self.files else [f"#withheld-{path}"] * bool(self._withheld(path))
            elif dataset := self.content.recorded.datasets.get(given.dataset or ""):
                ref = self._data_id(dataset, given.file or "")
                found += [ref] if ref is not None else []
        return list(dict.fromkeys(found))

    def _withheld(self, path: str) -> bool:
        return any(w.path == path for w in self.parcel.withheld)

    def _run(self) -> None:
        run = self.content.run
        controls = [_ref(a) for a in self.actions if a.startswith("#control-")]
        inputs = [
            r for d in self.content.recorded.datasets.values() for f in d.files if (r := self._data_id(d, f.name))
        ]
        results = [n for n in ("answer.json", "report.md", "report.html", "protocol.json") if n in self.files]
        workflow = _WORKFLOW if self.workflow else "#engine"
        ended = {"done": "Completed", "failed": "Failed"}.get(run.status, "Active")
        self.add(
            self.run_id,
            "CreateAction",
            name=f"Run {run.run_id}",
            description=self.words(run.objective.text),
            instrument=_ref(workflow),
            object=[_ref(i) for i in dict.fromkeys(inputs)],
            result=[_ref(r) for r in results],
            agent=_ref("#engine"),
            startTime=run.started,
            endTime=run.finished or "",
            actionStatus=f"http://schema.org/{ended}ActionStatus",
            wasAssociatedWith=_ref("#engine"),
        )
        self.actions.append(self.run_id)
        if workflow == _WORKFLOW and controls:
            self.add(
                "#organize",
                "OrganizeAction",
                name=f"BioResearcher carries out {run.run_id}",
                instrument=_ref("#engine"),
                object=controls,
                result=_ref(self.run_id),
                agent=_ref("#engine"),
            )
            self.actions.append("#organize")

    # -- what was found -------------------------------------------------------------------------------

    def _answers(self) -> None:
        for task, record in self.content.recorded.records.items():
            place = next((f"tasks/{task}/{a.path}" for a in record.artifacts if a.kind == "findings"), "")
            for n, finding in enumerate(record.findings, 1):
                self.add(
                    f"#{task}.{n}",
                    "CreativeWork",
                    name=f"Finding {task}.{n}",
                    text=self.words(finding.statement),
                    wasDerivedFrom=[_ref(place)] if place in self.files else [],
                    wasGeneratedBy=_ref(f"#task-{task}") if record.attempts else None,
                )
        for question in self.content.answers.questions:
            sentences = [
                self.add(
                    f"#{question.id}-{n}",
                    "CreativeWork",
                    name=f"Sentence {n} of the answer to {question.id}",
                    text=text,
                    wasDerivedFrom=[_ref(f"#{m}") for m in findings if self.crate.get(f"#{m}") is not None],
                    wasGeneratedBy=_ref(self.run_id),
                )
                for n, (text, findings) in enumerate(self.content.lines_of(question), 1)
            ]
            self.add(
                f"#{question.id}",
                "Question",
                name=self.words(question.text, 500),
                creativeWorkStatus=question.state,
                description=self.words(question.why, 500),
                suggestedAnswer=sentences,
            )

    def _record(self) -> None:
        """Add the registered plan, with what was done otherwise."""
        if not self.content.deviations.registered:
            return
        plan = next((p for p in ("registered/protocol.json", "protocol.json") if p in self.files), "")
        self.add(
            "#registration",
            "CreativeWork",
            name="Registered plan",
            dateCreated=self.content.deviations.registered,
            identifier=self.content.deviations.digest,
            text=self.words(" ".join(deviation_lines(self.content.deviations)), 5_000),
            wasDerivedFrom=[_ref(plan)] if plan else [],
        )


def parcel_files(parcel: Parcel) -> Iterator[Packed]:
    """Yield the files of a parcel; the list of tasks comes last, because it names others."""
    yield from sorted(parcel.files, key=lambda f: (f.path == _WORKFLOW, f.path))


def parcel_lines(content: RunContent, parcel: Parcel) -> list[str]:
    """Say on the terminal what stays, and why; and what is in the crate of the data."""
    lines = []
    grouped: dict[str, list[str]] = {}
    for w in parcel.withheld:
        grouped.setdefault(w.reason, []).append(w.path)
    for reason, paths in grouped.items():
        shown = ", ".join(content.words(p, 80) for p in paths[:4])
        more = f" and {len(paths) - 4} more" if len(paths) > 4 else ""
        lines.append(f"left out, named by digest: {shown}{more} ({content.words(reason, 200)})")
    return lines
