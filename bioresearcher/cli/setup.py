"""`bioresearcher setup`: writes a `bioresearcher.toml` in a short dialogue. No key is asked for or written."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from bioresearcher.cli.options import Commands
from bioresearcher.errors import InputError

_TRIES = 3


@dataclass(frozen=True)
class Answers:
    """The answers of the dialogue; empty texts are not written.

    Attributes:
        model: `PROVIDER:NAME` of the model for all roles; empty: everything is done by rule.
        base_url: Address of its server.
        key_variable: Environment variable that holds its key.
        reviewer: Model of the reviewer, where it is another one.
        max_usd: Most that a run may spend, in US dollars.
        workspace: Folder of runs and library.
    """

    model: str = ""
    base_url: str = ""
    key_variable: str = ""
    reviewer: str = ""
    max_usd: str = ""
    workspace: str = ""


def add_parser(commands: Commands[argparse.ArgumentParser]) -> None:
    """Add the command."""
    parser = commands.add_parser("setup", help="write a bioresearcher.toml in a short dialogue")
    parser.add_argument(
        "--config", type=Path, default=Path("bioresearcher.toml"), metavar="FILE", help="file to write (%(default)s)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ask, check what was answered, and write the file; return 0.

    Raises:
        InputError: The file is there already or cannot be written, or the answers end or do not fit.
    """
    path: Path = args.config
    if path.exists():
        raise InputError(f"{path} is there already.", hint="Edit it, or name another file with --config FILE.")
    text = settings_text(ask_all(_read_line, os.environ))
    check_text(text, path)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from error
    print(f"Written: {path}. `bioresearcher doctor` checks it, `bioresearcher doctor --model` tries the models.")
    return 0


def _read_line(question: str) -> str:
    try:
        return input(question).strip()
    except EOFError as error:
        raise InputError("the answers ended before the last question; nothing was written.") from error


def ask_all(read: Callable[[str], str], environ: Mapping[str, str]) -> Answers:
    """Ask the questions through `read`, at most six; an answer that does not fit is asked for again."""
    from bioresearcher.llm.select_backend import suggestion
    from bioresearcher.settings import STANDARD_KEY

    proposed = suggestion(environ).partition("--model ")[2]
    proposed = "" if proposed in {"", "NAME"} or "DEPLOYMENT" in proposed else proposed
    hint = f"{proposed}; `none` for no model" if proposed else "none: everything by rule"
    model = read(f"Model for all roles, PROVIDER:NAME, e.g. openai:gpt-5-mini [{hint}]: ") or proposed
    if model in {"", "none"}:
        return Answers(workspace=read("Folder for runs and library [workspace]: "))
    provider = model.partition(":")[0] if ":" in model else ""
    base_url = ""
    if provider not in {*STANDARD_KEY, "ollama"} or provider == "azure":
        base_url = _fitting(read, "Address of its server, http…: ", lambda a: a.startswith(("http://", "https://")))
    usual = STANDARD_KEY.get(provider, "")
    variable = ""
    if provider != "ollama" and not (usual and environ.get(usual)):
        more = f" [{usual}]" if usual else " [none]"
        variable = _fitting(read, f"Environment variable that holds its key (never the key itself){more}: ", _is_name)
    reviewer = read("Another model for the reviewer, so that none reviews itself [the same]: ")
    max_usd = _fitting(read, "Most that one run may spend, in US dollars [no limit]: ", _is_amount)
    return Answers(model, base_url, variable, reviewer, max_usd, read("Folder for runs and library [workspace]: "))


def _fitting(read: Callable[[str], str], question: str, fits: Callable[[str], bool]) -> str:
    """Return the first answer that fits, of three.

    Raises:
        InputError: None does.
    """
    for _ in range(_TRIES):
        answer = read(question)
        if fits(answer):
            return answer
    raise InputError(f"no usable answer to: {question.strip()}")


def _is_name(answer: str) -> bool:
    return not answer or (answer.isascii() and answer.isidentifier() and answer == answer.upper())


def _is_amount(answer: str) -> bool:
    return not answer or (answer.replace(".", "", 1).isdecimal() and answer.isascii() and float(answer) > 0)


def settings_text(answers: Answers) -> str:
    """Write the answers as a settings file in TOML."""
    lines = ["# Settings of BioResearcher; docs/bioresearcher.toml of its repository lists all of them.", ""]
    lines += [f"workspace = {json.dumps(answers.workspace)}"] if answers.workspace else []
    lines += [f"max_usd = {float(answers.max_usd)}"] if answers.max_usd else []
    if answers.model:
        lines += ["", "[models.default]", f"model = {json.dumps(answers.model)}"]
        lines += [f"base_url = {json.dumps(answers.base_url)}"] if answers.base_url else []
        lines += [f"api_key_env = {json.dumps(answers.key_variable)}"] if answers.key_variable else []
    if answers.reviewer:
        lines += ["", "[models.reviewer]", f"model = {json.dumps(answers.reviewer)}"]
    return "\n".join(lines) + "\n"


def check_text(text: str, path: Path) -> None:
    """Check a settings file before it is written, as reading it would.

    Raises:
        InputError: A model's name, an address or another value is not possible, or a key stands in it.
    """
    import tomllib

    from bioresearcher.settings.file import settings_from

    settings_from(tomllib.loads(text), str(path), path.parent)
