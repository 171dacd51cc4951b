"""Panels of models on recorded answers made elsewhere: votes, learnt fusion, focal diversity, and the cascade's cost.

    python benchmarks/bench_panel.py [FOLDER]

FOLDER (or the environment variable BIORESEARCHER_PANEL_DATA) holds `bbh_5models.npz` (answers of five models to 24
tasks of BIG-Bench Hard, arrays `<task>__train` and `<task>__test`: options' log-probabilities of one model after the
other, then the label) and `reference_numbers.json`. Neither is part of the project.
"""

from __future__ import annotations

import itertools
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import spearmanr

from bioresearcher.review.panel.cascade import choose_thresholds, run_cascade
from bioresearcher.review.panel.diversity import focal_diversity, plurality
from bioresearcher.review.panel.fusion import fit_rule, out_of_fold, probabilities

Array = NDArray[np.float64]
MODELS = ("Llama-2-70b-chat-hf", "Mixtral-8x7B-Instruct-v0.1", "gemma-7b", "phi-2", "Mistral-7B-v0.1")
BILLIONS = {MODELS[0]: 70.0, MODELS[1]: 12.9, MODELS[2]: 8.5, MODELS[3]: 2.7, MODELS[4]: 7.2}
"""Parameters that work on a token, in billions, as the cost of asking a model."""
BUDGETS = (3.0, 5.0, 8.0, 12.0, 16.0, 20.0, 31.3, 50.0, 101.3)


def read_tasks(path: Path) -> dict[str, tuple[tuple[Array, NDArray[np.int64]], ...]]:
    """Read each task's train and test answers, of shape (models, samples, options), with their labels."""
    data = np.load(path, allow_pickle=False)
    found = {}
    for task in sorted({name.partition("__")[0] for name in data.files}):
        parts = []
        for half in ("train", "test"):
            table = data[f"{task}__{half}"].astype(float)
            options = (table.shape[1] - 1) // len(MODELS)
            answers = table[:, :-1].reshape(len(table), len(MODELS), options).transpose(1, 0, 2)
            parts.append((answers, table[:, -1].astype(int)))
        found[task] = tuple(parts)
    return found


def joined(answers: Array, chosen: tuple[int, ...]) -> Array:
    """Put the answers of some models side by side; shape (samples, models x options)."""
    return np.concatenate([answers[k] for k in chosen], axis=1)


def accuracy_of_fusion(train: tuple[Array, Any], test: tuple[Array, Any], chosen: tuple[int, ...]) -> float:
    """Learn on train answers and return the share of right answers on test answers."""
    rule = fit_rule(joined(train[0], chosen), [str(y) for y in train[1]])
    p = probabilities(rule, joined(test[0], chosen))
    return float(np.mean([rule.labels[k] == str(y) for k, y in zip(p.argmax(axis=1), test[1], strict=True)]))


def main(folder: Path) -> int:
    """Print all figures beside the reference; return 1 where one is off."""
    reference = json.loads((folder / "reference_numbers.json").read_text(encoding="utf-8"))
    tasks = read_tasks(folder / "bbh_5models.npz")
    off = []

    def line(what: str, value: float, wanted: float, tolerance: float, unit: float = 100) -> None:
        fits = abs(value - wanted) * unit <= tolerance
        off.extend([] if fits else [what])
        print(f"{what:66} {value * unit:7.2f}  reference {wanted * unit:7.2f}{'' if fits else '   OFF'}")

    print("single models, mean over tasks of the test accuracy, %")
    for k, name in enumerate(MODELS):
        single = np.mean([np.mean(test[0][k].argmax(axis=1) == test[1]) for _, test in tasks.values()])
        line(name, float(single), reference["base"][name]["mean_test"], 0.005)

    subsets = [s for size in range(2, 6) for s in itertools.combinations(range(5), size)]
    known = {tuple(MODELS.index(m) for m in s["models"]): s for s in reference["subsets"]}
    focal, votes, train_votes, fused = [], [], [], []
    for chosen in subsets:
        by_task, vote, train_vote = [], [], []
        for train, test in tasks.values():
            failed = np.stack([train[0][k].argmax(axis=1) != train[1] for k in chosen])
            by_task.append(focal_diversity(failed) or 0.0)
            for (answers, labels), into in ((train, train_vote), (test, vote)):
                choices = np.stack([answers[k].argmax(axis=1) for k in chosen])
                into.append(np.mean(plurality(choices, answers.shape[2]) == labels))
        focal.append(float(np.mean(by_task)))
        votes.append(float(np.mean(vote)))
        train_votes.append(float(np.mean(train_vote)))
        fused.append(float(np.mean([accuracy_of_fusion(halves[0], halves[1], chosen) for halves in tasks.values()])))
    worst_focal = max(
        abs(f - known[s]["mean_focal_diversity_train"]) for f, s in zip(focal, subsets, strict=True) if s in known
    )
    worst_vote = max(
        abs(v - known[s]["mean_plurality_acc_test"]) for v, s in zip(votes, subsets, strict=True) if s in known
    )
    line("focal diversity, largest difference over 26 sub-panels", worst_focal, 0, 1e-6, 1)
    line("vote, largest difference over 26 sub-panels", worst_vote, 0, 1e-6, 1)
    best = int(np.argmax(votes))
    line(f"best vote: {' + '.join(MODELS[k] for k in subsets[best])}", votes[best], 0.4411, 0.01)
    line("learnt fusion of all five", fused[-1], 0.5839, 0.3)
    raw = reference["logistic_regression_on_raw_logprobs_test"]
    differences = [abs(f - raw["+".join(MODELS[k] for k in s)]) for f, s in zip(fused, subsets, strict=True)]
    line("learnt fusion, largest difference over 26 sub-panels", max(differences), 0, 1.0)
    line("Spearman, focal diversity (train) with vote (test)", spearmanr(focal, votes).statistic, 0.08, 0.01, 1)
    line("Spearman, focal diversity (train) with fusion (test)", spearmanr(focal, fused).statistic, 0.53, 0.02, 1)
    line("Spearman, vote on train with vote on test", spearmanr(train_votes, votes).statistic, 0.93, 0.01, 1)
    off += cascade(tasks)
    print("all as the reference says" if not off else f"off: {'; '.join(off)}")
    return 1 if off else 0


def cascade(tasks: dict[str, Any]) -> list[str]:
    """Print the accuracy-cost curve of the cascade on held-out samples; return the budgets that were exceeded."""
    order = sorted(range(5), key=lambda k: BILLIONS[MODELS[k]])
    costs = np.array([BILLIONS[MODELS[k]] for k in order])
    prefixes = [tuple(order[: n + 1]) for n in range(5)]
    sure, right, held_sure, held_right, sizes = [], [], [], [], []
    for (answers, labels), (test, truth) in tasks.values():
        names, wanted = [str(y) for y in labels], [str(y) for y in truth]
        ours, good, theirs, well = [], [], [], []
        for chosen in prefixes:
            found, p = out_of_fold(joined(answers, chosen), names)
            ours.append(p)
            good.append([a == b for a, b in zip(found, names, strict=True)])
            rule = fit_rule(joined(answers, chosen), names)
            q = probabilities(rule, joined(test, chosen))
            theirs.append(q.max(axis=1))
            well.append([rule.labels[k] == y for k, y in zip(q.argmax(axis=1), wanted, strict=True)])
        sure.append(np.array(ours))
        right.append(np.array(good))
        held_sure.append(np.array(theirs))
        held_right.append(np.array(well))
        sizes.append(len(truth))
    weights = np.concatenate([np.full(n, 1 / n / len(sizes)) for n in sizes])
    shuffled = np.random.default_rng(0).permutation(sum(sizes))
    known, truth = np.concatenate(held_sure, axis=1), np.concatenate(held_right, axis=1)
    print(f"cascade {' > '.join(MODELS[k] for k in order)}; cost in billions of parameters a sample, held-out samples")
    print("  budget    cost  guard held   accuracy   after stages")
    over = []
    for budget in BUDGETS:
        chosen = choose_thresholds(np.concatenate(sure, axis=1), np.concatenate(right, axis=1), costs, budget)
        run = run_cascade(known[:, shuffled], chosen.least, costs, budget)
        good = truth[:, shuffled][run.stages, np.arange(len(shuffled))]
        accuracy = float(np.dot(good, weights[shuffled]))
        ended = " ".join(f"{np.mean(run.stages == k):.2f}" for k in range(5))
        print(f"  {budget:6.1f}  {run.cost:6.2f}  {run.held:10d}   {accuracy * 100:8.2f}   {ended}")
        if run.cost > budget:
            over.append(f"budget {budget}")
    for n in range(len(prefixes)):
        accuracy = float(np.dot(truth[n], weights)) * 100
        print(f"  all samples to stage {n + 1}: cost {costs[: n + 1].sum():6.1f}, accuracy {accuracy:.2f}")
    return over


if __name__ == "__main__":
    where = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("BIORESEARCHER_PANEL_DATA", "")
    if not where or not (Path(where) / "bbh_5models.npz").is_file():
        print(
            "bench_panel: the recorded answers are not there: name the folder with bbh_5models.npz and "
            "reference_numbers.json, or set BIORESEARCHER_PANEL_DATA. Nothing was measured.",
            file=sys.stderr,
        )
        sys.exit(2)
    sys.exit(main(Path(where)))
