"""How long `bioresearcher --help` takes, as a person waits for it."""

from __future__ import annotations

from figures import Figure, console_script, measured, timed


def measure(quick: bool) -> list[Figure]:
    """Wall time of whole processes, after one that warms the file cache."""
    command = console_script("--help")
    timed(command)
    runs = [timed(command) for _ in range(10 if quick else 20)]
    return [
        measured("`bioresearcher --help`, wall", [r.wall_s for r in runs], "s", at_most=0.35),
        measured("`bioresearcher --help`, CPU", [r.cpu_s for r in runs], "s"),
    ]
