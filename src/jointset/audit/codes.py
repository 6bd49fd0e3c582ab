"""What every code of the audit means: the table that the reference page and the command line read.

>>> CODES["rare_class"].what
'a class with fewer than 20 training rows'
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Code:
    """One code: what it says, how it is found, what to do, and the subject it stands under in the reference."""

    what: str
    how: str
    todo: str
    subject: str


def _under(subject: str, **codes: tuple[str, str, str]) -> dict[str, Code]:
    return {code: Code(*told, subject) for code, told in codes.items()}


CODES: dict[str, Code] = {
    **_under(
        "Labels",
        label_error=(
            "a given label that is probably wrong",
            "noise posterior over cross-fitted predictions and the row's other labels; from P(wrong) ≥ 0.5",
            "a run relabels, drops or weighs it; `jointset review` shows it to a person",
        ),
        missing_label=(
            "a missing label that can be told",
            "the same posterior; from P(suggestion) ≥ 0.5",
            "a run fills in as many as keep the precision",
        ),
        contradiction=(
            "two given labels of a row that cannot both be right",
            "joint label model over the tasks",
            "look at both: neither has to be the wrong one",
        ),
    ),
    **_under(
        "Copies and leaks",
        exact_duplicate=(
            "a row whose inputs stand earlier",
            "hash of all inputs",
            "`duplicates` among `improve.fixes` keeps the copy with the better label",
        ),
        near_duplicate=(
            "a row that is nearly an earlier one",
            "texts: MinHash and bands, then the exact Jaccard resemblance (≥ 0.8 of word pairs); images: perceptual "
            "hash, then correlation ≥ 0.99; tables: equal to three digits; else: a tenth of the usual distance to "
            "the nearest row",
            "look at a few; then add `duplicates` to `improve.fixes`",
        ),
        leaked_copy=(
            "a held-out row that stands in the training rows",
            "groups of copies across splits",
            "its score means little: `leaks` among `improve.fixes` drops the training side",
        ),
        leaked_near_copy=(
            "a held-out row that nearly stands in the training rows",
            "groups of near-copies across splits",
            "look at a few; then add `leaks` to `improve.fixes`",
        ),
        leak_source=(
            "the training row that a held-out row is a copy of",
            "groups of copies across splits",
            "`leaks` among `improve.fixes` drops it",
        ),
        leaked_group=(
            "a group (patient, author) on both sides of a split",
            "group column",
            "name `group` and let jointset draw the split: take `split.column` out",
        ),
        conflicting_copies=(
            "copies with different labels of one task",
            "groups of copies; P(wrong) from an error rate per dataset (EM) and predictions that saw none of the "
            "group; evidence says `likelier_wrong`",
            "ask somebody; `duplicates` among `improve.fixes` keeps the likelier right one",
        ),
        spare_copy=(
            "a training row that adds nothing to the copy that is kept",
            "all but the best of a group of copies, where `duplicates` is among the fixes",
            "`duplicates` among `improve.fixes` drops it",
        ),
    ),
    **_under(
        "What gives the label away",
        shortcut=(
            "one column, or one simple feature of media, tells the label",
            "area under the curve of the class shares in its values, each row's own fold left out: ≥ 0.97 for "
            "columns, 0.95 for simple features",
            "is it known when you predict? If not, take it out of `inputs`",
        ),
        artefact=(
            "simple features together tell the label",
            "boosted trees over lengths, characters, sizes, brightness, loudness: area ≥ 0.95",
            "classes come from different sources, and a model would learn those: bring all into one form",
        ),
        non_iid=(
            "neighbours stand near each other in the file, or in time",
            "mean distance in the order of the ten nearest rows, against 499 permutations",
            "split by blocks, time or groups (`group`, `split.column`), not at random",
        ),
    ),
    **_under(
        "Shift",
        covariate_shift=(
            "two sides (train and held out, two datasets, two sites or large groups) have other inputs",
            "classifier two-sample test and kernel two-sample test, permutations as the pairs need; p-values, area, "
            "kernel distance; Holm over pairs",
            "`shift` among `improve.fixes` weighs the training rows by p_heldout / p_train where they overlap",
        ),
        shifted_row=(
            "a training row that is rarer, or commoner, than among the held-out rows",
            "importance weight, where `shift` is among the fixes",
            "`shift` among `improve.fixes` weighs it",
        ),
        column_shift=(
            "a column that differs between two sides",
            "Kolmogorov–Smirnov, χ² (exact where counts are small), missing values apart; Holm; effects from 0.1",
            "units, codes and defaults first: most are mistakes",
        ),
        label_shift=(
            "other shares of the classes, or other numbers: between datasets, sites, periods, train and held out",
            "both sides labelled: χ² (exact where counts are small) or Kolmogorov–Smirnov, Holm over pairs, effects "
            "from 0.1; one without labels: black box shift estimation, confusions of held-out predictions solved "
            "for the shares",
            "split so that both sides have like shares, or weigh; where labels are missing, the estimate is the prior",
        ),
        concept_shift=(
            "like inputs, other labels",
            "given the inputs, do label and side depend on each other where both sides have inputs? (weighted "
            "generalised covariance measure)",
            "a task of its own, or a `map`; look at the labelling guide",
        ),
        bad_transfer=(
            "a model of one dataset fails on the other",
            "linear models across datasets: area lost ≥ 0.05, or worth less than the class shares, and the "
            "target's own model better than chance explains (DeLong; paired log-losses); Holm over ordered pairs",
            "do not pool blindly: give the dataset a task of its own, or compare with a run without it",
        ),
        no_overlap=(
            "importance weights are worth less than a fifth of the rows",
            "effective sample size",
            "weights cannot mend it: get rows",
        ),
    ),
    **_under(
        "The tail",
        long_tail=(
            "the commonest class has ten times the rows of the rarest",
            "counts; effective number (Cui et al. 2019)",
            "`tail` among `improve.fixes` weighs rare classes up; `tasks.T.loss` and `tasks.T.sampling` do more",
        ),
        tail_label=(
            "a label of a rare class",
            "weight by effective number, where `tail` or `add` is among the fixes",
            "`tail` among `improve.fixes` weighs it up; `add` derives further rows from it",
        ),
        rare_class=(
            "a class with fewer than 20 training rows",
            "counts",
            "its figures say nothing: get rows, or merge it with `map`",
        ),
        unjudged_class=(
            "a class with fewer than ten held-out rows",
            "counts",
            "hold out more (`split.holdout`), get rows, or merge it with `map`",
        ),
    ),
    **_under(
        "Outliers",
        outlier=(
            "a row far from all others",
            "mean distance to the ten nearest, on a log scale",
            "look: wrong unit, wrong file, or just rare",
        ),
        uncertain=(
            "a row of which predictions say nothing",
            "entropy ≥ 0.95 of the largest, where most rows are told",
            "ask a person",
        ),
    ),
    **_under(
        "Broken inputs",
        unreadable=("an image or sound that cannot be read", "decoding", "mend the file, or drop the row"),
        image_flat=("an image of one grey", "spread of the greys", "mend or drop"),
        image_dark=("an image that is all dark", "its brightest greys", "mend or drop"),
        image_bright=("an image that is all bright", "its darkest greys", "mend or drop"),
        image_blurred=("an image without detail", "Laplacian against the usual", "mend or drop"),
        image_odd_shape=("an image of an unusual shape", "sides, against the usual", "is it cropped or turned?"),
        image_odd_size=("an image of an unusual size", "side, against the usual", "is it a thumbnail?"),
        audio_empty=("a sound without samples", "length", "mend or drop"),
        audio_silent=("a sound that cannot be heard", "below −60 dB", "mend or drop"),
        audio_clipped=("a sound that was recorded too loud", "runs at the peak", "record it lower, or drop it"),
        audio_offset=("a sound with a constant offset", "mean of the samples", "take the mean off"),
        audio_odd_length=("a sound of an unusual length", "length, against the usual", "is it cut, or several in one?"),
        text_empty=("a text without a sign", "only spaces", "empty the cell, so that it is a missing input"),
        text_garbled=(
            "a text in the wrong encoding, or one sign repeated",
            "pieces of misread UTF-8, control characters",
            "read the file again with the right encoding",
        ),
        text_markup=("a text with tags or entities", "HTML tags and entities", "take the markup out"),
        text_odd_length=("a text of an unusual length", "length, against the usual", "is it cut, or several in one?"),
        missing_values=(
            "a column of which a fifth or more is missing",
            "counts",
            "does absence say something? If not, leave the column out of `inputs`",
        ),
        disguised_missing=(
            "values that stand for missing: 999, 0, \"?\", \"Unknown\"",
            "words; sentinels and repeated extremes with a gap; zeros far below an otherwise positive column",
            "empty them in the file; in a label column list them under `tasks.T.missing`",
        ),
    ),
    **_under(
        "Diversity",
        low_coverage=(
            "one dataset has no row near half of another's",
            "within the distance of the fifth neighbour (Naeem et al. 2020)",
            "get rows like those before you use its model on the other",
        ),
        coverage_gap=(
            "a region in which a dataset has nothing",
            "k-means cells; binomial test",
            "get rows from that region",
        ),
        redundancy=(
            "a tenth of a dataset or more are copies",
            "near-duplicate groups",
            "`duplicates` among `improve.fixes`; expect less of it than its row count says",
        ),
    ),
}  # fmt: skip
