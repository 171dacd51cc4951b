"""Prompts: template files with front matter, bound to the classes of their values and their answer.

A file `prompts/<agent>/<verb_object>.md` starts with TOML between `+++` lines (version, inputs, output, purpose),
followed by `## system` and `## user`. Loading checks that the front matter names the classes the code uses, and that
the template uses exactly the fields of the input class: an override that does not match the code fails at start-up with
its file name, never in the middle of a run.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from pydantic import BaseModel, ValidationError

from bioresearcher.errors import InputError
from bioresearcher.resources import Resource, Resources
from bioresearcher.schemas.base import Value
from bioresearcher.text.visible import visible

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import ImmutableSandboxedEnvironment

In = TypeVar("In", bound=Value)
Out = TypeVar("Out", bound=BaseModel)

_PARTS = re.compile(r"\A\+\+\+\n(?P<front>.*?)\n\+\+\+\n\s*## system\n(?P<system>.*?)\n## user\n(?P<user>.*)\Z", re.S)


class FrontMatter(Value):
    """Front matter of a prompt file."""

    version: int
    inputs: str
    output: str
    purpose: str


@dataclass(frozen=True)
class Message:
    """One message to or from a model; invisible characters are removed from its content."""

    role: str
    content: str

    def __post_init__(self) -> None:
        object.__setattr__(self, "content", visible(self.content))


def untrusted(text: object, label: str = "text") -> str:
    """Delimit text from a paper, a data set or a program's output, so that it cannot pose as instructions.

    Invisible characters are removed, and anything that looks like the delimiters is replaced.
    """
    clean = visible(str(text)).replace("<<<", "‹‹‹").replace(">>>", "›››")
    return f"<<<untrusted {label}\n{clean}\n>>>"


def _environment() -> ImmutableSandboxedEnvironment:
    """Set up Jinja: sandboxed, and strict about unknown names."""
    from jinja2 import StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    environment = ImmutableSandboxedEnvironment(
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=False,
        autoescape=False,
    )
    environment.filters["untrusted"] = untrusted
    return environment


@dataclass(frozen=True)
class Prompt(Generic[In, Out]):
    """Declaration of a prompt: its name `<agent>/<verb_object>`, the class of its values, the class of its answer."""

    name: str
    inputs: type[In]
    output: type[Out]

    @property
    def agent(self) -> str:
        """Name of the agent that the step belongs to."""
        return self.name.split("/", 1)[0]

    @property
    def step(self) -> str:
        """Name of the step."""
        return self.name.split("/", 1)[1]

    def load(self, resources: Resources) -> LoadedPrompt[In, Out]:
        """Read and check the file.

        Raises:
            InputError: The file is missing or does not match the code; the message names file and cause.
        """
        resource = resources.read("prompts", f"{self.name}.md")
        match = _PARTS.match(resource.text.replace("\r\n", "\n"))
        if match is None:
            raise InputError(f"{resource.path}: expected +++ front matter +++, then '## system' and '## user'.")
        try:
            front = FrontMatter.model_validate(tomllib.loads(match["front"]))
        except (tomllib.TOMLDecodeError, ValidationError) as error:
            raise InputError(f"{resource.path}: front matter: {str(error).splitlines()[0]}.") from error
        for name, stated, expected in (
            ("inputs", front.inputs, self.inputs.__name__),
            ("output", front.output, self.output.__name__),
        ):
            if stated != expected:
                raise InputError(f"{resource.path}: {name} is {stated!r}, the code expects {expected!r}.")
        used = self._variables(resource, match["system"] + match["user"])
        fields = set(self.inputs.model_fields)
        if used != fields:
            raise InputError(
                f"{resource.path}: the template must use exactly the fields of {self.inputs.__name__}; "
                f"missing {sorted(fields - used)}, unknown {sorted(used - fields)}."
            )
        return LoadedPrompt(self, resource, front, match["system"].strip(), match["user"].strip())

    @staticmethod
    def _variables(resource: Resource, template: str) -> set[str]:
        """Find the names that a template uses."""
        from jinja2 import TemplateError, meta

        try:
            return meta.find_undeclared_variables(_environment().parse(template))
        except TemplateError as error:
            raise InputError(f"{resource.path}: not a valid template: {error}.") from error


@dataclass(frozen=True)
class LoadedPrompt(Generic[In, Out]):
    """A prompt with its checked template."""

    prompt: Prompt[In, Out]
    resource: Resource
    front: FrontMatter
    system: str
    user: str

    @cached_property
    def _templates(self) -> tuple[Template, Template]:
        environment = _environment()
        return environment.from_string(self.system), environment.from_string(self.user)

    def render(self, values: In) -> tuple[Message, ...]:
        """Render the messages; the system message, which does not change, comes first for providers' prefix caches."""
        fields = {name: getattr(values, name) for name in type(values).model_fields}
        system, user = self._templates
        return (
            Message("system", system.render(**fields).strip()),
            Message("user", user.render(**fields).strip()),
        )


class PromptBook:
    """The prompts of a run, loaded once."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._loaded: dict[str, LoadedPrompt[Any, Any]] = {}

    def get(self, prompt: Prompt[In, Out]) -> LoadedPrompt[In, Out]:
        """Return the loaded prompt; its file is read at first use."""
        if prompt.name not in self._loaded:
            self._loaded[prompt.name] = prompt.load(self._resources)
        return cast("LoadedPrompt[In, Out]", self._loaded[prompt.name])
