"""A cluster's file: the job script it gives on each batch system, and what is wrong in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from distributed.core import Status

from bioresearcher.batch.dask_cluster import Tls, check_here, need, read_cluster, start_cluster
from bioresearcher.cli.app import main
from bioresearcher.errors import InputError, OutsideError

FILE = """
system = "SYSTEM"
jobs = 3
cores = 8
memory = "16GB"
walltime = "12:30:00"
objectives = 2
queue = "long"
account = "p123"
interface = "lo"
python = "/opt/venv/bin/python"
directives = ["-M mail"]
prologue = ["module load bubblewrap"]
"""
EXPECTED = {
    "slurm": ("#SBATCH -p long", "#SBATCH -A p123", "#SBATCH --cpus-per-task=8", "#SBATCH --mem=15G",
              "#SBATCH -t 12:30:00", "#SBATCH -M mail"),
    "pbs": ("#PBS -q long", "#PBS -A p123", "#PBS -l select=1:ncpus=8:mem=15GB", "#PBS -l walltime=12:30:00",
            "#PBS -M mail"),
    "lsf": ("#BSUB -q long", '#BSUB -P "p123"', "#BSUB -n 8", "#BSUB -M 16000000", "#BSUB -W 12:30\n", "#BSUB -M mail"),
    "sge": ("#$ -q long", "#$ -P p123", "#$ -l h_rt=12:30:00", "#$ -M mail"),
}  # fmt: skip


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "cluster.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("system", sorted(EXPECTED))
async def test_the_file_gives_the_job_script_of_the_system(tmp_path: Path, system: str) -> None:
    cluster = read_cluster(written(tmp_path, FILE.replace("SYSTEM", system)))
    made = start_cluster(cluster)
    script = made.job_script()
    made.status = Status.closed  # it was never started
    for line in EXPECTED[system]:
        assert line in script, script
    assert "module load bubblewrap\n" in script
    assert "/opt/venv/bin/python -m distributed.cli.dask_worker" in script
    assert "--nthreads 2" in script
    assert "bioresearcher" in script
    assert (cluster.slots, cluster.tasks_inside) == (6, 4)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("cores = 8", "cores = 0"), "cores"),
        (("cores = 8", "kernels = 8"), "cores: Field required"),
        (("jobs = 3", "jobs = 3\ncolour = 1"), "colour"),
        (("SYSTEM", "cray"), "system"),
        (('"12:30:00"', '"12h"'), "walltime"),
        (('"16GB"', '"lots"'), "memory"),
        (('"module load bubblewrap"', '"a\\nrm -r x"'), "prologue"),
        (("jobs = 3", "jobs ="), "is no valid TOML"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    text = FILE.replace(*change).replace("SYSTEM", "slurm")
    with pytest.raises(InputError, match=said) as caught:
        read_cluster(written(tmp_path, text))
    assert "cluster.toml" in str(caught.value)


def test_wrong_use_is_said_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b.jsonl").write_text('{"id": "a", "objective": "How are tumours grouped?", "papers": ["n.md"]}\n')
    (tmp_path / "n.md").write_text("# A note\n\n## Methods\n\nTumours were grouped.\n")
    written(tmp_path, FILE.replace("SYSTEM", "slurm"))
    for options, code, said in (
        (["--executor", "dask"], 2, "needs one of --scheduler ADDRESS and --cluster FILE"),
        (["--scheduler", "tcp://h:1"], 2, "goes with --executor dask"),
        (["--executor", "dask", "--cluster", "cluster.toml"], 4, "sbatch is not on this machine"),
        (["--executor", "dask", "--cluster", "none.toml"], 2, "none.toml cannot be read"),
        (["--executor", "dask", "--scheduler", "h"], 2, "no address of a scheduler"),
        (["--executor", "dask", "--scheduler", "tls://h:1", "--tls-ca", "ca.pem"], 2, "--tls-ca: ca.pem"),
    ):
        assert main(["batch", "b.jsonl", "--yes", "--workspace", "w", *options]) == code, options
        line = capsys.readouterr().err
        assert said in line
        assert line.count("\n") == 1
    assert not (tmp_path / "w").exists()


def test_what_is_missing_is_named_with_how_to_install_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"needs the package distributed.*pip install 'bioresearcher\[dask\]'"):
        need("distributed", "dask")
    monkeypatch.undo()
    with pytest.raises(OutsideError, match="bsub is not on this machine"):
        check_here(read_cluster(written(tmp_path, FILE.replace("SYSTEM", "lsf"))))


def test_tls_files_reach_dask(tmp_path: Path) -> None:
    files = {name: tmp_path / f"{name}.pem" for name in ("ca", "cert", "key")}
    for path in files.values():
        path.write_text("x")
    security = Tls(**files).security()
    assert security is not None
    assert (security.tls_ca_file, security.tls_client_key) == (str(files["ca"]), str(files["key"]))
    assert security.require_encryption
    assert Tls().security() is None
