"""Check exported crates with an independent validator, in an environment of its own, without network.

The validator (`requirements-crate.lock`) cannot live with the product: they need different versions of one package.
It asks for two JSON-LD contexts; its cache is filled with those of `tests/fixtures/crate_contexts`, which hold the
terms that our crates use, as the public contexts of RO-Crate 1.1 and of the Workflow Run terms define them. Run by
`.ci/run`; needs the package index once. Without it the check is left out, with the reason, unless REQUIRE_CRATE is set.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CONTEXTS = ROOT / "tests" / "fixtures" / "crate_contexts"
ADDRESSES = {
    "https://w3id.org/ro/crate/1.1/context": "ro-crate-1.1.json",
    "https://w3id.org/ro/terms/workflow-run/context": "workflow-run.json",
}
PROFILE = "provenance-run-crate-0.5"
"""It includes Workflow Run 0.5, Process Run 0.5, Workflow RO-Crate 1.0 and RO-Crate 1.1."""
FILL = """
import io, json, sys
import requests, requests_cache
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse

class Kept(HTTPAdapter):
    def send(self, request, **ignored):
        body = open(files[request.url], "rb").read()
        headers = {"Content-Type": "application/ld+json", "Content-Length": str(len(body))}
        raw = HTTPResponse(io.BytesIO(body), headers, 200, preload_content=False, request_url=request.url)
        return self.build_response(request, raw)

files = json.loads(sys.argv[2])
session = requests_cache.CachedSession(sys.argv[1], backend="sqlite", expire_after=-1, allowable_methods=("GET",))
session.mount("https://", Kept())
for address in files:
    session.get(address).raise_for_status()
"""
"""Fills the validator's cache, in its environment."""


def run(*command: str, cwd: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a command without this environment's Python."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "BIORESEARCHER_"))} | extra
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


def make_environment(place: Path) -> str:
    """Make the validator's environment; the reason when the package index cannot be reached."""
    venv.create(place, with_pip=True)
    lock = str(ROOT / "requirements-crate.lock")
    flags = ("--quiet", "--disable-pip-version-check", "--require-hashes", "--no-deps")
    done = run(str(place / "bin" / "python"), "-m", "pip", "install", *flags, "-r", lock, cwd=place)
    return "" if done.returncode == 0 else done.stderr.strip().splitlines()[-1]


def check_terms(crate: Path) -> None:
    """Every term of a crate is in the contexts: one that is not would be dropped without a word."""
    known = {t for name in ADDRESSES.values() for t in json.loads((CONTEXTS / name).read_text())["@context"]}
    metadata = json.loads(zipfile.ZipFile(crate).read("ro-crate-metadata.json"))
    known |= {t for c in metadata["@context"] if isinstance(c, dict) for t in c}
    used = {key for entity in metadata["@graph"] for key in entity if not key.startswith("@")}
    kinds = [entity["@type"] for entity in metadata["@graph"]]
    used |= {k for kind in kinds for k in ([kind] if isinstance(kind, str) else kind)}
    assert used <= known, f"terms without a definition: {sorted(used - known)}"


def profile_of(crate: Path) -> str:
    """The profile a crate is checked against: a run without tasks has no workflow, and claims none."""
    claimed = zipfile.ZipFile(crate).read("ro-crate-metadata.json").decode()
    return PROFILE if "wfrun/provenance/0.5" in claimed else "process-run-crate-0.5"


def findings(environment: Path, crate: Path, cache: Path) -> list[str]:
    """What the validator finds."""
    report = crate.with_suffix(".txt")
    done = run(
        *(str(environment / "bin" / "rocrate-validator"), "--no-interactive", "validate", str(crate)),
        *("-p", profile_of(crate), "-l", "REQUIRED", "--offline", "--cache-path", str(cache)),
        *("--verbose", "--no-paging", "-o", str(report)),
        cwd=crate.parent,
        COLUMNS="200",
        https_proxy="http://127.0.0.1:9",
        http_proxy="http://127.0.0.1:9",
    )
    if done.returncode == 0:
        return []
    text = report.read_text(encoding="utf-8") if report.is_file() else ""
    return [line.rstrip() for line in (text or done.stdout + done.stderr).splitlines() if line.strip()][:60]


def crates(place: Path) -> list[Path]:
    """Export a run of the last version, and the example where it was run."""
    with tarfile.open(ROOT / "tests" / "fixtures" / "last_version" / "lab.tar.xz") as archive:
        archive.extractall(place / "lab", filter="data")
    runs = [*sorted((place / "lab" / "workspace" / "runs").iterdir())]
    runs += sorted((ROOT / "workspace" / "runs").glob("*-breast-cancer"))[-1:]
    made = []
    for folder in runs:
        crate = place / f"{folder.name}.zip"
        program = [sys.executable, "-m", "bioresearcher", "export", str(folder), "--crate", str(crate)]
        done = subprocess.run(program, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        check_terms(crate)
        made.append(crate)
    return made


def main() -> None:
    """Make crates, make the environment, validate."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        made = crates(place)
        environment = Path(os.environ.get("CRATE_ENVIRONMENT") or place / "validator")
        if not (environment / "bin" / "rocrate-validator").is_file() and (why := make_environment(environment)):
            if os.environ.get("REQUIRE_CRATE"):
                sys.exit(f"the validator cannot be installed: {why}")
            print(f"skipped: the validator cannot be installed ({why})")
            return
        cache = place / "cache.sqlite"
        files = json.dumps({address: str(CONTEXTS / name) for address, name in ADDRESSES.items()})
        filled = run(str(environment / "bin" / "python"), "-c", FILL, str(cache.with_suffix("")), files, cwd=place)
        assert filled.returncode == 0, filled.stderr
        wrong = 0
        for crate in made:
            said = findings(environment, crate, cache.with_suffix(""))
            print(f"{crate.name} against {profile_of(crate)}: {'passes' if not said else ''}", *said, sep="\n  ")
            wrong += len(said)
        if wrong:
            sys.exit(f"{wrong} findings")


if __name__ == "__main__":
    main()
