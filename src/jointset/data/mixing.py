"""Mixed batches over datasets of different sizes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jointset.errors import InternalError

Positions = NDArray[np.int64]


def mixing_shares(sizes: ArrayLike, temperature: float = 1.0, cap: int | None = None) -> NDArray[np.float64]:
    """The share of each dataset in a batch, ``(D,)``, p_d ∝ min(n_d, cap)^(1/T); a dataset without rows has
    none.

    >>> mixing_shares([900, 100]).tolist(), mixing_shares([900, 100], temperature=2.0).tolist()
    ([0.9, 0.1], [0.75, 0.25])
    """
    n = np.asarray(sizes, np.float64)
    counted = np.minimum(n, np.inf if cap is None else cap)
    unit = 1.0 if temperature >= 1 else counted.max(initial=1.0)  # high powers of counts are infinite
    weight = np.where(n > 0, (counted / unit) ** (1.0 / temperature), 0.0)
    return weight / max(weight.sum(), np.finfo(float).tiny)


class Sampler:
    """Mixed batches of row positions, with a state that can be saved and restored.

    ``rows_by_dataset`` are D arrays of positions; ``shares`` is ``(D,)``. An epoch has Σ_d min(n_d, cap)
    rows, dealt out to the datasets by their shares. Each dataset's rows come in a random order without
    replacement, and in a new order when they are used up.

    ``rates`` are D arrays ``(n_d,)`` of how often a row comes in a pass over its dataset, 1 when they are not given. A
    pass then has Σ rate rows, and a row of rate r comes ⌊r⌋ or ⌈r⌉ times in it (systematic sampling, Madow 1949);
    shares and the length of an epoch grow with the dataset's mean rate.

    >>> sampler = Sampler([np.arange(4), np.array([10, 11])], [0.5, 0.5], 3, seed=0)
    >>> [len(batch) for batch in sampler.epoch()], sampler.effective_epochs().tolist()
    ([3, 3], [0.75, 1.5])
    """

    def __init__(
        self,
        rows_by_dataset: Sequence[Positions],
        shares: ArrayLike,
        batch_size: int,
        seed: int,
        *,
        cap: int | None = None,
        rates: Sequence[NDArray[np.floating[Any]]] | None = None,
    ) -> None:
        self._rows = [np.asarray(rows, np.int64) for rows in rows_by_dataset]
        self._sizes = np.array([len(r) for r in self._rows], np.int64)
        self._rates = None if rates is None else [np.asarray(r, np.float64) for r in rates]
        self._passes = self._sizes if rates is None else np.array([_whole(r) for r in self._rates or ()])
        grown = self._passes / np.maximum(self._sizes, 1)
        weight = np.where(self._sizes > 0, np.asarray(shares, np.float64) * grown, 0.0)
        if not weight.sum() > 0:
            raise InternalError("sampler: no dataset has both rows and a share")
        self.shares = weight / weight.sum()
        self.batch_size = batch_size
        self.seed = seed
        capped = np.minimum(self._sizes, self._sizes.max() if cap is None else cap) * grown
        self.epoch_rows = max(round(float(capped[weight > 0].sum())), 1)
        self._rng = np.random.default_rng([seed, 0])
        self._rng_at_start = self._rng.bit_generator.state
        self._epoch = self._batch = 0
        self._used = np.zeros(len(self._rows), np.int64)  # rows drawn from each dataset before this epoch
        self._made: tuple[Positions, NDArray[np.int64]] | None = None

    def __len__(self) -> int:
        """Batches in an epoch."""
        return -(-self.epoch_rows // self.batch_size)

    def epoch(self) -> Iterator[Positions]:
        """The batches that are left of this epoch, each ``(b,)``; the last may be smaller."""
        order, _ = self._order()
        while self._batch < len(self):
            start = self._batch * self.batch_size
            self._batch += 1
            yield order[start : start + self.batch_size]
        self._finish()

    def state(self) -> dict[str, Any]:
        """What :meth:`restore` needs to continue exactly here; JSON-able."""
        return {
            "epoch": self._epoch,
            "batch": self._batch,
            "used": self._used.tolist(),
            "bit_generator": self._rng_at_start,
            "contract": self._contract(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Continue where ``state`` was taken; the sampler must be made of the same rows, shares, batch size
        and seed.

        Raises :class:`~jointset.errors.InternalError` when it is not.
        """
        if list(state["contract"]) != self._contract():
            raise InternalError(f"sampler: saved for {state['contract']}, restored into {self._contract()}")
        self._epoch, self._batch = int(state["epoch"]), int(state["batch"])
        self._used = np.array(state["used"], np.int64)
        self._rng.bit_generator.state = state["bit_generator"]
        self._rng_at_start = self._rng.bit_generator.state
        self._made = None

    def effective_epochs(self, epochs: float | None = None) -> NDArray[np.float64]:
        """Passes over each dataset, ``(D,)``: so far, or to be expected over a number of epochs."""
        drawn = self._used.astype(np.float64)
        if epochs is not None:
            drawn = epochs * self.epoch_rows * self.shares
        elif self._batch:
            done = self._order()[1][: self._batch * self.batch_size]
            drawn = drawn + np.bincount(done, minlength=len(self._rows))
        return drawn / np.maximum(self._sizes, 1)

    def _contract(self) -> list[Any]:
        drawn = (
            []
            if self._rates is None
            else [hashlib.sha256(b"".join(r.tobytes() for r in self._rates)).hexdigest()]
        )
        return [self.seed, self.batch_size, self.epoch_rows, *self._sizes.tolist(), *drawn]

    def _order(self) -> tuple[Positions, NDArray[np.int64]]:
        """The rows of this epoch in order, ``(L,)``, and the dataset of each."""
        if self._made is None:
            which = self._rng.permutation(np.repeat(np.arange(len(self._rows)), self._counts()))
            order = np.empty(len(which), np.int64)
            for d, rows in enumerate(self._rows):
                mine = np.flatnonzero(which == d)
                order[mine] = rows[self._stream(d, int(self._used[d]), len(mine))]
            self._made = order, which
        return self._made

    def _counts(self) -> NDArray[np.int64]:
        """Rows of each dataset in this epoch: after e epochs the totals are within a row of e × L × share."""
        exact = (self._epoch + 1) * self.epoch_rows * self.shares - self._used
        whole = np.maximum(np.floor(exact + 1e-9), 0).astype(np.int64)
        short = self.epoch_rows - int(whole.sum())
        best = np.argsort(whole - exact, kind="stable")
        whole[best[: max(short, 0)]] += 1
        for d in best[::-1][: max(-short, 0)]:
            whole[d] -= 1
        return whole

    def _stream(self, dataset: int, start: int, count: int) -> NDArray[np.int64]:
        """Places ``start … start + count`` of the endless sequence of passes over a dataset's rows.

        The p-th pass depends on seed, dataset and p alone, so the state need not hold it.
        """
        n = int(self._passes[dataset])
        if not count:
            return np.empty(0, np.int64)
        passes = range(start // n, (start + count - 1) // n + 1)
        places = np.concatenate([self._pass(dataset, p) for p in passes])
        offset = start - passes[0] * n
        return places[offset : offset + count]

    def _pass(self, dataset: int, number: int) -> NDArray[np.int64]:
        """The rows of one pass over a dataset, in order."""
        rng = np.random.default_rng([self.seed, 1, dataset, number])
        order = rng.permutation(int(self._sizes[dataset]))
        if self._rates is None:
            return order
        ends = np.cumsum(self._rates[dataset][order])
        ends *= self._passes[dataset] / ends[-1]
        ends[-1] = self._passes[dataset]
        times = np.diff(np.floor(ends + rng.random()), prepend=0.0).astype(np.int64)
        return rng.permutation(np.repeat(order, times))

    def _finish(self) -> None:
        self._used = self._used + np.bincount(self._order()[1], minlength=len(self._rows))
        self._epoch, self._batch, self._made = self._epoch + 1, 0, None
        self._rng_at_start = self._rng.bit_generator.state


def _whole(rates: NDArray[np.float64]) -> int:
    """Rows of a pass."""
    return max(round(float(rates.sum())), 1) if len(rates) else 0
