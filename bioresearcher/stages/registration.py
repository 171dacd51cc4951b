"""Registration of an approved protocol, its amendments, and the comparison of a run folder with what was registered.

A registration proves the order of plan and results, as far as the machine's clock is right; it proves no ignorance of
published results.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime

from pydantic import JsonValue

from bioresearcher.errors import InputError, RunFolderError
from bioresearcher.runfolder import RunFolder, write_bytes
from bioresearcher.schemas.base import Value
from bioresearcher.schemas.dataset import Dataset
from bioresearcher.schemas.execution import Outcome, TaskRecord
from bioresearcher.schemas.facts import Audit, LookRecord
from bioresearcher.schemas.protocol import Protocol
from bioresearcher.schemas.registration import Amendment, Approver, Registration

REGISTRATION = "registration.json"
PROTOCOL = "protocol.json"
FACTS = "facts.json"
LOOKS = "looks.json"
FROZEN = "registered"
"""Folder with the whole plan as it was approved: the protocol as a value, and its text."""
PLAN_TEXT = "protocol.md"


def register(
    folder: RunFolder,
    protocol: Protocol,
    audit: Audit,
    looks: Iterable[LookRecord],
    decided_by: Approver,
    now: datetime,
) -> Registration:
    """Write `registration.json` for an approved protocol; the same protocol again keeps the first registration.

    The prepared data sets are those in the folder `datasets`. `now` is an aware time.

    Raises:
        RunFolderError: Another protocol is registered in this folder; a change of it is an amendment.
    """
    found = read_registration(folder)
    if found is not None:
        if _digest_of(protocol) == found.in_force:
            return found
        raise RunFolderError(
            f"{folder.path(REGISTRATION)}: another protocol was registered on {found.registered}.",
            hint="A change of a registered protocol is an amendment and needs a reason: "
            '`bioresearcher run --feedback "…"`.',
        )
    registration = Registration(
        digest="",
        protocol=_digest_of(protocol),
        facts=_digest_of(audit),
        looks=_digest([_plain(look) for look in looks]),
        datasets=_prepared(folder),
        registered=_time(now),
        approved_by=decided_by,
        revision=protocol.revision,
    )
    registration = registration.model_copy(update={"digest": _whole(registration)})
    folder.write(registration, REGISTRATION)
    folder.write(protocol, FROZEN, PROTOCOL)
    return registration


def freeze_text(folder: RunFolder) -> None:
    """Keep the text of the registered protocol, once: later changes do not touch it."""
    written, kept = folder.path(PLAN_TEXT), folder.path(FROZEN, PLAN_TEXT)
    if written.is_file() and folder.has(FROZEN, PROTOCOL) and not kept.exists():
        write_bytes(kept, written.read_bytes())


def registered_protocol(folder: RunFolder) -> Protocol | None:
    """Return the protocol as it was when it was registered; None when it is not kept, or not the registered one.

    In runs of earlier versions it is the first one that a revision changed, else that of the run.
    """
    found = read_registration(folder)
    if found is None:
        return None
    for parts in ((FROZEN, PROTOCOL), ("revisions", "1", "before.json"), (PROTOCOL,)):
        if folder.has(*parts):
            protocol = folder.read(Protocol, *parts)
            if _digest_of(protocol) == found.protocol:
                return protocol
    return None


def amend(
    folder: RunFolder, protocol: Protocol, reason: str, decided_by: Approver, now: datetime, *, results_seen: bool
) -> Registration | None:
    """Record a change of the registered protocol; None when none is registered, as in runs of earlier versions.

    The same protocol again is no amendment. `results_seen` is `any_results`, asked before tasks are moved away.

    Raises:
        InputError: The reason is empty.
    """
    found = read_registration(folder)
    if found is None:
        return None
    digest = _digest_of(protocol)
    if digest == found.in_force:
        return found
    if not reason.strip():
        raise InputError("an amendment of a registered protocol needs a reason.")
    amendment = Amendment(
        number=len(found.amendments) + 1,
        revision=protocol.revision,
        protocol=digest,
        reason=reason.strip(),
        results_seen=results_seen,
        by=decided_by,
        made=_time(now),
    )
    amended = found.model_copy(update={"amendments": (*found.amendments, amendment)})
    folder.write(amended, REGISTRATION)
    return amended


def read_registration(folder: RunFolder) -> Registration | None:
    """Read the registration of a run; None when there is none.

    Raises:
        RunFolderError: The file is damaged.
    """
    return folder.read(Registration, REGISTRATION) if folder.has(REGISTRATION) else None


def in_words(registration: Registration) -> str:
    """Say when a plan was registered, with its digest, and when it was amended last."""
    said = f"plan registered: {registration.registered}, digest {registration.digest}"
    if not registration.amendments:
        return said
    last = registration.amendments[-1]
    return f"{said}; amended {last.made}, digest of the protocol {last.protocol}"


def any_results(folder: RunFolder) -> bool:
    """Return True if a task was ever run here, those of earlier revisions included; a damaged record counts as run."""
    records = [*folder.root.glob("tasks/*/record.json"), *folder.root.glob("revisions/*/tasks/*/record.json")]
    for path in sorted(records):
        try:
            if folder.read(TaskRecord, *path.relative_to(folder.root).parts).outcome is not Outcome.NOT_RUN:
                return True
        except RunFolderError:
            return True
    return False


def verify(folder: RunFolder) -> list[str]:
    """Say in words how a run folder differs from what was registered; nothing for a run without registration."""
    try:
        found = read_registration(folder)
    except RunFolderError as error:
        return [error.message]
    if found is None:
        return []
    said = [] if found.digest == _whole(found) else [f"{REGISTRATION} was changed: its digest does not fit its entries"]
    last = f"amended on {found.amendments[-1].made}" if found.amendments else f"registered on {found.registered}"
    if folder.has(FROZEN, PROTOCOL):
        said += _compared(folder, f"{FROZEN}/{PROTOCOL}", found.protocol, f"the plan registered on {found.registered}")
    said += _compared(folder, PROTOCOL, found.in_force, f"the protocol {last}", required=True)
    said += _compared(folder, FACTS, found.facts, f"the facts registered on {found.registered}")
    said += _compared(folder, LOOKS, found.looks, f"the looks registered on {found.registered}")
    try:
        present = _prepared(folder)
    except RunFolderError as error:
        return [*said, error.message]
    for name in sorted(found.datasets.keys() | present.keys()):
        if name not in present:
            said.append(f"the prepared data set {name}, which was registered, is missing")
        elif name not in found.datasets:
            said.append(f"the data set {name} was prepared after the registration on {found.registered}")
        elif present[name] != found.datasets[name]:
            said.append(f"the files of {name} are not those registered on {found.registered}")
    return said


def _compared(folder: RunFolder, name: str, digest: str, what: str, *, required: bool = False) -> list[str]:
    """Compare a file's content with a registered digest, whatever its layout and the version that wrote it."""
    path = folder.path(name)
    if not path.is_file():
        return [f"{name} is missing; it was registered with the digest {digest[:12]}"] if required else []
    try:
        present = _digest(json.loads(path.read_bytes()))
    except ValueError as error:
        return [f"{name} is not JSON ({error}); it cannot be compared with {what}"]
    if present == digest:
        return []
    return [f"{name} is not {what}: its digest is {present[:12]}, not {digest[:12]}, and no amendment gives a reason"]


def _prepared(folder: RunFolder) -> dict[str, str]:
    """Compute a digest over the files' sha256 of each prepared data set in the folder."""
    prepared = (d for d in folder.read_all(Dataset, "datasets") if d.prepared_from is not None)
    return {d.id: _digest([[f.name, f.sha256] for f in d.files]) for d in prepared}


def _whole(registration: Registration) -> str:
    return _digest(registration.model_dump(mode="json", include={"protocol", "facts", "looks", "datasets"}))


def _plain(value: Value) -> JsonValue:
    """Return a value as it is written to a file: numbers that JSON does not have are null."""
    plain: JsonValue = json.loads(value.model_dump_json())
    return plain


def _digest_of(value: Value) -> str:
    return _digest(_plain(value))


def _digest(content: object) -> str:
    """Compute the sha256 of canonical JSON, in hex."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _time(now: datetime) -> str:
    return now.astimezone(UTC).isoformat(timespec="seconds")
