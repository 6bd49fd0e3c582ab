"""Parting real sets into sites: what `jointset partition` writes and tells, against closed forms and the source.

    python bench/partition.py [--only mnist10k fsdd adult] [--seeds 0 1 2] [--draws 100]

*mnist10k* by writer and *fsdd* by speaker: sizes, counts and distances against pandas and SciPy. *adult*: eight sites
by `--dirichlet`, `--mixture`, `--quantity` (four strengths each), `--iid`, `--noise` and `--clusters`; the command once
a seed, and, as one draw says little about a law, the public functions `draws` times a seed. Every run: no row is lost,
changed or in two sites. A tolerance is four standard errors of what was drawn, unless it is 0.

Closed forms, P sites, K classes, n rows, p the share of a class: a site's share of one by Dir(α 1) has mean 1/P, the
variance (P − 1) / (P² (P α + 1)); the mean over rows of their site's total variation is, of two classes, P p (1 − p)
E|X − Y| with X, Y ~ Beta(α, (P − 1) α), and E|X − Y| = 2 ∫ F (1 − F); that of the Jensen–Shannon distance is a double
integral over X and Y. The first site of a mixture is Dirichlet-multinomial. Sizes have the Gini coefficient
(P − 1)/P · Γ(α + ½) / (√π Γ(α + 1)). χ² of even sites has (P − 1) (K − 1) n / (n − 1). A draw with an empty site is
drawn again; where that happens in more than one of a thousand, the law is simulated, given that no site is empty.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from scipy.spatial.distance import jensenshannon

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT / "bench") in sys.path:  # a script's own folder would hide Hugging Face's `datasets`
    sys.path.remove(str(ROOT / "bench"))
sys.path.insert(0, str(ROOT))

from bench.datasets import data_file  # noqa: E402
from bench.partition_laws import SITES, dirichlet_laws, gini_of, size_laws, variance_of  # noqa: E402
from jointset.cli.main import app  # noqa: E402
from jointset.data import sites  # noqa: E402

ALPHAS, ERRORS, SIGMA = (0.1, 1.0, 10.0, 100.0), 4.0, 0.5
Row = tuple[str, str, float, list[float], float]  # sites, what, law, found by seed, tolerance
Found = dict[str, np.ndarray]  # statistic → one value a draw


def command(source: Path, label: str, *options: Any) -> tuple[dict[str, Any], pd.DataFrame]:
    """Run the command; returns what it tells and all rows it wrote, in the order of the source, with their site."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "study"
        said = ["partition", source, "--label", label, "--out", out, "--json", *options]
        with contextlib.redirect_stdout(io.StringIO()):
            app([str(o) for o in said], standalone_mode=False)
        told = json.loads((out / "statistics.json").read_text(encoding="utf-8"))
        parts = [pd.read_parquet(out / path).assign(site=name) for name, path in told["files"].items()]
    return told, pd.concat(parts).sort_values("source_row", kind="stable", ignore_index=True)


def conserved(
    way: str, source: pd.DataFrame, runs: Sequence[pd.DataFrame], changed: Sequence[str] = ()
) -> Row:
    """Rows lost, doubled or changed, by run."""
    same = [c for c in source if c not in changed and not isinstance(source[c].iloc[0], bytes)]
    found = []
    for rows in runs:
        wrong = len(set(range(len(source))) ^ set(rows["source_row"])) + int(
            rows["source_row"].duplicated().sum()
        )
        if not wrong:
            wrong = int(source[same].compare(rows[same]).index.nunique())
        found.append(float(wrong))
    return way, "rows lost, in two sites or changed", 0.0, found, 0.0


def described(way: str, told: dict[str, Any], source: pd.DataFrame, by: str, label: str) -> list[Row]:
    """What was told of natural sites against pandas' counts and SciPy's distances."""
    table = pd.crosstab(source[by], source[label])
    counts, entries = table.to_numpy(), list(told["sites"].values())
    q, pooled = counts / counts.sum(1, keepdims=True), counts.sum(0) / counts.sum()
    size = counts.sum(1)
    chi2, p_value, dof, _ = stats.chi2_contingency(counts, correction=False)
    gaps = np.abs(size[:, None] - size[None]).mean() / (2 * size.mean())
    same = {
        "sizes": (size, [e["rows"] for e in entries]),
        "labels": (counts, [list(e["labels"].values()) for e in entries]),
        "TV": (np.abs(q - pooled).sum(1) / 2, [e["total_variation"] for e in entries]),
        "JS": ([jensenshannon(r, pooled, base=2) for r in q], [e["jensen_shannon"] for e in entries]),
        "Hellinger": (
            [np.linalg.norm(np.sqrt(r) - np.sqrt(pooled)) / np.sqrt(2) for r in q],
            [e["hellinger"] for e in entries],
        ),
        "classes": (np.exp(stats.entropy(q, axis=1)), [e["effective_classes"] for e in entries]),
    }
    rows: list[Row] = [
        (way, f"{what} of {len(table)} sites, largest gap to the source", 0.0, [largest(*pair)], 1e-6)
        for what, pair in same.items()
    ]
    return [
        *rows,
        (way, "Gini = half the relative mean difference", gaps, [told["gini"]], 1e-6),
        (way, "χ²", chi2, [told["labels"]["chi2"]], 1e-3),
        (way, "degrees of freedom", dof, [float(told["labels"]["dof"])], 0.0),
        (way, "p-value", p_value, [told["labels"]["p_value"]], 1e-6),
    ]


def largest(wanted: Any, found: Any) -> float:
    """The largest absolute difference; infinite where the shapes differ."""
    a, b = np.asarray(wanted, float), np.asarray(found, float)
    return float(np.abs(a - b).max()) if a.shape == b.shape else float("inf")


def mnist10k(seeds: Sequence[int], draws: int) -> list[Row]:
    source = pd.read_parquet(path := data_file("mnist10k", "mnist10k.parquet"))
    told, rows = command(path, "digit", "--by", "writer", "--input", "image=px28:28x28")
    way = "mnist10k by writer"
    table = pd.crosstab(source["writer"], source["digit"])
    # writers wrote what they were asked to, so χ² is far below its degrees of freedom: that is the set's, and exact
    return [conserved(way, source, [rows]), *described(way, told, source, "writer", "digit"), (
        way, "writers whose site is their own", float(len(table)),
        [float((rows.groupby("site")["writer"].nunique() == 1).sum())], 0.0,
    )]  # fmt: skip


def fsdd(seeds: Sequence[int], draws: int) -> list[Row]:
    source = pd.read_parquet(path := data_file("fsdd", "fsdd.parquet"))
    way, more = "fsdd by speaker", ("--input", "audio=pcm16:8000")
    runs = [command(path, "digit", "--by", "speaker", *more, "--seed", s) for s in seeds]
    even = [command(path, "digit", "--iid", "--sites", 6, *more, "--seed", s)[0] for s in seeds]
    rows = [
        conserved(way, source, [r for _, r in runs]),
        *described(way, runs[0][0], source, "speaker", "digit"),
    ]
    rows.append((way, "rows of a speaker: least", 500.0, [least_of(t, "rows") for t, _ in runs], 0.0))
    # ε of 200 held-out rows or more has a deviation of at most .5 / √200
    chance = ERRORS * 4 * 0.5 / np.sqrt(200)
    rows.append(
        (way, "A-distance: least of the speakers", 2.0, [least_of(t, "a_distance") for t, _ in runs], chance)
    )
    rows.append(
        ("fsdd, even sites", "A-distance: mean", 0.0, [mean_of(t, "a_distance") for t in even], chance)
    )
    return rows


def least_of(told: dict[str, Any], key: str) -> float:
    return float(min(e[key] for e in told["sites"].values()))


def mean_of(told: dict[str, Any], key: str) -> float:
    return float(np.mean([e[key] for e in told["sites"].values()]))


def adult(seeds: Sequence[int], draws: int) -> list[Row]:
    source = pd.read_parquet(path := data_file("adult", "adult.parquet"))
    label = pd.factorize(source["income"], sort=True)[0].astype(np.int64)
    rows: list[Row] = []
    for name, what in (("dirichlet", by_class), ("mixture", by_site), ("quantity", by_size)):
        for alpha in ALPHAS:
            way = f"adult, {name} {alpha:g}"
            runs = [command(path, "income", f"--{name}", alpha, "--sites", SITES, "--seed", s) for s in seeds]
            rows.append(conserved(way, source, [r for _, r in runs]))
            pairs = [
                (codes_of(r), parted(name, label, alpha, s)) for s, (_, r) in zip(seeds, runs, strict=True)
            ]
            apart = [float((a != b).sum()) for a, b in pairs]
            rows.append((way, "rows that the function puts elsewhere", 0.0, apart, 0.0))
            found = [[parted(name, label, alpha, 1000 * (s + 1) + i) for i in range(draws)] for s in seeds]
            rows += what(way, label, alpha, found)
            print(f"{way}: done", file=sys.stderr, flush=True)
    return [*rows, *even(label, seeds, draws), *noise(path, source, seeds), *clustered(path, source, seeds)]


def parted(name: str, label: np.ndarray, alpha: float, seed: int) -> np.ndarray:
    way: Any = sites.METHODS[name]
    return np.asarray(way(len(label) if name == "quantity" else label, SITES, alpha=alpha, seed=seed))


def codes_of(rows: pd.DataFrame) -> np.ndarray:
    return np.asarray(rows["site"].str.removeprefix("site_").astype(int) - 1)


def skew(site: np.ndarray, label: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Shares of every class at the sites ``(P, K)``, and the mean over rows of their site's TV and JS."""
    found = sites.heterogeneity(site, label)
    labels, weight = found.labels, found.sizes / found.sizes.sum()
    assert labels is not None
    return (
        labels.counts / labels.counts.sum(0),
        float(weight @ labels.total_variation),
        float(weight @ labels.jensen_shannon),
    )


def tested(way: str, what: str, law: float, values: Sequence[Any], error: float = 0.0) -> Row:
    """A row of the mean of ``values`` (seed × draw), within four standard errors; ``error`` is that of the law."""
    drawn = np.asarray(values, float)
    own = drawn.std(ddof=1) / np.sqrt(drawn.size)
    return way, what, law, drawn.mean(1).tolist(), ERRORS * float(np.hypot(own, error))


def by_class(way: str, label: np.ndarray, alpha: float, found: list[list[np.ndarray]]) -> list[Row]:
    counts = np.bincount(label)
    measured = [[skew(site, label) for site in seed] for seed in found]
    shares = np.array([[m[0] for m in seed] for seed in measured])  # (seed, draw, P, K)
    laws, note = dirichlet_laws(counts, alpha)
    deviation = np.sqrt(laws["variance"][0])
    n = shares.shape[0] * shares.shape[1]
    off = [float(np.abs(s.mean(0) - 1 / SITES).max()) for s in shares]
    bound = ERRORS * deviation / np.sqrt(n / len(found))
    return [
        (way, "a site's share of a class, mean: largest gap to 1/P", 0.0, off, float(bound)),
        *(
            tested(way, what + note, laws[key][0], values, laws[key][1])
            for what, key, values in (
                ("the same, variance", "variance", ((shares - 1 / SITES) ** 2).mean((2, 3))),
                ("TV, mean over rows", "tv", [[m[1] for m in seed] for seed in measured]),
                ("JS, mean over rows", "js", [[m[2] for m in seed] for seed in measured]),
            )
        ),
    ]


def by_site(way: str, label: np.ndarray, alpha: float, found: list[list[np.ndarray]]) -> list[Row]:
    first = np.array(
        [[np.bincount(label[s == 0], minlength=2) / (s == 0).sum() for s in seed] for seed in found]
    )
    p, n = np.bincount(label) / len(label), -(-len(label) // SITES)
    share = first[..., 1]
    variance = p[1] * (1 - p[1]) * (n + alpha) / (n * (1 + alpha))
    sizes = [float(max(np.ptp(np.bincount(s)) for s in seed)) for seed in found]
    return [
        tested(way, "first site's share of income >50K: mean = p", p[1], share),
        tested(way, "the same, variance", variance, (share - p[1]) ** 2),
        (way, "largest difference of two sizes", 0.0, sizes, 1.0),
    ]


def by_size(way: str, label: np.ndarray, alpha: float, found: list[list[np.ndarray]]) -> list[Row]:
    sizes = np.array([[np.bincount(s, minlength=SITES) for s in seed] for seed in found])  # (seed, draw, P)
    laws, note = size_laws(len(label), alpha)
    shares = sizes / len(label)
    return [
        tested(
            way, f"a site's share of the rows, variance{note}", laws[0][0], variance_of(shares), laws[0][1]
        ),
        tested(way, f"Gini of the sizes{note}", laws[1][0], gini_of(shares), laws[1][1]),
    ]


def even(label: np.ndarray, seeds: Sequence[int], draws: int) -> list[Row]:
    found = [
        [
            sites.heterogeneity(sites.iid(len(label), SITES, seed=1000 * (s + 1) + i), label).labels
            for i in range(draws)
        ]
        for s in seeds
    ]
    n, dof = len(label), SITES - 1
    error = ERRORS * float(np.sqrt(0.05 * 0.95 / (draws * len(seeds))))
    return [
        tested("adult, even sites", "χ² of income", dof * n / (n - 1), [[f.chi2 for f in s] for s in found]),
        ("adult, even sites", "share of draws with p < .05", 0.05,
         [float(np.mean([f.p_value < 0.05 for f in s])) for s in found], error),
    ]  # fmt: skip


def noise(path: Path, source: pd.DataFrame, seeds: Sequence[int]) -> list[Row]:
    way, numbers = f"adult, noise {SIGMA:g}", ["age", "education_num", "hours_per_week"]
    said = ("--noise", SIGMA, "--sites", SITES, "--input", f"tabular={','.join(numbers)}")
    runs = [command(path, "income", *said, "--seed", s)[1] for s in seeds]
    clean, off = [], []
    for rows in runs:
        change = (rows[numbers] - source[numbers]) / source[numbers].std(ddof=0)
        level = change.groupby(rows["site"]).std(ddof=0).to_numpy()  # (P, columns)
        clean.append(float(np.abs(level[0]).max()))
        wanted = SIGMA * np.arange(1, SITES) / (SITES - 1)
        off.append(float(np.abs(level[1:] / wanted[:, None] - 1).max()))
    error = ERRORS / np.sqrt(2 * len(source) / SITES)
    return [
        conserved(way, source, runs, numbers),
        (way, "noise of the first site", 0.0, clean, 0.0),
        (way, "noise of the others, largest relative gap to its level", 0.0, off, error),
    ]


def clustered(path: Path, source: pd.DataFrame, seeds: Sequence[int]) -> list[Row]:
    way = "adult, clusters of age and hours"
    runs = [
        command(path, "income", "--clusters", "age,hours_per_week", "--sites", 4, "--seed", s) for s in seeds
    ]
    x = source[["age", "hours_per_week"]].to_numpy(float)
    x = (x - x.mean(0)) / x.std(0)
    astray = []
    for _, rows in runs:
        site = codes_of(rows)
        centre = np.stack([x[site == j].mean(0) for j in range(4)])
        away = np.square(x[:, None] - centre).sum(-1)
        astray.append(float((away[np.arange(len(x)), site] > away.min(1) + 1e-3).mean()))
    return [
        conserved(way, source, [r for _, r in runs]),
        (way, "share of rows nearer to another site's centre", 0.0, astray, 0.001),  # k-means stops at a tolerance
        (way, "sites without an SMD of 0.8 or more", 0.0, [
            float(sum(max(map(abs, e["smd"].values())) < 0.8 for e in t["sites"].values())) for t, _ in runs
        ], 0.0),
    ]  # fmt: skip


SETS: dict[str, Callable[[Sequence[int], int], list[Row]]] = {
    "mnist10k": mnist10k,
    "fsdd": fsdd,
    "adult": adult,
}


def render(row: Row) -> tuple[str, bool]:
    """A row of the table, and whether the mean over the seeds is within the tolerance (the worst, where that is 0)."""
    way, what, law, found, tolerance = row
    gap = max(abs(f - law) for f in found) if what.startswith(("rows", "noise")) or not tolerance else abs(
        float(np.mean(found)) - law
    )  # fmt: skip
    met = bool(gap <= tolerance)
    span = f"{min(found):.5g} … {max(found):.5g}" if len(found) > 1 else "one run"
    cells = (
        way,
        what,
        f"{law:.5g}",
        f"{np.mean(found):.5g}",
        span,
        f"{tolerance:.2g}",
        "yes" if met else "**no**",
    )
    return f"| {' | '.join(cells)} |", met


def main() -> None:
    parser = argparse.ArgumentParser(description="Check what jointset partition writes and tells.")
    parser.add_argument("--only", nargs="+", choices=SETS, default=list(SETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--draws", type=int, default=100)
    arguments = parser.parse_args()
    print("| sites | what | law | found, mean | by seed | tolerance | met? |\n|---|---|---|---|---|---|---|")
    met = []
    for name in arguments.only:
        for row in SETS[name](arguments.seeds, arguments.draws):
            line, good = render(row)
            met.append(good)
            print(line, flush=True)
    print(f"\n{sum(met)} of {len(met)} rows met")
    sys.exit(0 if all(met) else 1)


if __name__ == "__main__":
    main()
