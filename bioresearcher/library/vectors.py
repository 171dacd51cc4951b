"""Vectors of texts by one embedding, each computed once and kept in the library's store."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from bioresearcher.library.store import Store, text_key

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bioresearcher.library.embedding import Embedder

_CACHED: Final = 8_192
_STEP: Final = 32
"""Texts embedded before their vectors are stored: what a crash may lose."""


class Vectors:
    """The vectors of one embedding; not safe for several threads without a lock of the caller's."""

    def __init__(self, store: Store, embedder: Embedder, *, halved: bool = False) -> None:
        """Vectors in a store; `halved` keeps them in 16 bits a number, which costs a cosine less than 0.001."""
        self.name = f"{embedder.name}-half" if halved else embedder.name
        self._store = store
        self._embedder = embedder
        self._type = "<f2" if halved else "<f4"
        self._cache: OrderedDict[str, NDArray[np.float32]] = OrderedDict()

    def of(self, texts: Sequence[str], *, passing: bool = False) -> NDArray[np.float32]:
        """A row for each text: from memory, from the store, or computed, a few at a time.

        They are stored, but for `passing` texts, such as a question that nobody may ask again.
        """
        import numpy as np

        keys = [text_key(text) for text in texts]
        missing = dict(zip(keys, texts, strict=True))
        known = {key: self._cache[key] for key in missing if key in self._cache}
        known |= self._stored([key for key in missing if key not in known])
        rest = [(key, text) for key, text in missing.items() if key not in known]
        known |= self._made(rest, store=not passing)
        for key in missing:
            self._cache[key] = known[key]
            self._cache.move_to_end(key)
        while len(self._cache) > _CACHED:
            self._cache.popitem(last=False)
        if not keys:
            return np.zeros((0, self._embedder.dimension), dtype=np.float32)
        return np.stack([known[key] for key in keys])

    def store(self, texts: Sequence[str]) -> None:
        """Compute and store what is missing, without keeping it in memory."""
        missing = {text_key(text): text for text in texts}
        known = self._store.with_vector(self.name, list(missing))
        self._made([(key, text) for key, text in missing.items() if key not in known])

    def stored(self, keys: Sequence[str]) -> NDArray[np.float32]:
        """The stored vectors of keys, of which none may be missing."""
        import numpy as np

        found = self._store.vectors(self.name, keys)
        return np.frombuffer(b"".join(found[key] for key in keys), dtype=self._type).reshape(len(keys), -1).astype("f4")

    def missing(self, keys: Sequence[str]) -> list[int]:
        """Places of the keys without a stored vector."""
        found = self._store.with_vector(self.name, keys)
        return [n for n, key in enumerate(keys) if key not in found]

    def _stored(self, keys: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        import numpy as np

        found = self._store.vectors(self.name, keys)
        return {key: np.frombuffer(blob, dtype=self._type).astype("f4") for key, blob in found.items()}

    def _made(self, rest: Sequence[tuple[str, str]], *, store: bool = True) -> dict[str, NDArray[np.float32]]:
        import numpy as np

        made: dict[str, NDArray[np.float32]] = {}
        for i in range(0, len(rest), _STEP):
            step = rest[i : i + _STEP]
            rows = self._embedder.embed([text for _, text in step]).astype(self._type)
            if store:
                self._store.put_vectors(
                    self.name, [(key, row.tobytes()) for (key, _), row in zip(step, rows, strict=True)]
                )
            made.update((key, row) for (key, _), row in zip(step, np.asarray(rows, dtype="f4"), strict=True))
        return made
