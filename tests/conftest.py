"""What all tests share: no network, no keys, nothing outside the test's own folder."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

# No test looks at the clock: a machine that is busy with other things is no fault of what is tested.
# Properties are tried on 100 examples where CI runs, on 25 at a developer's; a test that sets its own number keeps it.
settings.register_profile(
    "no clock",
    deadline=None,
    max_examples=100 if os.environ.get("CI") else 25,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("no clock")

ROOT = Path(__file__).resolve().parent.parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Count all that drives the program, in processes of its own, among the slow tests."""
    for item in items:
        if "pipeline" in item.path.parts:
            item.add_marker(pytest.mark.slow)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep the tests together that share what is made once for a module: on one worker, one after the other.

    That is what `--dist loadgroup` is for, but xdist 3.8 loses the groups with pytest 9. Tests of modules with the same
    `xdist_group` stay together, and those of a module with fixtures of its scope; all others go one by one.
    """
    from xdist.scheduler import LoadScopeScheduling

    groups = {}
    for path in (ROOT / "tests").rglob("test_*.py"):
        text = path.read_text(encoding="utf-8")
        named = re.search(r'xdist_group\("([^"]+)"\)', text)
        if named or 'scope="module"' in text:
            groups[path.relative_to(ROOT).as_posix()] = named[1] if named else path.name

    class Together(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return groups.get(nodeid.partition("::")[0], nodeid)

    return Together(config, log)


@pytest.fixture(autouse=True)
def _own_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No BIORESEARCHER_* settings but that no service is asked, no keys, and a home of its own for every test."""
    for name in list(os.environ):
        if name.startswith("BIORESEARCHER_") and name != "BIORESEARCHER_TEST_DATA":
            monkeypatch.delenv(name)
        if name.endswith(("_API_KEY", "_TOKEN")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("BIORESEARCHER_ONLY_OWN", "1")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "*")


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing in this process waits until a file is on the disk; tests of kills start processes, which do wait."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections to anything but this machine fail the test."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        host = address[0] if isinstance(address, tuple) else ""
        if self.family != socket.AF_UNIX and host not in {"127.0.0.1", "::1", "localhost"}:
            raise AssertionError(f"a test tried to reach {address!r}")
        return connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real data for tests; tests that need it are skipped without it."""
    named = os.environ.get("BIORESEARCHER_TEST_DATA")
    for candidate in ([Path(named)] if named else []) + [ROOT.parent / "shared" / "data"]:
        if candidate.is_dir():
            return candidate
    pytest.skip("no test data: set BIORESEARCHER_TEST_DATA")


@pytest.fixture
def no_sandbox_skip() -> None:
    """Skip where no sandbox can work."""
    from bioresearcher.errors import SandboxUnavailableError
    from bioresearcher.sandbox.choose import choose_sandbox

    try:
        choose_sandbox("auto")
    except SandboxUnavailableError as error:
        if os.environ.get("REQUIRE_SANDBOX"):
            pytest.fail(str(error))
        pytest.skip(str(error))
