"""A protocol in the forms of other programs: JSON-LD after Bioschemas, and JSON for protocols.io.

protocols.io takes them by its API, version 4: the texts beside the steps as fields of a protocol (`PUT
/v4/protocols/<id>`), and steps as a list linked by `previous_guid` (`POST /v4/protocols/<id>/steps`), all as plain text
with line breaks. Names, forms and the texts of fields are those that a public client of the API sends
(github.com/hqn21/protocols-io-mcp-server); it was not sent to protocols.io.
"""

from __future__ import annotations

import json
import uuid

from bioresearcher.export.content import RunContent
from bioresearcher.schemas.protocol import Protocol, ProtocolStep

PROFILE = "https://bioschemas.org/profiles/LabProtocol/0.8-DRAFT"


def protocol_jsonld(content: RunContent, protocol: Protocol) -> str:
    """Write the protocol as a Bioschemas LabProtocol: parts are sections, each with its steps."""
    words = content.words
    sections = []
    for n, part in enumerate(protocol.parts, 1):
        steps = [
            {
                "@type": "HowToStep",
                "@id": f"#step-{words(step.id, 40)}",
                "position": m,
                "name": words(step.title, 300),
                "text": step_text(content, step),
            }
            for m, step in enumerate(part.steps, 1)
        ]
        sections.append(
            {
                "@type": "HowToSection",
                "@id": f"#part-{words(part.id, 40)}",
                "position": n,
                "name": words(part.title, 300),
                "description": words(part.purpose),
                "itemListElement": steps,
            }
        )
    software = sorted({words(s, 100) for step in protocol.steps for s in step.software})
    data = {
        "@context": ["https://schema.org", {"LabProtocol": "https://bioschemas.org/types/LabProtocol"}],
        "@type": "LabProtocol",
        "@id": "#protocol",
        "http://purl.org/dc/terms/conformsTo": {"@type": "CreativeWork", "@id": PROFILE},
        "name": content.title,
        "headline": content.title[:110],
        "description": words(protocol.summary or content.run.objective.text),
        "intendedUse": words(content.run.objective.text),
        "dateCreated": content.deviations.registered or content.date,
        "identifier": content.deviations.digest or content.run.run_id,
        "keywords": ", ".join(dict.fromkeys(s.skill for s in protocol.steps if s.skill)),
        "labEquipment": [],
        "softwareRequirements": software,
        "step": sections,
    }
    return json.dumps({k: v for k, v in data.items() if v not in ("", [])}, indent=2, ensure_ascii=False) + "\n"


def protocols_io(content: RunContent, protocol: Protocol) -> str:
    """Write the protocol for protocols.io: fields of the protocol, and `steps` as its API takes them."""
    words = content.words
    place = uuid.uuid5(uuid.NAMESPACE_URL, f"bioresearcher:{content.run.run_id}")
    before: str | None = None
    steps = []
    for part in protocol.parts:
        for step in part.steps:
            guid = uuid.uuid5(place, step.id).hex
            steps.append(
                {
                    "guid": guid,
                    "previous_guid": before,
                    "section": words(part.title, 300),
                    "step": f"{words(step.title, 300)}\n{step_text(content, step)}",
                    "is_substep": False,
                }
            )
            before = guid
    materials = [
        f"{words(d.id, 60)}: {words(d.title, 200)} ({words(d.source, 300)})"
        for d in content.recorded.datasets.values()
        if d.prepared_from is None and d.analysis_of is None
    ]
    data = {
        "title": content.title,
        "description": words(protocol.summary or content.run.objective.text),
        "before_start": "\n".join(words(line, 500) for line in protocol.answer_rule),
        "materials_text": "\n".join(materials),
        "guidelines": "\n".join(words(line, 500) for line in protocol.limitations),
        "steps": steps,
    }
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def step_text(content: RunContent, step: ProtocolStep) -> str:
    """Write what to do in a step: the action, its parameters, and how to tell that it succeeded."""
    words = content.words
    text = [words(step.action)]
    if step.parameters:
        given = "; ".join(
            words(f"{p.name} = {p.value}{f' {p.unit}' if getattr(p, 'unit', None) else ''}", 200)
            for p in step.parameters
        )
        text.append(f"Parameters: {given}.")
    if step.acceptance:
        text.append(f"Done when: {words(step.acceptance)}")
    return " ".join(t for t in text if t)
