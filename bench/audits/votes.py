"""Several annotators: ten labelling rules over comments (youtube_spam), people's votes on images (cifar10n).

The comments' truth chooses nothing: the headline is the variant that what rules are asks for. The words that give a
rule away are hidden from the model, since a model that sees them repeats the rule (``give_away``); folds are videos, so
that no model is asked about a source it was trained on; C = 5 lies between the two other values shown. The other
variants are rows without a target.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bench.audits import models, scores
from bench.audits.context import Context, kept
from bench.audits.handover import ask
from bench.audits.images import histograms
from bench.audits.rows import ABSENT, row
from bench.datasets import data_file
from bench.table import Row
from jointset.audit import Consensus, consensus, from_long, give_away

Array = NDArray[Any]
LIMIT, STILL = (
    40,
    1e-3,
)  # rounds at most, and how little the posterior moves when they end: as in ``give_away``
FOLDS = 5
TARGET = 92
HEADLINE = "words of rules hidden, folds by video, C = 5"
# what is hidden, how rows are split, C; the first is the headline
VARIANTS = {
    HEADLINE: (True, "video", 5.0),
    "words of rules hidden, random folds, C = 5": (True, "random", 5.0),
    "words of rules hidden, folds by video, C = 1": (True, "video", 1.0),
    "words of rules hidden, folds by video, C = 20": (True, "video", 20.0),
    "words of rules seen, folds by video, C = 5": (False, "video", 5.0),
}
METHODS = {"majority": "majority", "Dawid–Skene": "dawid_skene", "joint": "joint"}


def measure(seed: int, context: Context) -> dict[str, Any]:
    """Both sets; only random folds and the images' model depend on the seed."""
    return {"youtube": comments(seed, context), "cifar10n": images(seed, context)}


def comments(seed: int, context: Context) -> dict[str, Any]:
    """Votes alone, and in rounds with a model of the text, scored on the rows with a vote."""
    from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

    frame = pd.read_parquet(data_file("youtube_spam", "youtube.parquet"))
    votes, truth = np.stack(frame["weak_labels"].to_list()), frame["label"].to_numpy(np.int64)
    words = CountVectorizer(ngram_range=(1, 2), min_df=2, token_pattern=r"(?u)\b\w\w+\b|[^\w\s]")
    counts = words.fit_transform(frame["text"].str.lower())
    video, hidden = pd.factorize(frame["video"])[0], give_away(counts, votes)
    found = {"votes": alone(votes, truth, 2), "rounds": {}}
    for name, (hide, split, c) in VARIANTS.items():
        fold = video % FOLDS if split == "video" else models.folds_of(len(truth), FOLDS, seed)
        x = TfidfTransformer(sublinear_tf=True).fit_transform(counts[:, ~hidden] if hide else counts)
        # the words may change with a library's version, and the probabilities with them
        asked = [votes, fold, np.array([c]), x.data, x.indices]
        probs = kept(context, f"votes-{split}-{c:g}", asked, partial(rounds, x, votes, fold, c))
        found["rounds"][name] = {
            "ours": judged(consensus(votes, probs), votes, truth),
            "peer": theirs(context, votes, probs, truth),
        }
    return found


def rounds(x: Any, votes: Array, fold: Array, c: float) -> Array:
    """The last model's probabilities of the loop in ``give_away``'s docstring, ``(n, 2)``."""
    found = consensus(votes)
    for _ in range(LIMIT):
        probs = text_probs(x, found.posterior, fold, c)
        before, found = found, consensus(votes, probs)
        if np.abs(found.posterior - before.posterior).mean() < STILL:
            break
    return probs


def text_probs(x: Any, target: Array, fold: Array, c: float) -> Array:
    """Out-of-fold probabilities ``(n, 2)`` of a logistic regression on soft labels: every row twice, weighted."""
    from scipy.sparse import vstack
    from sklearn.linear_model import LogisticRegression

    probs = np.zeros((len(fold), 2))
    for k in np.unique(fold):
        train, own = np.flatnonzero(fold != k), np.flatnonzero(fold == k)
        twice, labels = vstack([x[train], x[train]]), np.repeat([0, 1], len(train))
        model = LogisticRegression(C=c, max_iter=200).fit(
            twice, labels, sample_weight=target[train].T.ravel()
        )
        probs[own] = model.predict_proba(x[own])
    return probs


def images(seed: int, context: Context) -> dict[str, Any]:
    """Three votes an image, by the ids of the people; a linear model of histograms trained on the majority."""
    from sklearn.linear_model import LogisticRegression

    frame = pd.read_parquet(data_file("cifar10n", "train_a.parquet"))
    truth, n = frame["clean_label"].to_numpy(np.int64), len(frame)
    people, said = ([f"{what}{i}" for i in (1, 2, 3)] for what in ("worker", "random_label"))
    votes = from_long(
        np.repeat(np.arange(n), 3), frame[people].to_numpy().ravel(), frame[said].to_numpy().ravel()
    )
    table = votes.dense(votes.label.astype(np.int16), -1)
    given = consensus(votes, n_classes=10, method="majority").label
    x = kept(
        context, "histograms", [frame["aggre_label"].to_numpy(np.int64)], lambda: histograms(frame["jpg"])
    )
    make = partial(LogisticRegression, C=0.01, max_iter=100, tol=1e-3)
    probs = kept(
        context,
        f"votes-images-{seed}",
        [x, given],
        lambda: models.class_probs(make, x, given, 10, folds=FOLDS, seed=seed),
    )
    return {
        "votes": alone(votes, truth, 10),
        "model": scores.share(probs.argmax(1) == truth),
        "ours": judged(consensus(votes, probs), table, truth),
        "peer": theirs(context, table, probs, truth),
    }


def alone(votes: Any, truth: Array, classes: int) -> dict[str, scores.Scores]:
    """Every method on votes only."""
    found = {name: consensus(votes, n_classes=classes, method=m) for name, m in METHODS.items()}
    return {name: judged(f, f.votes.dense(f.votes.label, -1), truth) for name, f in found.items()}


def judged(found: Consensus, table: Array, truth: Array) -> scores.Scores:
    """Our consensus against the truth, on the rows with a vote; ``table`` ``(n, A)``, -1 = none."""
    return scored(found.label, found.confidence, found.quality, table, truth)


def theirs(context: Context, table: Array, probs: Array, truth: Array) -> scores.Scores | None:
    """The same of the peer on the same probabilities; it takes no row and no annotator without a vote."""
    rows, people = (table >= 0).any(axis=1), (table >= 0).any(axis=0)
    table = table[rows][:, people]
    answer = ask(context, "annotators", table, probs[rows])
    if answer is None:
        return None
    return scored(answer["label"], answer["confidence"], answer["quality"], table, truth[rows])


def scored(label: Array, confidence: Array, quality: Array, table: Array, truth: Array) -> scores.Scores:
    """Share of right labels on the rows with a vote, how far their mean confidence is above it, and the average
    precision of the votes' quality against "this vote is wrong"."""
    voted, given = (table >= 0).any(axis=1), table >= 0
    right = scores.share((label == truth)[voted])
    return {
        "right": right,
        "bold": float(np.mean(confidence[voted])) - (right or 0.0),
        "ap": scores.average_precision((table != truth[:, None])[given], quality[given]),
    }


def rows(raws: list[Any]) -> list[Row]:
    """Labels that are right, variant by variant; then votes ranked, and confidence."""
    found, youtube, cifar = [], [r["youtube"] for r in raws], [r["cifar10n"] for r in raws]
    for name in VARIANTS:
        head = name == HEADLINE
        each = [r["rounds"][name] for r in youtube]
        found += line(
            f"votes, youtube: label accuracy on rows with a vote, joint in rounds, {name}",
            each,
            "right",
            f"≥ {TARGET}" if head else "–",
            (lambda v: v >= TARGET) if head else None,
        )
    head = [r["rounds"][HEADLINE] for r in youtube]
    found += line(f"votes, youtube: average precision of votes' quality, {HEADLINE}", head, "ap")
    found += line(
        f"votes, youtube: mean confidence - accuracy, points, {HEADLINE}", head, "bold", form="+.1f"
    )
    found += votes_only("youtube", youtube[:1])
    found += line(
        "votes, cifar10n: label accuracy, joint with a linear model",
        cifar,
        "right",
        note=f"the model alone {100 * float(np.mean([r['model'] for r in cifar])):.1f}",
    )
    found += line("votes, cifar10n: average precision of votes' quality", cifar, "ap")
    found += line("votes, cifar10n: mean confidence - accuracy, points", cifar, "bold", form="+.1f")
    return found + votes_only("cifar10n", cifar[:1])


def line(
    what: str,
    each: list[Any],
    key: str,
    target: str = "–",
    met: Any = None,
    form: str = ".1f",
    note: str = "",
) -> list[Row]:
    """Ours beside the peer's mean over the seeds."""
    peer = [r["peer"][key] for r in each if r["peer"]]
    beside = {"CROWDLAB": float(np.mean(peer))} if peer else ABSENT
    return [row(what, target, [r["ours"][key] for r in each], met, peers=beside, form=form, note=note)]


def votes_only(name: str, raws: list[Any]) -> list[Row]:
    """What the votes say without a model; there is nothing random in it."""
    return [
        row(
            f"votes, {name}: label accuracy, votes alone, {m}",
            "–",
            [r["votes"][m]["right"] for r in raws],
            peers="–",
        )
        for m in METHODS
    ]
