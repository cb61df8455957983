"""Masks as run lengths: COCO's compressed strings."""

from __future__ import annotations

import numpy as np

from plainfilm.errors import InputError
from plainfilm.radiograph import Size


def decode_rle(size: Size, counts: str) -> np.ndarray:
    """A mask from COCO's compressed run lengths: bool ``(H, W)``."""
    lengths: list[int] = []
    value = shift = 0
    for letter in counts.encode():
        chunk = letter - 48
        value |= (chunk & 0x1F) << shift
        shift += 5
        if not chunk & 0x20:
            value -= (chunk & 0x10) << (shift - 4) if chunk & 0x10 else 0
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = shift = 0
    if sum(lengths) != size[0] * size[1]:
        raise InputError(f"{sum(lengths)} pixels", f"{size[0]} x {size[1]}", "decode_rle")
    runs = np.arange(len(lengths)) % 2 == 1
    return np.repeat(runs, lengths).reshape(size[1], size[0]).T
