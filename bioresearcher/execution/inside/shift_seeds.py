"""Start-up file (`sitecustomize`) of a rerun's interpreter: record fixed seeds, and shift them when asked.

The variable SEED_SHIFT holds a whole number; with 0 nothing changes. With another, a seed given to `random`, to
`numpy.random` (the old functions and `RandomState` as well as generators) or through these to the libraries that are
built on them gives another stream, the same for the same seed and shift. Seeds taken from the system (None) stay so.
That a seed was fixed is noted by an empty file in the folder in which the interpreter started; another says at its
orderly end that no random number was drawn at all.

The variable KEPT_DIGESTS names a JSON file: digest of a changed input -> that of the original. Whoever computes the
first with `hashlib` gets the second, so that check sums of frozen files hold for their changed copies.
"""

from __future__ import annotations

import atexit
import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import hashlib
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec
    from random import Random
    from types import FrameType

    import numpy as np

SHIFT = int(os.environ.get("SEED_SHIFT") or "0")
SEEDED, UNDRAWN = (os.path.join(os.getcwd(), name) for name in ("seeds-were-fixed", "nothing-was-drawn"))  # noqa: PTH109, PTH118 - start-up time
_ODD = 0x9E3779B1
STARTED: list[bool] = []
"""Filled when a stream of random numbers was begun, fixed seed or not."""
STATES: list[tuple[Callable[[], object], str]] = []
"""For each global stream a function that returns its state, and the state when nothing had been drawn."""


def note(*, fixed: bool = True) -> None:
    """Record that a stream was begun, unless by a library being imported (scipy.stats does, for its examples)."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "<module>" and "site-packages" in frame.f_code.co_filename:
            return
        frame = frame.f_back
    STARTED.append(True)
    if fixed:
        touch(SEEDED)


def touch(path: str) -> None:
    """Make an empty file, or none if the script has removed the folder."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o644))
    except OSError:
        return


def watch(state: Callable[[], object]) -> None:
    """Record the state of a global stream, by which drawing from it is noticed."""
    STATES.append((state, repr(state())))


def at_end() -> None:
    """Record that nothing was drawn, if so."""
    if not STARTED and all(repr(state()) == before for state, before in STATES):
        touch(UNDRAWN)


def note_so_far(folder: str) -> None:
    """Record in a folder what is known until now, for a script that carries out several tasks."""
    if os.access(SEEDED, os.F_OK):
        touch(f"{folder}/seeds-were-fixed")
    if not STARTED and all(repr(state()) == before for state, before in STATES):
        touch(f"{folder}/nothing-was-drawn")


def patch_random(module: ModuleType) -> None:
    """Patch `random.seed` and every `random.Random`."""
    seed_as_before = module.Random.seed

    def seed(self: Random, a: object = None, version: int = 2) -> None:
        note(fixed=a is not None)
        if SHIFT and isinstance(a, int | float | str | bytes | bytearray):
            a = f"{a!r} shifted by {SHIFT}"
        seed_as_before(self, a, version)

    module.Random.seed = seed
    vars(module)["seed"] = module._inst.seed
    watch(module._inst.getstate)


def patch_numpy(module: ModuleType) -> None:
    """Replace bit generators and seed sequences by ones of the same name that shift the seeds they are given."""
    for name in ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64"):
        _exchange(name, getattr(module, name))
    # there only: numpy's own sequences stay what they are, or they could not be pickled
    vars(module)["SeedSequence"] = _sequence(module.SeedSequence)
    module.set_bit_generator(module.MT19937())
    STARTED.clear()
    watch(lambda: [part.tolist() if hasattr(part, "tolist") else part for part in module.get_state()])


def _exchange(name: str, old: type) -> None:
    """Replace a class by the shifting one of that name, also where numpy itself looks it up."""
    new = _shifting(old)
    places = [m for n, m in list(sys.modules.items()) if n.startswith("numpy.random")]
    for place in places:
        for key in [k for k, v in vars(place).items() if v is old]:
            setattr(place, key, new)
        known = vars(place).get("BitGenerators")
        if isinstance(known, dict) and name in known:
            known[name] = new


def _shifting(base: type[np.random.BitGenerator]) -> type:
    def __init__(self: np.random.BitGenerator, seed: object = None, **more: int | None) -> None:
        key = more.get("key")
        if key is not None:
            note()
            more["key"] = key + SHIFT
        base.__init__(self, _entropy(seed), **more)  # type: ignore[arg-type]  # as it was given

    def _legacy_seeding(self: np.random.MT19937, seed: object) -> None:
        if seed is not None:
            note()
            if SHIFT:
                numpy = sys.modules["numpy"]
                shifted = (numpy.asarray(seed).astype(numpy.int64) + SHIFT * _ODD) % 2**32
                seed = int(shifted) if shifted.ndim == 0 else shifted
        base._legacy_seeding(self, seed)  # type: ignore[attr-defined]  # only of MT19937, which alone is asked

    members = {"__init__": __init__, "_legacy_seeding": _legacy_seeding, "__module__": base.__module__}
    if not hasattr(base, "_legacy_seeding"):
        del members["_legacy_seeding"]
    return type(base.__name__, (base,), members)


def _entropy(seed: object) -> object:
    """Return a seed (a number or a list) with the shift added; a sequence was shifted when it was made."""
    if hasattr(seed, "generate_state"):
        return seed
    note(fixed=seed is not None)
    if seed is None:
        return None
    return [*sys.modules["numpy"].asarray(seed).ravel().tolist(), SHIFT] if SHIFT else seed


def _sequence(base: type[np.random.SeedSequence]) -> type:
    def __init__(self: np.random.SeedSequence, entropy: object = None, **more: object) -> None:
        base.__init__(self, _entropy(entropy), **more)  # type: ignore[arg-type]  # as it was given

    return type(base.__name__, (base,), {"__init__": __init__, "__module__": "numpy.random"})


def patch_hashlib(module: ModuleType) -> None:
    """Let digests of changed inputs read as those of the originals."""
    import json
    from pathlib import Path

    kept: dict[str, str] = json.loads(Path(os.environ["KEPT_DIGESTS"]).read_text(encoding="utf-8"))

    class Digest:
        def __init__(self, inner: hashlib._Hash) -> None:
            self._inner = inner

        def __getattr__(self, name: str) -> object:
            return getattr(self._inner, name)

        def copy(self) -> Digest:
            return Digest(self._inner.copy())

        def hexdigest(self) -> str:
            found = self._inner.hexdigest()
            return kept.get(found, found)

        def digest(self) -> bytes:
            return bytes.fromhex(self.hexdigest())

    def kept_by(make: Callable[..., hashlib._Hash]) -> Callable[..., object]:
        def made(*given: object, **more: object) -> object:
            inner = make(*given, **more)
            return inner if inner.name.startswith("shake") else Digest(inner)

        return made

    for name in (*module.algorithms_guaranteed, "new"):
        if hasattr(module, name):
            setattr(module, name, kept_by(getattr(module, name)))


PATCHES: dict[str, Callable[[ModuleType], None]] = {"random": patch_random, "numpy.random": patch_numpy}
if os.environ.get("KEPT_DIGESTS"):
    PATCHES["hashlib"] = patch_hashlib


class Watch:
    """Module finder that lets the others find a module and patches it right after it was loaded."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return the other finders' answer, for the modules to patch."""
        if name not in PATCHES:
            return None
        others = (finder for finder in sys.meta_path if finder is not self)
        found = (finder.find_spec(name, path, target) for finder in others)  # type: ignore[arg-type]  # passed on
        spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and spec.loader is not None:
            load, patch = spec.loader.exec_module, PATCHES[name]

            def exec_module(module: ModuleType) -> None:
                load(module)
                patch(module)

            spec.loader.exec_module = exec_module  # type: ignore[method-assign]  # of this one loader
        return spec


if __name__ == "sitecustomize":
    if os.environ.get("RUN_DATE"):
        __import__("run_date")  # laid beside this file
    atexit.register(at_end)
    sys.meta_path.insert(0, Watch())
    for loaded in [name for name in PATCHES if name in sys.modules and name != "numpy.random"]:
        PATCHES[loaded](sys.modules[loaded])
