"""The statistics inside the vetted analyses, held against other implementations."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

SKILLS = Path(__file__).parents[2] / "agents" / "skills"


def script(skill: str) -> ModuleType:
    """A skill's script as a module; the helper module is found as it is at run time."""
    if str(SKILLS / "_lib") not in sys.path:
        sys.path.insert(0, str(SKILLS / "_lib"))
    name = f"skill_{skill.replace('-', '_')}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, SKILLS / skill / "scripts" / "run.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@given(st.integers(0, 2**32 - 1), st.floats(0, 0.3))
@settings(max_examples=20, deadline=None)
def test_welch_agrees_with_scipy_gene_by_gene(seed: int, missing: float) -> None:
    rng = np.random.default_rng(seed)
    matrix = pd.DataFrame(rng.normal(0, 1, (12, 17)), [f"G{i}" for i in range(12)], [f"S{i}" for i in range(17)])
    matrix = matrix.mask(rng.random(matrix.shape) < missing)
    made = script("differential-expression").welch(matrix.iloc[:, :7], matrix.iloc[:, 7:]).set_index("gene")
    for gene, row in made.iterrows():
        test = stats.ttest_ind(matrix.loc[gene].iloc[:7].dropna(), matrix.loc[gene].iloc[7:].dropna(), equal_var=False)
        assert row["t"] == pytest.approx(test.statistic)
        assert row["p"] == pytest.approx(test.pvalue)


@given(st.integers(20, 200), st.integers(5, 19), st.integers(0, 19), st.integers(0, 2**16))
@settings(max_examples=30, deadline=None)
def test_over_representation_agrees_with_fishers_test(background: int, size: int, called: int, seed: int) -> None:
    genes = [f"G{i}" for i in range(background)]
    members = genes[:size]
    chosen = list(np.random.default_rng(seed).permutation(genes)[:called])
    made = script("over-representation").enrich({"SET": members}, {"up": chosen, "down": []}, background)
    up = made[made["direction"] == "up"].iloc[0]
    both = len(set(members) & set(chosen))
    square = [[both, size - both], [called - both, background - size - called + both]]
    if min(min(row) for row in square) >= 0:
        assert up["p"] == pytest.approx(stats.fisher_exact(square, alternative="greater").pvalue)
    assert made[made["direction"] == "down"]["p"].iloc[0] == pytest.approx(1.0)


@given(st.lists(st.integers(0, 2), min_size=6, max_size=30))
@settings(max_examples=30, deadline=None)
def test_adjusted_rand_index_agrees_with_scikit_learn(labels: list[int]) -> None:
    from sklearn.metrics import adjusted_rand_score

    other = [(x * 7 + i) % 2 for i, x in enumerate(labels)]
    made = script("clustered-heatmap").adjusted_rand(pd.Series(labels), pd.Series(other))
    assert made == pytest.approx(adjusted_rand_score(labels, other))


def test_principal_components_agree_with_scikit_learn() -> None:
    from sklearn.decomposition import PCA

    matrix = pd.DataFrame(np.random.default_rng(3).normal(8, 1, (200, 24)))
    centred, filled = script("pca-plot").prepare(matrix, 150)
    scores, variance, loadings = script("pca-plot").decompose(centred, 5)
    model = PCA(5, svd_solver="full").fit(centred.T)
    assert (filled, centred.shape) == (0, (150, 24))
    np.testing.assert_allclose(variance["share"], model.explained_variance_ratio_)
    np.testing.assert_allclose(np.abs(loadings.T), np.abs(model.components_), atol=1e-10)
    np.testing.assert_allclose(centred.T @ loadings, scores, atol=1e-10)
