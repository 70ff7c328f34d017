"""Tensors that are images, as pixels."""

from __future__ import annotations

import base64

import torch
from torch.nn import functional

from nnlint.experiments.preview import MOST_PIXELS, Pictures

# Fewer pixels along an axis show nothing; without an axis for colours, more of them must say that it is one.
_LEAST, _LEAST_PLAIN = 6, 14


def pictures(samples: torch.Tensor) -> Pictures | None:
    """The images among samples of shape [samples, …]; None if that is no shape of images."""
    channels = _channels(samples)
    if channels is None:
        return None
    images = channels[:, :3] if channels.shape[1] >= 3 else channels[:, :1]
    values = torch.nan_to_num(images.float())
    longest = max(images.shape[2:])
    if longest > MOST_PIXELS:
        size = [max(1, round(side * MOST_PIXELS / longest)) for side in images.shape[2:]]
        # Between the numbers of two classes there is none.
        plain = not images.is_floating_point() and images.dtype != torch.uint8
        values = functional.interpolate(values, size, mode="nearest" if plain else "area")
    pixels, stretched = _pixels(values)
    data = tuple(
        base64.b64encode(bytes(image.permute(1, 2, 0).contiguous().flatten().tolist())).decode()
        for image in pixels
    )
    return Pictures(pixels.shape[3], pixels.shape[2], pixels.shape[1], stretched, data)


def _channels(samples: torch.Tensor) -> torch.Tensor | None:
    """As [samples, channels, height, width]; of a volume the middle slice, of a film the first picture."""
    if samples.dim() == 5:
        film = samples.shape[2] in (1, 3)
        samples = samples[:, 0] if film else samples[:, :, samples.shape[2] // 2]
    if samples.dim() == 3:
        height, width = samples.shape[1:]
        # A series is as long as its features are many by chance only; pixels are whole numbers.
        square = height == width or not samples.is_floating_point()
        return samples.unsqueeze(1) if square and min(height, width) >= _LEAST_PLAIN else None
    if samples.dim() != 4:
        return None
    if samples.shape[1] not in (1, 3, 4) and samples.shape[3] in (1, 3, 4):
        samples = samples.permute(0, 3, 1, 2)
    return samples if min(samples.shape[2:]) >= _LEAST else None


def _pixels(values: torch.Tensor) -> tuple[torch.Tensor, bool]:
    """From 0 to 255, and whether they had to be stretched for that."""
    low, high = float(values.min()), float(values.max())
    if low >= 0 and 1 < high <= 255 and high > 64:
        return values.to(torch.uint8), False
    if low >= 0 and 0.25 < high <= 1:
        return (values * 255).round().to(torch.uint8), False
    lows, highs = values.amin((0, 2, 3), keepdim=True), values.amax((0, 2, 3), keepdim=True)
    return ((values - lows) / (highs - lows).clamp_min(1e-12) * 255).round().to(torch.uint8), True
