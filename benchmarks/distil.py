"""Makes `bioresearcher/library/minilm-static.npz` anew: `python benchmarks/distil.py [FILE]` (a minute or two).

A static embedding gives each token one vector, whatever stands beside it, so that a text costs a look-up per token
instead of a pass through the model. The vectors are distilled from the model alone, no text is needed: what it makes of
the token by itself (its first output), centred, scaled to length one, turned to principal components, the strong ones
held back, and weighted by how rare the token is. To take the frequency from the token's rank in the vocabulary by
Zipf's law is the published idea of Model2Vec (Tulkens and van Dongen 2024); the weight is that of Arora, Liang and Ma
(2017).
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bioresearcher.retrieval import embedding

DIMENSION = 128
FLATTEN = 0.5
"""Component i is divided by its singular value to this power: 0 leaves principal components as they are, 1 whitens."""
RARITY = 3e-5
"""A token of probability p weighs RARITY / (RARITY + p)."""
BATCH = 32


def outputs(tokenizer: Any, model: Any) -> NDArray[np.float64]:
    """The model's first output for each token of the vocabulary between its two markers."""
    first, last = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    size = tokenizer.get_vocab_size()
    found = np.zeros((size, 384))
    for start in range(0, size, BATCH):
        ids = np.array([[first, token, last] for token in range(start, min(size, start + BATCH))], dtype=np.int64)
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        found[start : start + BATCH] = model.run(None, feed)[0][:, 0]
    return found


def likelihood(tokens: list[str]) -> NDArray[np.float64]:
    """How likely each token is, by Zipf's law from its place.

    Words stand in the order of their frequency and begin with `the`; before them stand signs, taken to be as frequent
    as the tenth word, and single letters of all scripts, as the two hundredth.
    """
    start = tokens.index("the")
    rank = np.arange(len(tokens)) - start
    rank[:start] = [200 if token.isalnum() else 10 for token in tokens[:start]]
    likely = 1 / (rank + 2.7)  # Mandelbrot's constant
    return np.asarray(likely / likely[start:].sum())


def distilled(vectors: NDArray[np.float64], tokens: list[str]) -> NDArray[np.float64]:
    """The weighted table: a row of `DIMENSION` numbers per token; zero for markers that never stand in a text."""
    real = np.array([not (token.startswith("[") and len(token) > 1) for token in tokens])
    centred = vectors - vectors[real].mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    _, strength, axes = np.linalg.svd(centred[real], full_matrices=False)
    axes *= np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]  # the same sign everywhere
    table = (centred @ axes[:DIMENSION].T) * (strength[:DIMENSION] / strength[0]) ** -FLATTEN
    weighted: NDArray[np.float64] = table * (RARITY / (RARITY + likelihood(tokens)))[:, None] * real[:, None]
    return weighted


def main() -> None:
    """Write the table in whole numbers of eight bits with a scale per token, and print its check sum."""
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(embedding.__file__).with_name(embedding.TABLE)
    tokenizer, model = embedding.load_tokenizer(), embedding.load_model()
    tokens = [tokenizer.id_to_token(i) or "[]" for i in range(tokenizer.get_vocab_size())]
    table = distilled(outputs(tokenizer, model), tokens)
    scale = np.maximum(np.abs(table).max(axis=1), 1e-9) / 127
    np.savez(path, rows=np.round(table / scale[:, None]).astype(np.int8), scale=scale.astype(np.float32))
    print(f"{path}: {path.stat().st_size:,} bytes, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
