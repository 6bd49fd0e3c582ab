"""Images: what moves pixels, as one map per image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from jointset.errors import MissingExtra
from jointset.records import Floats

if TYPE_CHECKING:
    from torch import Tensor

GEOMETRY = (
    "rotate", "scale", "zoom", "translate", "crop", "shear", "elastic", "flip", "vertical_flip", "quarter",
)  # fmt: skip
PADDING = {"zero": "zeros", "edge": "border", "reflect": "reflection", "mean": "zeros"}
COARSE = 4  # points a side of an elastic map, which is smooth in between


def moved(x: Tensor, strength: Mapping[str, Floats], fill: str, rng: np.random.Generator) -> Tensor:
    """``(b, C, h, w)`` under rotation, scale, shift, shear and mirrors (and a smooth random bend, if asked for).

    Images without any of it stay what they are, bit by bit. ``fill`` is what comes in from beyond the edge: black, the
    edge's own colour, the mirrored image, or each image's mean. Turns are counter-clockwise.
    """
    import torch

    n = len(x)
    s = {k: np.asarray(strength.get(k, np.zeros(n)), np.float64) for k in GEOMETRY}
    on = np.flatnonzero(np.any([v != 0 for v in s.values()], axis=0))
    if not len(on):
        return x
    rows = torch.from_numpy(on)
    part, s = x[rows], {k: v[on] for k, v in s.items()}
    background = part.mean((2, 3), keepdim=True) if fill == "mean" else torch.zeros(1)
    grid = _grid(part.shape, _matrices(s, (part.shape[2], part.shape[3]), rng), s["elastic"], rng)
    changed = torch.nn.functional.grid_sample(
        part - background, grid, mode="bilinear", padding_mode=PADDING[fill], align_corners=False
    )
    return x.index_copy(0, rows, changed + background)


def _matrices(s: Mapping[str, Floats], size: tuple[int, int], rng: np.random.Generator) -> Tensor:
    """The affine map of every image from source to target, ``(b, 3, 3)`` in pixels."""
    import torch

    height, width = size
    n = len(s["rotate"])
    turn = rng.random(n) * 2 * np.pi  # a shift has a direction; its length is the strength
    shift = np.stack([s["translate"] * width * np.cos(turn), s["translate"] * height * np.sin(turn)], 1)
    kept = np.sqrt(np.clip(1.0 - np.abs(s["crop"]), 0.01, 1.0))  # the side that a crop keeps
    room = (rng.random((n, 2)) - 0.5) * (1.0 / kept - 1.0)[:, None]
    shift += room * np.array([width, height])
    factor = (1.0 + np.maximum(s["scale"], 0.0)) / (1.0 - np.minimum(s["scale"], 0.0))
    factor = factor / (1.0 - np.clip(s["zoom"], 0.0, 0.95)) / kept
    flips = np.stack([np.where(s["flip"] != 0, -1.0, 1.0), np.where(s["vertical_flip"] != 0, -1.0, 1.0)], 1)
    quarter = np.ceil(s["quarter"]) * 90.0
    slant = np.where(rng.random(n) < 0.5, 0.0, 1.0)
    shear = np.tan(np.deg2rad(s["shear"]))
    center = np.tile([(width - 1) / 2.0, (height - 1) / 2.0], (n, 1))
    tensor = {
        "translations": shift,
        "center": center,
        "scale": factor[:, None] * flips,
        "angle": -(s["rotate"] + quarter),  # kornia turns clockwise
        "sx": shear * (1.0 - slant),
        "sy": shear * slant,
    }
    return _kornia().get_affine_matrix2d(**{k: torch.from_numpy(v).float() for k, v in tensor.items()})


def _grid(shape: Any, matrices: Tensor, bend: Floats, rng: np.random.Generator) -> Tensor:
    """Where each target pixel is read from, ``(b, h, w, 2)`` in [-1, 1]."""
    import torch

    n, _, height, width = shape
    inverse = torch.linalg.inv(matrices)  # (b, 3, 3), target to source, in pixels
    to_pixels = torch.tensor(
        [[width / 2, 0, (width - 1) / 2], [0, height / 2, (height - 1) / 2], [0, 0, 1.0]]
    )
    theta = (torch.linalg.inv(to_pixels) @ inverse @ to_pixels)[:, :2]
    grid = torch.nn.functional.affine_grid(theta, [n, 1, height, width], align_corners=False)
    if not bend.any():
        return grid
    field = torch.from_numpy(rng.uniform(-1, 1, (n, 2, COARSE, COARSE))).float()
    field = torch.nn.functional.interpolate(field, (height, width), mode="bicubic", align_corners=True)
    field = field * torch.from_numpy(2.0 * np.abs(bend)).float()[:, None, None, None]
    return grid + field.permute(0, 2, 3, 1)


def _kornia() -> Any:
    try:
        import kornia.geometry.transform as geometry
    except ImportError:
        raise MissingExtra("kornia", "image", "augmenting images") from None
    return geometry
