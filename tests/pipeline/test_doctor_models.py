"""`doctor --model` from the command line, against a server with OpenAI's API."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import conformance_support as lib
import model_server as ms
import pytest

from bioresearcher.cli.app import main
from bioresearcher.cli.doctor_models import check_models
from bioresearcher.schemas.model import ROLES
from bioresearcher.settings import load_settings

TESTS = Path(__file__).parents[1]


BY_SCHEMA = {type(answer).__name__: answer.model_dump_json() for answer in lib.GOOD.values()}
NO_PART = lib.GOOD["designer/plan_protocol"].model_copy(update={"parts": ()}).model_dump_json()


def good(seen) -> str:
    """The good answer to the question, told by the name of its schema or by what the schema asks for."""
    form = seen.body.get("response_format") or {}
    return BY_SCHEMA[form.get("json_schema", {}).get("name", "ProtocolPlan")]


@dataclass
class Doctor:
    """The command in this process."""

    capsys: pytest.CaptureFixture[str]

    def __call__(self, *args: str, server=None) -> tuple[int, str]:
        """Exit code and what was printed, errors included."""
        where = ("--base-url", server.url) if server else ()
        code = main(["doctor", *args, *where])
        said = self.capsys.readouterr()
        return code, said.out + said.err

    def checks(self, *args: str, server=None) -> tuple[int, dict[str, dict]]:
        code, said = self(*args, "--json", server=server)
        return code, {check["check"]: check for check in json.loads(said)["checks"]}


@pytest.fixture
def doctor(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Doctor]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    before = threading.active_count()
    yield Doctor(capsys)
    assert threading.active_count() <= before + 1  # asyncio keeps none of its own, the sandbox neither


def test_a_good_model_works_for_every_role(doctor: Doctor, no_sandbox_skip: None) -> None:
    with ms.ModelServer(good, context=32_768) as server:
        code, said = doctor("--model", "test-model", server=server)
        code_json, report = doctor("--model", "test-model", "--json", server=server)
    assert (code, code_json) == (0, 0)
    assert "reader works · designer works · coder works · reviewer works" in said
    assert "in the sandbox (bubblewrap): verified" in said
    assert "JSON schema" in said
    assert "a run of the packaged example (breast-cancer)\n  forecast: about" in said
    found = json.loads(report)
    assert found["ok"] is True
    assert {role: row["state"] for role, row in found["roles"].items()} == dict.fromkeys(ROLES, "works")
    reading = next(c for c in found["checks"] if c["check"] == "reading")
    assert reading["usage"]["calls"] == 2
    assert reading["tokens_per_second"] > 0
    assert found["forecast"]["steps"]
    assert server.failures == []


def test_reasoning_and_fences_around_answers_do_no_harm(doctor: Doctor) -> None:
    with ms.ModelServer(lambda seen: ms.think(ms.fenced(good(seen)).text), context=32_768) as server:
        code, checks = doctor.checks("--model", "designer=test-model", "--model", "reviewer=test-model", server=server)
    assert code == 0
    assert {name: check["state"] for name, check in checks.items()} == {"design": "works", "score": "works"}


@pytest.mark.parametrize("bad", ['{"title": "t", "summary": "s", "parts": "none"}', '{"title": "t", "summary": "s'])
def test_an_answer_that_does_not_fit_is_repaired_and_that_is_said(doctor: Doctor, bad: str) -> None:
    with ms.ModelServer(ms.in_turn(bad, then=good), context=32_768) as server:
        code, checks = doctor.checks("--model", "designer=test-model", "--structured", "schema", server=server)
    assert code == 0
    assert (checks["design"]["state"], checks["design"]["usage"]["calls"]) == ("works with repair", 2)


def test_a_server_without_schemas_is_asked_another_way_which_is_told(doctor: Doctor) -> None:
    with ms.ModelServer(ms.no_schema_support(good), context=32_768) as server:
        code, checks = doctor.checks("--model", "designer=test-model", server=server)
    assert code == 0
    assert checks["design"]["structured"] == "JSON in text"


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda seen: ms.truncated(good(seen)), "max_output"),
        (lambda seen: ms.refused(), "declined"),
        (lambda seen: "I would rather not say.", "Another model|larger model"),
        (lambda seen: NO_PART, "no part"),
    ],
)
def test_a_model_that_cannot_do_it_fails_with_what_to_do(doctor: Doctor, answer, says: str) -> None:
    with ms.ModelServer(answer, context=32_768) as server:
        code, checks = doctor.checks("--model", "designer=test-model", server=server)
    check = checks["design"]
    assert (code, check["state"]) == (4, "fails")
    assert any(word in check["detail"] + check["hint"] for word in says.split("|"))
    assert check["hint"]


def test_a_wrong_key_is_one_line_and_never_shown(doctor: Doctor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-the-right-one")
    with ms.ModelServer(good, api_key="right") as server:
        code, said = doctor("--model", "test-model", server=server)
        assert server.calls == []
    assert code == 4
    assert said.count("does not accept the key in OPENAI_API_KEY") == 1
    assert "sk-not" not in said


def test_an_unknown_model_and_an_unreachable_server_do_not_stop_the_others(doctor: Doctor, tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nowhere = f"http://127.0.0.1:{unused.getsockname()[1]}/v1"
    with ms.ModelServer(good, models=("test-model",), context=32_768) as server:
        (tmp_path / "bioresearcher.toml").write_text(
            f'[models.designer]\nmodel = "compatible:test-model"\nbase_url = "{server.url}"\n'
            f'[models.coder]\nmodel = "compatible:typo"\nbase_url = "{server.url}"\n'
            f'[models.reviewer]\nmodel = "compatible:m"\nbase_url = "{nowhere}"\n'
        )
        code, said = doctor("--model")
        assert len(server.calls) == 1
    assert code == 4
    assert "designer works · coder fails · reviewer fails" in said
    assert "has no model typo; it has: test-model" in said
    assert f"{nowhere}/models cannot be reached" in said


def test_what_is_not_answered_in_time_is_said_and_given_up(doctor: Doctor) -> None:
    with ms.ModelServer(good, latency_s=600, context=32_768) as server:
        settings = load_settings({"model": ["designer=test-model", "reviewer=test-model"], "base_url": server.url})
        code = check_models(settings, limit_s=4)
    said = doctor.capsys.readouterr().out
    assert code == 4
    assert "designer not reached in time · reviewer not reached in time" in said
    assert "--max-minutes" in said


def test_a_budget_holds_here_too(doctor: Doctor) -> None:
    with ms.ModelServer(good, context=32_768) as server:
        code, checks = doctor.checks("--model", "reader=test-model", "--max-tokens", "10", server=server)
        assert len(server.calls) == 1
    assert code == 4
    assert {name: check["state"] for name, check in checks.items()} == {"reading": "not asked"}
    assert "budget of 10 tokens" in checks["reading"]["detail"]


def test_money_needs_a_price(doctor: Doctor) -> None:
    with ms.ModelServer(good) as server:
        code, said = doctor("--model", "test-model", "--max-usd", "1", server=server)
        assert server.calls == []
    assert code == 2
    assert "no price is known" in said


def test_without_a_model_there_is_nothing_to_check(doctor: Doctor) -> None:
    code, said = doctor("--model")
    assert code == 2
    assert "no model is configured" in said
    assert "--model PROVIDER:NAME" in said
