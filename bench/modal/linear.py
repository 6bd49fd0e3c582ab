"""What scikit-learn reaches on simple features of the same rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

STEPS = 20  # every clip's spectrogram is brought to so many frames


def clips(table: pa.Table) -> NDArray[Any]:
    """Log-mel spectrograms at ``STEPS`` frames, with their means, ``(n, features)``."""
    from jointset.models.encoders.audio import MelCNN

    encoder = MelCNN()
    part = table.select(["audio"])
    arrays = encoder.prepare(part, encoder.fit([part]))
    rows = []
    for start, end in zip(arrays["offsets"][:-1], arrays["offsets"][1:], strict=True):
        mel = arrays["mel"][start:end].astype(np.float32) / 255.0
        rows.append(mel[np.linspace(0, len(mel) - 1, STEPS).round().astype(int)].ravel())
    return np.stack(rows)


def pixels(table: pa.Table) -> NDArray[Any]:
    """Pixels in [0, 1], ``(n, features)``."""
    import io

    from PIL import Image

    column = table["image"].combine_chunks()
    if pa.types.is_fixed_size_list(column.type):
        return column.flatten().to_numpy().reshape(len(column), -1) / 255.0
    return np.stack(
        [np.asarray(Image.open(io.BytesIO(v)), np.float32).ravel() / 255 for v in column.to_pylist()]
    )


def words(table: pa.Table) -> Any:
    """TF-IDF of words and pairs of words."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    found = TfidfVectorizer(min_df=2, ngram_range=(1, 2), sublinear_tf=True)
    train = np.array(table["split"]) != "test"
    texts = np.array(table["text"].to_pylist(), object)
    return found.fit(texts[train]).transform(texts)


def columns(table: pa.Table, names: list[str]) -> Any:
    """Standardised numbers and one-hot categories."""
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame = table.select(names).to_pandas()
    numbers = frame.select_dtypes("number").fillna(0.0)
    parts = [StandardScaler().fit_transform(numbers)] if numbers.shape[1] else []
    rest = frame.drop(columns=numbers.columns)
    if rest.shape[1]:
        parts.append(OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit_transform(rest))
    return np.hstack(parts)


def linear(x: Any, table: pa.Table, label: str) -> float:
    """Test accuracy, or AUC of two classes, of a LogisticRegression on training and holdout rows."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score

    y, train = np.array(table[label].to_pylist()), np.array(table["split"]) != "test"
    model = LogisticRegression(max_iter=2000, C=0.1 if x.shape[1] > 500 else 1.0).fit(x[train], y[train])
    if len(model.classes_) == 2:
        return float(roc_auc_score(y[~train] == model.classes_[1], model.predict_proba(x[~train])[:, 1]))
    return float(model.score(x[~train], y[~train]))
