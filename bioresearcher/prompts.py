"""Prompts: template files with front matter, bound to the classes of their values and their answer.

A file `prompts/<agent>/<verb_object>.md` starts with TOML between `+++` lines (version, inputs, output, purpose),
followed by `## system` and `## user`. Loading checks that the front matter names the classes the code uses, and that
the template uses exactly the fields of the input class: an override that does not match the code fails at start-up with
its file name, never in the middle of a run.

A prompt whose input class is a `Turn` is one turn of a conversation. Its file has `## user` only and uses exactly the
fields of its own class. The conversation's opening, a file of its own with `## system` and `## user`, uses exactly the
fields of the class that all turns of the conversation share; its system part uses none, so that it is the same in every
turn. What was said stands between the two, byte for byte as it was sent: providers find it in their prefix caches.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from pydantic import BaseModel, ValidationError

from bioresearcher.errors import DefectError, InputError
from bioresearcher.resources import Resource, Resources
from bioresearcher.schemas.base import Value
from bioresearcher.schemas.conversation import Turn
from bioresearcher.text.visible import visible

if TYPE_CHECKING:
    from jinja2 import Template
    from jinja2.sandbox import ImmutableSandboxedEnvironment

In = TypeVar("In", bound=Value)
Out = TypeVar("Out", bound=BaseModel)

_PARTS = re.compile(
    r"\A\+\+\+\n(?P<front>.*?)\n\+\+\+\n\s*(?:## system\n(?P<system>.*?)\n)?## user\n(?P<user>.*)\Z", re.S
)


class FrontMatter(Value):
    """Front matter of a prompt file; that of an opening names no answer."""

    version: int
    inputs: str
    output: str = ""
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
    """Declaration of a prompt: its name `<agent>/<verb_object>`, the class of its values, the class of its answer.

    Attributes:
        opening: For a turn of a conversation: the name of the opening's file, e.g. `designer/opening`.
    """

    name: str
    inputs: type[In]
    output: type[Out]
    opening: str = ""

    def __post_init__(self) -> None:
        if issubclass(self.inputs, Turn) is not bool(self.opening):
            raise DefectError(f"{self.name}: a turn of a conversation, and only a turn, has an opening.")

    @property
    def agent(self) -> str:
        """Name of the agent that the step belongs to."""
        return self.name.split("/", 1)[0]

    @property
    def step(self) -> str:
        """Name of the step."""
        return self.name.split("/", 1)[1]

    @property
    def files(self) -> tuple[str, ...]:
        """Names of its files: its own, and the opening's."""
        return tuple(f"{name}.md" for name in (self.name, self.opening) if name)

    def load(self, resources: Resources) -> LoadedPrompt[In, Out]:
        """Read and check the file, for a turn also the opening's.

        Raises:
            InputError: A file is missing or does not match the code; the message names file and cause.
        """
        own = _File.read(resources, self.name)
        own.check_front(self.inputs.__name__, self.output.__name__)
        if not issubclass(self.inputs, Turn):
            own.check_fields(own.system + own.user, self.inputs.__name__, set(self.inputs.model_fields))
            own.check_system(wanted=True)
            return LoadedPrompt(self, own.resource, own.front, own.system.strip(), own.user.strip())
        shared = _shared_by_turns(self.inputs)
        at_hand = set(shared.model_fields) - set(Turn.model_fields)
        own.check_system(wanted=False)
        own.check_fields(own.user, self.inputs.__name__, set(self.inputs.model_fields) - set(shared.model_fields))
        first = _File.read(resources, self.opening)
        first.check_front(shared.__name__, "")
        first.check_system(wanted=True)
        first.check_fields(first.system, "no class: it is the same in every turn", set())
        first.check_fields(first.user, shared.__name__, at_hand)
        opening = Opening(first.resource, first.front, first.user.strip())
        return LoadedPrompt(self, own.resource, own.front, first.system.strip(), own.user.strip(), opening)


def _shared_by_turns(inputs: type[Value]) -> type[Value]:
    """Return the class that all turns of a conversation share: the last one before `Turn`."""
    bases = inputs.__mro__
    shared: type[Value] = bases[bases.index(Turn) - 1]
    return shared


@dataclass(frozen=True)
class _File:
    """A prompt file, divided into its sections; a section that is not there is empty."""

    resource: Resource
    front: FrontMatter
    system: str
    user: str

    @classmethod
    def read(cls, resources: Resources, name: str) -> _File:
        resource = resources.read("prompts", f"{name}.md")
        match = _PARTS.match(resource.text.replace("\r\n", "\n"))
        if match is None:
            raise InputError(f"{resource.path}: expected +++ front matter +++, then '## system' and '## user'.")
        try:
            front = FrontMatter.model_validate(tomllib.loads(match["front"]))
        except (tomllib.TOMLDecodeError, ValidationError) as error:
            raise InputError(f"{resource.path}: front matter: {str(error).splitlines()[0]}.") from error
        return cls(resource, front, match["system"] or "", match["user"])

    def check_front(self, inputs: str, output: str) -> None:
        for name, stated, expected in (("inputs", self.front.inputs, inputs), ("output", self.front.output, output)):
            if stated != expected:
                raise InputError(f"{self.resource.path}: {name} is {stated!r}, the code expects {expected!r}.")

    def check_system(self, *, wanted: bool) -> None:
        if bool(self.system) is not wanted:
            problem = "'## system' is missing" if wanted else "'## system' belongs into the conversation's opening"
            raise InputError(f"{self.resource.path}: {problem}.")

    def check_fields(self, template: str, owner: str, fields: set[str]) -> None:
        used = self._variables(template)
        if used != fields:
            raise InputError(
                f"{self.resource.path}: the template must use exactly the fields of {owner}; "
                f"missing {sorted(fields - used)}, unknown {sorted(used - fields)}."
            )

    def _variables(self, template: str) -> set[str]:
        """Find the names that a template uses."""
        from jinja2 import TemplateError, meta

        try:
            return meta.find_undeclared_variables(_environment().parse(template))
        except TemplateError as error:
            raise InputError(f"{self.resource.path}: not a valid template: {error}.") from error


@dataclass(frozen=True)
class Opening:
    """The file of a conversation's opening: its front matter and its user part."""

    resource: Resource
    front: FrontMatter
    user: str


@dataclass(frozen=True)
class LoadedPrompt(Generic[In, Out]):
    """A prompt with its checked template; that of a turn has the system part of its opening."""

    prompt: Prompt[In, Out]
    resource: Resource
    front: FrontMatter
    system: str
    user: str
    opening: Opening | None = None

    @property
    def digest(self) -> str:
        """First 12 hexadecimal digits over its file, for a turn over the opening's and its own."""
        if self.opening is None:
            return self.resource.digest
        both = f"{self.opening.resource.text}\0{self.resource.text}"
        return hashlib.sha256(both.encode("utf-8")).hexdigest()[:12]

    @cached_property
    def _templates(self) -> tuple[Template, Template, Template]:
        environment = _environment()
        opening = self.opening.user if self.opening else ""
        return (
            environment.from_string(self.system),
            environment.from_string(opening),
            environment.from_string(self.user),
        )

    def render(self, values: In) -> tuple[Message, ...]:
        """Render the messages; the system message, which does not change, comes first for providers' prefix caches.

        A turn's messages are the system message, what was said, and the turn's own: the opening if nothing was said,
        the results of the last answer's actions, the turn's text.
        """
        fields = {name: getattr(values, name) for name in type(values).model_fields}
        system, opening, user = self._templates
        parts: list[str] = [user.render(**fields)]
        said: tuple[Message, ...] = ()
        if isinstance(values, Turn):
            _check_order(self.prompt.name, values)
            said = tuple(Message(s.role, s.text) for s in values.said)
            parts = [*([] if said else [opening.render(**fields)]), values.results, *parts]
        own = "\n\n".join(part.strip() for part in parts if part.strip())
        return (Message("system", system.render(**fields).strip()), *said, Message("user", own))


def _check_order(name: str, turn: Turn) -> None:
    """Refuse a conversation in which user and assistant do not take turns: servers refuse it, too."""
    roles = [said.role for said in turn.said]
    if roles != ["user", "assistant"] * (len(roles) // 2):
        raise DefectError(f"{name}: user and assistant do not take turns in what was said.")


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
