"""The progress of a run, followed from its events: stages, tasks, spending, and the reason why nothing happens."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import JsonValue

from bioresearcher.events import Event
from bioresearcher.text.format import count_of, duration, listing
from bioresearcher.text.visible import one_line

STAGES: Final = (
    (
        "search",
        (
            *("choose_path", "plan_queries", "search_papers", "screen_papers"),
            *("search_datasets", "check_datasets", "ask_questions"),
        ),
    ),
    ("read", ("audit_data", "make_analysis_sets", "read_paper", "analyse_reports")),
    (
        "design",
        (
            *("plan_computation", "explore_data", "plan_protocol", "write_steps", "rehearse_script"),
            *("review_protocol", "assemble_protocol"),
        ),
    ),
    ("program", ("extract_tasks", "program_task")),
    ("review", ("score_protocol", "check_status")),
)
"""Stages of a run -> their steps."""
QUIET_S: Final = 300.0
"""Seconds without an event after which a run is asked what it waits for."""
TOO_OFTEN: Final = 3
"""Beginnings of the same work without an end, or answers to the same prompt that did not fit, that are told."""
_SHOWN_BY_TASKS: Final = {"program_task", "collect_tasks"}


def event_text(event: Event) -> str:
    """Return an event as a line for people; empty when it is not for them."""
    if event.kind == "note":
        return one_line(event.message, 300)
    if event.state != "done" or event.kind not in {"step", "task", "gate"}:
        return ""
    if event.kind == "step" and event.stage in _SHOWN_BY_TASKS:
        return ""
    tail = (str(event.data.get("task", "")), event.message, str(event.data.get("outcome", "")))
    return " ".join(filter(None, [event.stage, *tail]))


@dataclass(frozen=True)
class TaskState:
    """A task as its last event left it; `outcome` is `running` until it has one."""

    title: str
    outcome: str


class RunProgress:
    """The state of a run, kept up to date by its events.

    Args:
        past: Events of the run's earlier processes: what ended then is done, what was left open does not run.

    Attributes:
        running: Step -> how many of it work now.
        done: Step -> how many ended.
        tasks: Task -> its state.
        calls: Calls of models; replayed ones are not counted.
        tokens: Tokens of the calls, in and out; NaN when one is not known.
        usd: Cost of the calls; NaN when one is not known.
        waiting: The approval that waits for an answer; empty when none does.
        last: Time of the last event as it is written; empty before the first.
    """

    def __init__(self, past: Iterable[Event] = ()) -> None:
        self.running: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self.tasks: dict[str, TaskState] = {}
        self.calls, self.tokens, self.usd = 0, 0.0, 0.0
        self.waiting = ""
        self.last = ""
        self._since: dict[tuple[str, str], str] = {}
        self._begun: Counter[tuple[str, str]] = Counter()
        self._unfit: Counter[str] = Counter()
        for event in past:
            if event.kind == "step" and event.state == "done":
                self.done[event.stage] += 1
            if event.kind in {"step", "task"}:
                self._begin(_work(event), event)

    def event(self, event: Event) -> None:
        """Count starts, ends and calls."""
        self.last = event.time
        if event.kind == "run" and event.state == "start":
            self._begin_anew()
        elif event.kind == "step":
            self._count(event)
        elif event.kind == "call":
            self._call(event)
        elif event.kind == "gate":
            self.waiting = event.stage if event.state == "waiting" else ""
        elif event.kind == "task":
            task = str(event.data.get("task"))
            self.tasks[task] = TaskState(event.message, str(event.data.get("outcome", "running")))
            self._count(event)

    def _begin_anew(self) -> None:
        """Forget what a process that is gone left open."""
        self.running.clear()
        self._since.clear()
        self.waiting = ""
        self.tasks = {name: state for name, state in self.tasks.items() if state.outcome != "running"}

    def _count(self, event: Event) -> None:
        work = _work(event)
        self._begin(work, event)
        if event.state == "start":
            self._since[work] = event.time
            self.running[work[0]] += bool(work[0])
        elif event.state == "done":
            self._since.pop(work, None)
            if work[0]:
                self.running[work[0]] = max(0, self.running[work[0]] - 1)
                self.done[work[0]] += 1

    def _begin(self, work: tuple[str, str], event: Event) -> None:
        """Count beginnings of a work since it last ended."""
        if event.state == "start":
            self._begun[work] += 1
        elif event.state == "done":
            self._begun.pop(work, None)

    def _call(self, event: Event) -> None:
        """Add a call to the spending; a value that is no number is unknown."""
        prompt = str(event.data.get("prompt", ""))
        if event.state == "failed":
            self._unfit[prompt] += 1
        else:
            self._unfit.pop(prompt, None)
        if event.data.get("replayed"):
            return
        names = ("calls", "input_tokens", "output_tokens", "cost_usd")
        calls, tokens_in, tokens_out, usd = (_number(event.data.get(name)) for name in names)
        self.calls += 0 if math.isnan(calls) else int(calls)
        self.tokens += tokens_in + tokens_out
        self.usd += usd

    @property
    def spent(self) -> str:
        """Calls, tokens and cost in words; empty before the first call."""
        if not self.calls:
            return ""
        tokens = "tokens not known" if math.isnan(self.tokens) else f"{self.tokens:,.0f} tokens"
        usd = "" if math.isnan(self.usd) else f" · {self.usd:.3f} USD"
        return f"{count_of(self.calls, 'call')} · {tokens}{usd}"

    def quiet_s(self, now: datetime) -> float:
        """Seconds since the last event; 0 before the first, or when its time cannot be read."""
        return _seconds(self.last, now)

    def quiet_text(self, now: datetime, least_s: float = QUIET_S) -> str:
        """Return what a run waits for that has had no event for so long; empty for one that goes on."""
        quiet = self.quiet_s(now)
        if quiet < least_s:
            return ""
        return f"no progress for {duration(quiet)}: it waits for {self.waits_for(now)}"

    def waits_for(self, now: datetime) -> str:
        """Return what is open: an approval, else tasks and steps that began and did not end, the oldest first."""
        if self.waiting:
            return f"your answer at {self.waiting}"
        tasks = [work for work in self._since if not work[0]]
        works = tasks or [*self._since]
        named = [f"{_named(*work, self.tasks)} ({duration(_seconds(self._since[work], now))})" for work in works[:3]]
        more = len(works) - len(named)
        return listing([*named, *([f"{more} more"] if more > 0 else [])], each=160) or "the next step to begin"

    def repeats(self) -> Iterator[str]:
        """Yield what repeats itself: work that begins again without an end, and prompts whose answers do not fit."""
        for work, number in [*self._begun.items()]:
            if number >= TOO_OFTEN:
                yield f"{_named(*work, self.tasks)} began {number} times and did not end"
        for prompt, number in [*self._unfit.items()]:
            if number >= TOO_OFTEN:
                yield f"{prompt} was answered {number} times running with what does not fit"


def _work(event: Event) -> tuple[str, str]:
    """Return step and item, or an empty step and the task."""
    return (event.stage, event.message) if event.kind == "step" else ("", str(event.data.get("task")))


def _number(value: JsonValue) -> float:
    return float(value) if isinstance(value, int | float) else math.nan


def _named(step: str, item: str, tasks: dict[str, TaskState]) -> str:
    """Return the name of a step with its item, or of a task with its title."""
    if step:
        return f"{step} {one_line(item, 60)}".rstrip()
    return f"task {item} {one_line(tasks[item].title, 60)}".rstrip() if item in tasks else f"task {item}"


def _seconds(since: str, now: datetime) -> float:
    try:
        return max(0.0, (now - datetime.fromisoformat(since)).total_seconds())
    except (ValueError, TypeError):
        return 0.0
