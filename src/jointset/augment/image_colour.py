"""Images: what changes colours, with kornia."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from jointset.errors import MissingExtra

if TYPE_CHECKING:
    from torch import Tensor

Colour = Callable[["Tensor", "Tensor", np.random.Generator], "Tensor"]


def _enhance() -> Any:
    try:
        import kornia.enhance as enhance
    except ImportError:
        raise MissingExtra("kornia", "image", "augmenting images") from None
    return enhance


def _in_colour(x: Tensor, change: Callable[[Tensor], Tensor]) -> Tensor:
    """Grey images have no colour to change."""
    return change(x) if x.shape[1] == 3 else x


def brightness(x: Tensor, m: Tensor, rng: np.random.Generator) -> Tensor:
    """``x + m``."""
    return _enhance().adjust_brightness(x, m)


def contrast(x: Tensor, m: Tensor, rng: np.random.Generator) -> Tensor:
    """Distances from the image's mean times ``1 + m``."""
    return _enhance().adjust_contrast_with_mean_subtraction(x, 1.0 + m)


def saturation(x: Tensor, m: Tensor, rng: np.random.Generator) -> Tensor:
    """Saturation times ``1 + m``."""
    return _in_colour(x, lambda y: _enhance().adjust_saturation(y, 1.0 + m))


def hue(x: Tensor, m: Tensor, rng: np.random.Generator) -> Tensor:
    """Hue turned by ``m`` of the circle."""
    return _in_colour(x, lambda y: _enhance().adjust_hue(y, 2.0 * np.pi * m))


def sharpen(x: Tensor, m: Tensor, rng: np.random.Generator) -> Tensor:
    """Differences from the smoothed image times ``1 + m``."""
    return _enhance().sharpness(x, 1.0 + m)


def solarize(x: Tensor, m: Tensor, rng: np.random.Generator) -> Tensor:
    """Values above ``1 − m`` turned round."""
    return _enhance().solarize(x, 1.0 - m)


def posterize(x: Tensor, m: Tensor, rng: np.random.Generator) -> Tensor:
    """The lowest ``m`` of 8 bits taken away."""
    return _enhance().posterize(x, (8 - m.round()).clamp(1, 8).int())


def equalize(x: Tensor, m: Tensor, rng: np.random.Generator) -> Tensor:
    """A level histogram."""
    return _enhance().equalize(x)


COLOURS: dict[str, Colour] = {
    "brightness": brightness,
    "contrast": contrast,
    "saturation": saturation,
    "hue": hue,
    "sharpen": sharpen,
    "solarize": solarize,
    "posterize": posterize,
    "equalize": equalize,
}
