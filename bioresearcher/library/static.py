"""Vectors for indexing: a table look-up per token, thousands of passages a second, without the model in memory.

The table was distilled from the embedded model (`tests/benchmarks/distil.py` makes it anew and says how). A text is the
sum of its tokens' weighted vectors, scaled to length one. It is a coarse likeness of what the model says: good for
finding candidates that share few words with a question, not for ordering them.
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bioresearcher.errors import DefectError
from bioresearcher.library.embedding import load_tokenizer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

TABLE: Final = "minilm-static.npz"
TABLE_SHA256: Final = "e4f042a3d5e39e6faf4fd8ca183d56ffaa5dab4ecc37a7704e9a5e3e1a8a0944"


class StaticMiniLM:
    """The shipped table; loaded at the first use, and safe to use from several threads."""

    name: Final = f"minilm-l6-v2-static-128-{TABLE_SHA256[:8]}"
    dimension: Final = 128

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: tuple[NDArray[np.int8], NDArray[np.float32], Any] | None = None

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of length one, a row for each text; a text without a known token has the vector of a full stop.

        Texts are not cut. A text's vector does not depend on the texts beside it.

        Raises:
            DefectError: The table or the tokenizer is missing or is not the one this program was tested with.
        """
        import numpy as np

        result = np.zeros((len(texts), self.dimension), dtype=np.float32)
        if not texts:
            return result
        with self._lock:
            rows, scale, tokenizer = self._loaded = self._loaded or _load()
            for n, text in enumerate(texts):
                ids = tokenizer.encode(text, add_special_tokens=False).ids
                result[n] = scale[ids] @ rows[ids].astype(np.float32)
            stop = tokenizer.token_to_id(".")
            result[~result.any(axis=1)] = rows[stop]
        result /= np.linalg.norm(result, axis=1, keepdims=True)
        return result


def _load() -> tuple[NDArray[np.int8], NDArray[np.float32], Any]:
    import numpy as np

    path = Path(__file__).with_name(TABLE)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DefectError(f"{TABLE} cannot be read: {error.strerror}.", hint="Reinstall bioresearcher.") from error
    found = hashlib.sha256(data).hexdigest()
    if found != TABLE_SHA256:
        raise DefectError(
            f"{TABLE} is not the one this program was tested with (sha256 {found[:12]}…).",
            hint="Reinstall bioresearcher.",
        )
    with np.load(io.BytesIO(data), allow_pickle=False) as table:
        return table["rows"], table["scale"], load_tokenizer(limit=None)
