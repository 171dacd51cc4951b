"""Build sdist and wheel, look inside, install the wheel into a clean environment and use it from another folder.

The environment is a new one with the packages of `requirements.lock`, as a user would have; the project itself
comes from the wheel alone. Run by `make wheel`; needs the package index.
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


def run(*command: str, cwd: Path, **extra: str) -> str:
    """Run a command; its output. A failure ends the check."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "BIORESEARCHER_"))} | extra
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
    return done.stdout


def check_contents(wheel: Path, sdist: Path) -> None:
    """The wheel claims one top-level name and holds all data; the sdist holds what building needs."""
    names = zipfile.ZipFile(wheel).namelist()
    top = {n.split("/")[0] for n in names}
    assert top == {"bioresearcher", f"bioresearcher-{wheel.name.split('-')[1]}.dist-info"}, top
    assert not [n for n in names if "__pycache__" in n or "/." in n], "caches or hidden files in the wheel"
    for kind in ("agents", "prompts"):
        wanted = {
            f"bioresearcher/_data/{p.relative_to(ROOT).as_posix()}"
            for p in (ROOT / kind).rglob("*")
            if p.is_file() and "__pycache__" not in p.parts and not any(x.startswith(".") for x in p.parts[-3:])
        }
        assert wanted <= set(names), sorted(wanted - set(names))
    package = {
        p.relative_to(ROOT).as_posix()
        for p in (ROOT / "bioresearcher").rglob("*")
        if p.is_file() and "__pycache__" not in p.parts
    }
    assert package <= set(names), sorted(package - set(names))
    with tarfile.open(sdist) as archive:
        inside = {n.split("/", 1)[1] for n in archive.getnames() if "/" in n}
    for name in ("pyproject.toml", "README.md", "LICENSE", "Makefile", "requirements.lock", "tests/conftest.py"):
        assert name in inside, f"{name} is missing from the sdist"


def main() -> None:
    """Build, check, install, use."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(place / "dist"), str(ROOT), cwd=place)
        (wheel,) = (place / "dist").glob("*.whl")
        (sdist,) = (place / "dist").glob("*.tar.gz")
        check_contents(wheel, sdist)
        venv.create(place / "venv", with_pip=True)
        python = place / "venv" / "bin" / "python"
        pip = (str(python), "-m", "pip", "--disable-pip-version-check", "--quiet", "install", "--no-deps")
        run(*pip, "--require-hashes", "-r", str(ROOT / "requirements.lock"), cwd=place)
        run(*pip, str(wheel), cwd=place)
        site = run(str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=place).strip()
        found = run(str(python), "-c", "import bioresearcher; print(bioresearcher.__file__)", cwd=place)
        assert site in found, f"the wheel is not what is imported: {found}"
        program = str(place / "venv" / "bin" / "bioresearcher")
        print(run(program, "prompts", "check", cwd=place).strip())
        print(run(program, "doctor", "--workspace", str(place / "workspace"), cwd=place).strip())
        record = json.loads(run(program, "run", "--example", "breast-cancer", "--yes", "--json", cwd=place))
        totals = record["totals"]
        if record["sandbox"]:
            assert totals["verified"] == totals["tasks"] > 0, totals["outcomes"]
        assert list(place.glob("workspace/runs/*/report.html"))
        print(f"{wheel.name} ({wheel.stat().st_size / 1e6:.1f} MB) and {sdist.name} are whole; installed, the wheel")
        print(f"carried the example to its report: {totals['verified']} of {totals['tasks']} tasks verified")


if __name__ == "__main__":
    main()
