"""Tables of embeddings that rows are looked up in."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from jointset.weighting.gramian.graph import kind, saved, shape_of
from jointset.weighting.gramian.layer import Layer, Use, kernel_gramian, kernel_row_gramian


class Lookup(Layer):
    """y_r = W[id_r], as in nn.Embedding.

    The gradient of W is zero but for the rows that were looked up, so it is kept as the sum of deltas by distinct id.
    """

    def __init__(self, weight: Tensor, uses: Sequence[Use]) -> None:
        self.weight = weight
        self.parameters = (weight,)
        self.nodes = tuple(u.node for u in uses)
        self.sparse = bool(saved(self.nodes[0], "sparse"))
        ids = [_without_padding(saved(n, "indices"), saved(n, "padding_idx")) for n in self.nodes]
        self.ids = torch.cat(ids)  # (R,), -1 = padding
        self.size = (len(self.ids), weight.shape[1])

    @staticmethod
    def fits(uses: Sequence[Use]) -> bool:
        """Whether all uses look rows up, without scaling by frequency."""
        return all(
            kind(u.node) == "EmbeddingBackward0" and not u.turned and not saved(u.node, "scale_grad_by_freq")
            for u in uses
        )

    def worthwhile(self, tasks: int) -> bool:
        """Always: the gradient itself is as long as the table."""
        return True

    def gramian(self, deltas: Tensor) -> Tensor:
        """See :meth:`Layer.gramian`."""
        known = self.ids >= 0
        distinct, place = torch.unique(self.ids[known], return_inverse=True)
        sums = deltas.new_zeros(len(deltas), len(distinct), self.size[1])
        flat = sums.index_add_(1, place, deltas[:, known]).flatten(1)  # (K, u · O)
        return flat @ flat.T

    def row_gramian(self, deltas: Tensor, groups: Tensor, tasks: int) -> Tensor:
        """See :meth:`Layer.row_gramian`; one sum for every pair of an id and a task that occurs."""
        parts = len(deltas)
        known = (self.ids >= 0).repeat(parts)
        pair = (self.ids.repeat(parts) * (tasks + 1) + groups.reshape(-1))[known]
        distinct, place = torch.unique(pair, return_inverse=True)
        sums = deltas.new_zeros(len(distinct), self.size[1]).index_add_(0, place, deltas.flatten(0, 1)[known])
        task, (_, number) = distinct % (tasks + 1), torch.unique(distinct // (tasks + 1), return_inverse=True)
        gramian = deltas.new_zeros(tasks + 1, tasks + 1)
        step = max(CHUNK // ((tasks + 1) * self.size[1]), 1)
        for start in range(0, int(number[-1]) + 1 if len(number) else 0, step):
            inside = (number >= start) & (number < start + step)
            flat = deltas.new_zeros(tasks + 1, step, self.size[1])
            flat[task[inside], number[inside] - start] = sums[inside]
            gramian += flat.flatten(1) @ flat.flatten(1).T
        return gramian[:tasks, :tasks]

    def gradients(self, delta: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """See :meth:`Layer.gradients`."""
        known = self.ids >= 0
        yield self.weight, scattered(self.weight, self.ids[known], delta[known], sparse=self.sparse)


class Bag(Layer):
    """y_r = Σ_p c_p W[id_p] over the entries p of row r, as in nn.EmbeddingBag (sum or mean).

    That is a product with the sparse matrix C of the entries' coefficients, so the inner products are
    ⟨(C Cᵀ) d_i, d_j⟩ as for :class:`~jointset.weighting.gramian.linear.Linear`.
    """

    def __init__(self, weight: Tensor, uses: Sequence[Use]) -> None:
        self.weight = weight
        self.parameters = (weight,)
        self.nodes = tuple(u.node for u in uses)
        self.sparse = bool(saved(self.nodes[0], "sparse"))
        entries = [_entries(u) for u in uses]
        starts = [0]
        for _, _, _, n in entries:
            starts.append(starts[-1] + n)
        self.ids = torch.cat([ids for ids, _, _, _ in entries])  # (m,)
        self.row = torch.cat([row + s for (_, row, _, _), s in zip(entries, starts, strict=False)])  # (m,)
        self.coefficient = torch.cat([c for _, _, c, _ in entries])  # (m,)
        self.size = (starts[-1], weight.shape[1])

    @staticmethod
    def fits(uses: Sequence[Use]) -> bool:
        """Whether all uses are bags of a sum or a mean, in the table's own type."""
        return all(
            kind(u.node) == "EmbeddingBagBackward0"
            and u.slot == 0
            and not u.turned
            and saved(u.node, "mode") in (0, 1)
            and not saved(u.node, "scale_grad_by_freq")
            for u in uses
        )

    def worthwhile(self, tasks: int) -> bool:
        """Always: the gradient itself is as long as the table."""
        return True

    def gramian(self, deltas: Tensor) -> Tensor:
        """See :meth:`Layer.gramian`."""
        kernel = self.kernel(deltas)
        return kernel_gramian(lambda at, on: kernel[at, on].clone(), deltas)

    def row_gramian(self, deltas: Tensor, groups: Tensor, tasks: int) -> Tensor:
        """See :meth:`Layer.row_gramian`."""
        kernel = self.kernel(deltas)
        return kernel_row_gramian(lambda at, on: kernel[at, on].clone(), deltas, groups, tasks)

    def kernel(self, like: Tensor) -> Tensor:
        """C Cᵀ, ``(R, R)``, in the type of ``like``.

        Most n-grams stand in one row only and touch nothing but its own diagonal entry; the columns of the others are
        few enough to be written out.
        """
        rows = self.size[0]
        distinct, place = torch.unique(self.ids, return_inverse=True)
        keys, where = torch.unique(place * rows + self.row, return_inverse=True)  # an id in a row, once each
        value = like.new_zeros(len(keys)).index_add_(0, where, self.coefficient.to(like.dtype))
        column, row = keys // rows, keys % rows
        shared = torch.bincount(column, minlength=len(distinct)) > 1
        several = shared[column]
        kernel = like.new_zeros(rows, rows)
        kernel.view(-1).index_add_(0, row[~several] * (rows + 1), value[~several].square())
        number = shared.cumsum(0) - 1
        step = max(CHUNK // max(rows, 1), 1)
        total = int(shared.sum())
        for start in range(0, total, step):
            n = number[column]
            inside = several & (n >= start) & (n < start + step)
            dense = like.new_zeros(rows, min(step, total - start))
            dense[row[inside], n[inside] - start] = value[inside]
            kernel.addmm_(dense, dense.T)
        return kernel

    def gradients(self, delta: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """See :meth:`Layer.gradients`."""
        values = delta[self.row] * self.coefficient.to(delta.dtype)[:, None]
        yield self.weight, scattered(self.weight, self.ids, values, sparse=self.sparse)


CHUNK = 1 << 22  # entries of C written out at a time


def scattered(weight: Tensor, ids: Tensor, values: Tensor, *, sparse: bool) -> Tensor:
    """A gradient with ``values`` ``(m, O)`` added up at the rows ``ids``, sparse or dense."""
    if sparse:
        return torch.sparse_coo_tensor(ids[None], values, tuple(weight.shape), check_invariants=False)
    return values.new_zeros(weight.shape).index_add_(0, ids, values)


def _without_padding(ids: Tensor, padding: int) -> Tensor:
    flat = ids.reshape(-1)
    return torch.where(flat == padding, -1, flat) if padding >= 0 else flat


def _entries(use: Use) -> tuple[Tensor, Tensor, Tensor, int]:
    """Ids, rows and coefficients of the entries of a bag, and its number of rows."""
    node = use.node
    ids, row = saved(node, "indices").reshape(-1), saved(node, "result1").reshape(-1)
    rows = shape_of(node)[0]
    if not len(row):  # the sum's fast path leaves it out
        offsets = saved(node, "offsets")
        row = torch.bucketize(torch.arange(len(ids), device=ids.device), offsets[:rows], right=True) - 1
    factor = saved(node, "per_sample_weights")
    coefficient = torch.ones(len(ids), device=ids.device) if factor is None else factor.reshape(-1)
    padding = saved(node, "padding_idx")
    if padding >= 0:
        keep = ids != padding
        ids, row, coefficient = ids[keep], row[keep], coefficient[keep]
    if saved(node, "mode") == 1:
        counts = torch.bincount(row, minlength=rows).clamp(min=1)
        coefficient = coefficient / counts[row]
    return ids, row, coefficient, rows
