"""Operations on images: exact ones against NumPy, others by what they must keep."""

import numpy as np
import pytest
import torch

from jointset.augment import image
from jointset.augment.image_colour import COLOURS
from jointset.augment.image_geometry import GEOMETRY
from jointset.augment.image_pixels import PIXELS
from jointset.augment.mixing import mixed, pasted
from jointset.operations import OPERATIONS, names


def pictures(n=6, channels=1, side=12, seed=0):
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (n, channels, side, side), np.uint8))


def change(x, fill="zero", seed=0, **strength):
    arrays = {
        k: np.full(len(x), float(v)) if np.isscalar(v) else np.asarray(v, float) for k, v in strength.items()
    }
    return image.augmented(x, arrays, fill, np.random.default_rng(seed))


def test_every_named_operation_is_there():
    assert {*GEOMETRY, *COLOURS, *PIXELS, *image.MIXED} == set(names("image"))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", [n for n in names("image") if n not in image.MIXED])
def test_an_operation_keeps_form_and_range_and_leaves_other_rows_alone(name, channels):
    x = pictures(channels=channels)
    for level in (0.01, 1.0):
        strength = np.array([0, 1, 0, 1, 0, 0]) * OPERATIONS[f"image.{name}"].most * level
        changed = change(x, **{name: strength})
        assert changed.shape == x.shape and changed.dtype == torch.float32
        assert float(changed.min()) >= 0 and float(changed.max()) <= 255
        assert torch.isfinite(changed).all()
        untouched = strength == 0
        torch.testing.assert_close(changed[untouched], x[untouched].float(), rtol=0, atol=1e-3)
        again = change(x, **{name: strength})
        assert torch.equal(changed, again), "the same seed, the same picture"


def test_mirrors_and_quarter_turns_are_exact():
    x = pictures(channels=3).float()
    close = {"rtol": 0, "atol": 0.1}
    torch.testing.assert_close(change(x, flip=1), x.flip(3), **close)
    torch.testing.assert_close(change(x, vertical_flip=1), x.flip(2), **close)
    for turns in (1, 2, 3):
        torch.testing.assert_close(change(x, quarter=turns), torch.rot90(x, turns, (2, 3)), **close)
    torch.testing.assert_close(change(x, rotate=180), x.flip(2, 3), **close)


def test_every_image_has_its_own_strength():
    x = pictures().float()
    changed = change(x, rotate=[0, 90, -90, 180, 0, 90])
    torch.testing.assert_close(changed[2], torch.rot90(x[2], -1, (1, 2)), rtol=0, atol=0.1)
    torch.testing.assert_close(changed[1], torch.rot90(x[1], 1, (1, 2)), rtol=0, atol=0.1)


@pytest.mark.parametrize(
    ("fill", "corner"), [("zero", 0.0), ("edge", 200.0), ("reflect", 200.0), ("mean", 200.0)]
)
def test_what_comes_in_from_beyond_the_edge(fill, corner):
    x = torch.full((1, 1, 12, 12), 200, dtype=torch.uint8)
    assert float(change(x, fill=fill, rotate=45)[0, 0, 0, 0]) == pytest.approx(corner, abs=0.5)


def test_zoom_only_enlarges_and_erase_takes_its_share():
    x = torch.zeros(1, 1, 12, 12)
    x[:, :, 5:7, 5:7] = 255
    assert float(change(x, zoom=0.5).sum()) > float(x.sum()) * 2
    white = torch.full((50, 1, 20, 20), 255.0)
    gone = (change(white, erase=0.25) == 0).float().mean()
    assert float(gone) == pytest.approx(0.25, abs=0.03)


def test_mixtures_are_what_their_shares_say():
    x, share = pictures(4).float(), np.array([1.0, 0.75, 0.5, 0.9], np.float32)
    partner = np.array([1, 0, 3, 2])
    mean = mixed(x, partner, share)
    torch.testing.assert_close(mean[1], 0.75 * x[1] + 0.25 * x[0])
    cut, own = pasted(x, partner, share, np.random.default_rng(0))
    for i in range(4):
        same = (cut[i] == x[i]) & (x[i] != x[partner[i]])
        assert float(same.float().mean()) == pytest.approx(own[i], abs=0.02)


@pytest.mark.parametrize("fill", ["zero", "mean", "edge", "reflect"])
def test_what_is_erased_is_filled_as_told(fill):
    x = (40 + 5 * torch.arange(20.0)).expand(60, 1, 20, 20)  # brighter from left to right
    found = image.augmented(x, {"erase": np.full(60, 0.2)}, fill, np.random.default_rng(0))
    gone = (found - x).abs() > 0.5
    assert 0.05 < gone.float().mean() < 0.3
    if fill == "zero":
        assert found[gone].max() == 0
    elif fill == "mean":
        assert torch.allclose(found[gone], x[0].mean())
    else:  # what stands there is of the image: nothing black, and no further away than twice the rectangle's side
        assert found.min() >= 40 - 1e-3 and found.max() <= 135 + 1e-3
        far = ((found - x).abs() / 5)[gone]
        assert far.max() <= (20 if fill == "reflect" else 12) and (far >= 1 - 1e-3).all()
    again = image.augmented(x, {"erase": np.full(60, 0.2)}, fill, np.random.default_rng(0))
    assert torch.equal(found, again)
