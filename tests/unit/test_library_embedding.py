"""The embedded model gives the vectors of all-MiniLM-L6-v2."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from bioresearcher.errors import DefectError
from bioresearcher.retrieval import embedding
from bioresearcher.retrieval.embedding import Embedder, MiniLM, StaticMiniLM

TEXTS = [
    "Cells were lysed in RIPA buffer and proteins were separated by SDS-PAGE.",
    "Western blot analysis of protein lysates",
    "The cat sat on the mat",
    "Kaplan-Meier survival curves were compared with the log-rank test.",
    "Differential expression was computed with limma, FDR < 0.05.",
]
# Cosines of the same texts by the published fp32 weights of all-MiniLM-L6-v2, computed in numpy.
REFERENCE = [
    [1.0, 0.458, -0.013, 0.185, 0.149],
    [0.458, 1.0, -0.049, 0.215, 0.106],
    [-0.013, -0.049, 1.0, 0.058, 0.007],
    [0.185, 0.215, 0.058, 1.0, 0.159],
    [0.149, 0.106, 0.007, 0.159, 1.0],
]


@pytest.fixture(scope="module")
def model() -> MiniLM:
    return MiniLM()


def test_similarities_are_those_of_the_published_model(model: MiniLM) -> None:
    vectors = model.embed(TEXTS)
    assert vectors.shape == (5, 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.abs(vectors @ vectors.T - np.array(REFERENCE)).max() < 0.02


def test_a_vector_does_not_depend_on_its_neighbours_or_threads(model: MiniLM) -> None:
    together = model.embed(TEXTS)
    with ThreadPoolExecutor(4) as pool:
        alone = np.vstack(list(pool.map(lambda t: model.embed([t]), TEXTS)))
    assert np.abs(together - alone).max() < 1e-5


def test_empty_and_long_texts_have_vectors(model: MiniLM) -> None:
    assert model.embed([]).shape == (0, 384)
    vectors = model.embed(["", "gene " * 300, "gene " * 3_000])
    assert np.isfinite(vectors).all()
    assert np.allclose(vectors[1], vectors[2], atol=1e-5)  # cut at 256 tokens


def test_static_vectors_tell_topics_apart_and_do_not_depend_on_neighbours() -> None:
    table = StaticMiniLM()
    vectors = table.embed(TEXTS)
    assert vectors.shape == (5, table.dimension)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    similar = vectors @ vectors.T
    assert similar[0, 1] > max(similar[0, 2:])
    assert similar[3, 4] > similar[3, 2]
    with ThreadPoolExecutor(4) as pool:
        alone = np.vstack(list(pool.map(lambda t: table.embed([t]), TEXTS)))
    assert np.array_equal(vectors, alone)
    assert table.embed([]).shape == (0, table.dimension)
    assert np.allclose(np.linalg.norm(table.embed(["", "\u200b", "🧬", "x" * 9_999]), axis=1), 1, atol=1e-5)


def test_the_static_table_is_the_model_s_own(model: MiniLM) -> None:
    """Its likeness of two words follows the model's, so it was made from this model and this tokenizer."""
    words = [
        "tumour",
        "cancer",
        "carcinoma",
        "guitar",
        "violin",
        "melody",
        "bacteria",
        "microbe",
        "virus",
        "parliament",
    ]

    def pairs(embedder: Embedder) -> np.ndarray:
        vectors = embedder.embed(words)
        return (vectors @ vectors.T)[np.triu_indices(len(words), 1)]

    assert np.corrcoef(pairs(model), pairs(StaticMiniLM()))[0, 1] > 0.6


def test_another_static_table_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "TABLE_SHA256", "0" * 64)
    with pytest.raises(DefectError, match="not the one this program was tested with"):
        StaticMiniLM().embed(["x"])
    monkeypatch.setattr(embedding, "TABLE", "missing.npz")
    with pytest.raises(DefectError, match="cannot be read"):
        StaticMiniLM().embed(["x"])


def test_another_model_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "MODEL_SHA256", "0" * 64)
    with pytest.raises(DefectError, match="8199be6f699a"):
        MiniLM().embed(["x"])


def test_the_tokenizer_and_the_table_are_shipped_with_their_licence() -> None:
    folder = Path(embedding.__file__).parent
    assert "derivative work" in (folder / "minilm-static.LICENSE.txt").read_text(encoding="utf-8")
    assert (folder / "minilm-tokenizer.json").is_file()
    assert "Apache License" in (folder / "minilm-tokenizer.LICENSE.txt").read_text(encoding="utf-8")
