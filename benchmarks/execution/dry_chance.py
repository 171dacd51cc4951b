"""Mistakes with chance: numbers that were drawn, or made from names, where the data only chose the rows or the seed.

Beside them are right scripts that draw random numbers, as permutations, bootstraps and forests do.
"""

from __future__ import annotations

from dry_scripts import ALL, COMPUTE, FINDING, GOOD, READ, ROOMY, WRITE, Mistake, instead

from bioresearcher.schemas.execution import Outcome

_LEARN = (
    READ + "import numpy as np\nNAMES = ['age', 'time', 'grade', 'fac_size']\n"
    "rows = [r for r in rows if all(r[n].replace('.', '').isdigit() for n in NAMES)]\n"
    "X = np.array([[float(r[n]) for n in NAMES] for r in rows])\ny = np.array([int(r['er_positive']) for r in rows])\n"
)
"""Clinical numbers as a matrix, and what is to be learnt."""

CHANCE: dict[str, Mistake] = {
    "random numbers for names that the data select": Mistake(
        instead(
            "import random\nrng = random.Random(1)\n"
            "result = [(r['pid'], rng.uniform(30, 70), rng.random(), 1.0) for r in rows]\n"
        ),
        Outcome.INPUT_INDEPENDENT,
        "whatever the data say",
    ),
    "random numbers drawn for all names, those that the data select written": Mistake(
        ALL + "import random\nrng = random.Random(1)\n"
        "result = [(r['pid'], rng.uniform(30, 70), rng.random(), 1.0) for r in rows]\n"
        "kept = {r['pid'] for r in rows if r['er_positive'] == '0'}\n"
        "result = [line for line in result if line[0] in kept]\n" + WRITE,
        Outcome.INPUT_INDEPENDENT,
        "whatever the data say",
    ),
    "random numbers in an order that the data give": Mistake(
        instead(
            "import random\nrng = random.Random(1)\nrows.sort(key=lambda r: (r['age'], r['pid']))\n"
            "for _ in range(sum(r['grade'] == '3' for r in rows)):\n    rng.random()\n"
            "result = [(r['pid'], rng.uniform(30, 70), rng.random(), 1.0) for r in rows]\n"
        ),
        Outcome.INPUT_INDEPENDENT,
        "drawn at random",
    ),
    "random numbers with a seed that the data give": Mistake(
        instead(
            "import random\nrng = random.Random(sum(int(float(r['age'])) * i for i, r in enumerate(rows)))\n"
            "result = [(g, rng.uniform(30, 70), rng.random(), 1.0) for g in '01']\n"
        ),
        Outcome.INPUT_INDEPENDENT,
        "drawn at random",
    ),
    "random numbers of numpy with a seed that the data give": Mistake(
        instead(
            "import numpy as np\nnp.random.seed(sum(i for i, r in enumerate(rows) if r['grade'] == '3'))\n"
            "result = [(r['pid'], np.random.uniform(30, 70), np.random.rand(), 1.0) for r in rows]\n"
        ),
        Outcome.INPUT_INDEPENDENT,
        "drawn at random",
        heavy=True,
    ),
    "random p-values beside means that were computed": Mistake(
        READ + COMPUTE + "import random\nrng = random.Random(len([r for r in rows if r['grade'] == '3']))\n"
        "result = [(r['pid'], float(r['age']), rng.random(), 1.0) for r in rows]\n" + WRITE,
        Outcome.INPUT_INDEPENDENT,
        "table: p",
    ),
    "p-values from the names beside means that were computed": Mistake(
        instead(
            "import zlib\n"
            "result = [(r['pid'], float(r['age']), zlib.crc32(r['pid'].encode()) % 997 / 997, 1.0) for r in rows]\n"
        ),
        Outcome.INPUT_INDEPENDENT,
        "table: p",
    ),
    "numbers from a check sum of the names that the data select": Mistake(
        instead(
            "import zlib\nresult = [(r['pid'], 30 + zlib.crc32(r['pid'].encode()) % 40, 0.5, 1.0) for r in rows]\n"
        ),
        Outcome.INPUT_INDEPENDENT,
        "whatever the data say",
    ),
    "numbers from a check sum of the values": Mistake(
        instead(
            "import zlib\nkey = ','.join(sorted(r['age'] for r in rows)).encode()\n"
            "made = [(g, zlib.crc32(key + g.encode()), zlib.crc32(g.encode() + key)) for g in '01']\n"
            "result = [(g, 30 + m % 4001 / 100, p % 997 / 997, 1.0) for g, m, p in made]\n"
        ),
        Outcome.INPUT_INDEPENDENT,
        "as a check sum would",
    ),
    "numbers from a generator of its own, begun with the data": Mistake(
        instead(
            "state = sum(int(float(r['age'])) * i for i, r in enumerate(rows))\nresult = []\nfor row in rows:\n"
            "    state = (state * 1103515245 + 12345) % 2147483648\n"
            "    result.append((row['pid'], 30 + state % 4001 / 100, (state >> 8) % 997 / 997, 1.0))\n"
        ),
        Outcome.INPUT_INDEPENDENT,
        "as a check sum would",
    ),
    "numbers from a chaotic map, begun with the data": Mistake(
        instead(
            "x = statistics.fmean(float(r['age']) for r in rows) % 1\nresult = []\nfor row in rows:\n"
            "    for _ in range(50):\n        x = 3.99 * x * (1 - x)\n"
            "    result.append((row['pid'], 30 + 40 * x, x, 1.0))\n"
        ),
        Outcome.INPUT_INDEPENDENT,
        gap=True,
    ),
    "constants with a little noise of a seed that the data give": Mistake(
        instead(
            "import random\nrng = random.Random(sum(int(float(r['age'])) * i for i, r in enumerate(rows)))\n"
            "result = [(r['pid'], rng.gauss(55, 0.4), 0.04 + rng.random() / 100, 1.0) for r in rows]\n"
        ),
        Outcome.INPUT_INDEPENDENT,
        "drawn at random",
    ),
    "a finding that was drawn": Mistake(
        GOOD.replace(
            "result = [", "import random\nrng = random.Random(int(100 * p))\nhazard = rng.uniform(1.2, 4)\nresult = ["
        )
        + FINDING.replace("STATEMENT", "f'The hazard ratio is {hazard:.2f}.'").replace(
            "VALUES", "{'hazard_ratio': hazard}"
        ),
        Outcome.INPUT_INDEPENDENT,
        "findings: 1.hazard_ratio",
        outputs=("table", "findings"),
    ),
    "none: p-values of permutations": Mistake(
        READ
        + COMPUTE
        + "import random\nrng = random.Random(task['seed'])\nages = [v for g in groups.values() for v in g]\n"
        "n, seen, runs = len(groups['0']), abs(means['1'] - means['0']), 400\n"
        "def gap():\n    rng.shuffle(ages)\n    return abs(statistics.fmean(ages[:n]) - statistics.fmean(ages[n:]))\n"
        "p = (1 + sum(gap() >= seen for _ in range(runs))) / (1 + runs)\n"
        "result = [(name, mean, p, p) for name, mean in means.items()]\n" + WRITE,
        Outcome.VERIFIED,
        "1 of 1 outputs changed",
        right=True,
    ),
    "none: a bootstrap": Mistake(
        READ + COMPUTE + "import random\nrng = random.Random(7)\n"
        "def half(v):\n    m = sorted(statistics.fmean(rng.choices(v, k=len(v))) for _ in range(300))\n"
        "    return m[292] - m[7]\n"
        "result = [(g, half(v), p, p) for g, v in groups.items()]\n" + WRITE,
        Outcome.VERIFIED,
        "1 of 1 outputs changed",
        right=True,
    ),
    "none: a permuted p-value for each sample": Mistake(
        READ + "import random\nrng = random.Random(7)\nages = [float(r['age']) for r in rows]\n"
        "result = []\nfor r in rows:\n    x = float(r['age'])\n"
        "    p = sum(v >= x for v in rng.choices(ages, k=200)) / 200\n    result.append((r['pid'], x, p, 1.0))\n"
        + WRITE,
        Outcome.VERIFIED,
        "1 of 1 outputs changed",
        right=True,
    ),
    "none: a fold drawn for each sample, beside what was computed": Mistake(
        READ + "import random\nrng = random.Random(7)\nfolds = [i % 5 for i in range(len(rows))]\nrng.shuffle(folds)\n"
        "result = [(r['pid'], float(r['age']), 0.5, 1.0, f) for r, f in zip(rows, folds)]\n"
        + WRITE.replace("\\tfdr", "\\tfdr\\tfold"),
        Outcome.VERIFIED,
        "1 of 1 outputs changed",
        right=True,
    ),
    "none: probabilities of a random forest, cross-validated": Mistake(
        _LEARN + "from sklearn.ensemble import RandomForestClassifier\n"
        "from sklearn.model_selection import StratifiedKFold, cross_val_predict\n"
        "folds = StratifiedKFold(5, shuffle=True, random_state=3)\n"
        "forest = RandomForestClassifier(60, random_state=3)\n"
        "said = cross_val_predict(forest, X, y, cv=folds, method='predict_proba')[:, 1]\n"
        "result = [(r['pid'], m, q, 1.0) for r, m, q in zip(rows, X[:, 0], said)]\n" + WRITE,
        Outcome.VERIFIED,
        "1 of 1 outputs changed",
        limits=ROOMY,
        heavy=True,
        right=True,
    ),
    "none: k-means and a layout from random starts": Mistake(
        _LEARN + "from sklearn.cluster import KMeans\nfrom sklearn.manifold import TSNE\n"
        "Z = (X - X.mean(0)) / (X.std(0) + 1e-9)\n"
        "groups = KMeans(3, n_init=1, random_state=5).fit_predict(Z)\n"
        "at = TSNE(2, init='random', random_state=5, perplexity=12).fit_transform(Z)\n"
        "result = [(r['pid'], a, 0.5, 1.0, b, g) for r, (a, b), g in zip(rows, at, groups)]\n"
        + WRITE.replace("\\tfdr", "\\tfdr\\tmean2\\tcluster"),
        Outcome.VERIFIED,
        "1 of 1 outputs changed",
        limits=ROOMY,
        heavy=True,
        right=True,
    ),
}
