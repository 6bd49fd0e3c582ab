"""Changes of features: what may be borrowed from whom, and the direction found by gradient."""

import numpy as np
import torch

from jointset.augment.adversarial import perturbed
from jointset.augment.features import KEPT, Memory, changed


def memory(n=600, seed=0):
    """Two tasks: the first moves the first feature, the second the second; the third feature is free."""
    rng = np.random.default_rng(seed)
    codes = np.stack([rng.integers(0, 2, n), rng.integers(0, 3, n)], 1)
    x = np.stack([10.0 * codes[:, 0], 10.0 * codes[:, 1], rng.normal(0, 2, n)], 1)
    return Memory(torch.from_numpy(x).float(), codes)


def test_noise_has_the_covariance_of_the_cell_and_leaves_every_label_alone():
    kept = memory()
    x, codes = kept.features[:400], kept.codes[:400]
    moved = changed(x, codes, kept, {"noise": np.ones(400)}, np.random.default_rng(0)) - x
    assert float(moved[:, :2].abs().max()) < 1e-6
    assert abs(float(moved[:, 2].std()) - 2.0) < 0.25
    away = changed(x, codes, kept, {"extrapolate": np.ones(400)}, np.random.default_rng(0)) - x
    assert float(away[:, :2].abs().max()) < 1e-6 and float(away[:, 2].abs().mean()) > 0.5


def test_only_rare_classes_borrow_from_common_ones():
    codes = np.repeat([[0], [1]], [380, 20], axis=0)
    spread = np.random.default_rng(0).normal(0, [[3.0]] * 380 + [[0.1]] * 20)
    kept = Memory(torch.from_numpy(spread).float(), codes)
    x = torch.zeros(400, 1)
    moved = changed(x, codes, kept, {"tail": np.ones(400)}, np.random.default_rng(0))
    assert bool((moved[:380] == 0).all()) and float(moved[380:].std()) > 1.5


def test_rows_without_partners_or_labels_stay():
    kept = memory()
    lonely = np.array([[1, 7], [-1, -1]])
    x = torch.ones(2, 3)
    everything = {"noise": np.ones(2), "extrapolate": np.ones(2)}
    assert torch.equal(changed(x, lonely, kept, everything, np.random.default_rng(0)), x)
    empty = Memory.empty(3, 2)
    assert torch.equal(changed(x, lonely, empty, everything, np.random.default_rng(0)), x)


def test_the_memory_forgets_the_oldest():
    kept = Memory.empty(1, 1)
    for i in range(5):
        kept.add(torch.full((400, 1), float(i)), np.full((400, 1), i))
    assert len(kept.codes) == KEPT and float(kept.features[-1]) == 4.0
    assert (kept.codes[:, 0] == kept.features[:, 0].numpy()).all()


def test_the_direction_found_changes_predictions_most():
    torch.manual_seed(0)
    weight = torch.randn(8, 3) * torch.tensor([5.0, 1, 1, 1, 1, 1, 1, 1])[:, None]
    x = torch.randn(200, 8)
    moved = perturbed(x, lambda z: {"t": z @ weight}, np.ones(200)) - x
    chance = torch.nn.functional.normalize(torch.randn_like(x), dim=1) * moved.norm(dim=1, keepdim=True)
    assert float((moved @ weight).norm(dim=1).mean()) > 1.5 * float((chance @ weight).norm(dim=1).mean())
    assert float(moved.norm(dim=1).std()) < 1e-5
