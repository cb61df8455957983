"""Masks as run lengths: COCO's, compressed or plain, and those of SIIM-ACR.

All of them walk down the columns of a film, from left to right.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from plainfilm.errors import InputError
from plainfilm.masks.arrays import as_mask, check_size
from plainfilm.radiograph import Size

NONE = "-1"
"""What SIIM-ACR writes for a film without a run."""

OFFSET, BITS = 48, 5
LOW, SIGN, MORE = 0x1F, 0x10, 0x20
LONGEST = 8
"""Letters of one number: 40 bits, more than any film has pixels."""


def decode_rle(size: Size, counts: str | Sequence[int]) -> np.ndarray:
    """A mask from COCO's run lengths, of background and foreground in turn.

    Args:
        size: Height and width in pixels.
        counts: COCO's compressed string, or plain numbers.

    Returns:
        bool ``(H, W)``.

    Raises:
        InputError: for a string that is no run-length code, or lengths that do not fill the size.
    """
    lengths = _numbers(counts) if isinstance(counts, str) else list(counts)
    return _drawn(size, lengths, "decode_rle")


def encode_rle(mask: Any) -> str:
    """COCO's compressed run lengths of a mask, the same text that pycocotools writes.

    Args:
        mask: ``(H, W)``; bool, 0 and 1, or 0 and 255.

    Raises:
        InputError: for another shape or other values.
    """
    lengths = _lengths(as_mask(mask))
    # From the fourth on, a length is told by its difference to the one before the last.
    return "".join(_letters(n - lengths[k - 2] if k > 2 else n) for k, n in enumerate(lengths))


def decode_gaps(size: Size, text: str) -> np.ndarray:
    """A mask from SIIM-ACR's run lengths: a gap since the end of the previous run, then a run, and so on.

    Args:
        size: Height and width in pixels, 1024 x 1024 in the release.
        text: Numbers with blanks between them, or "-1" for an empty mask.

    Returns:
        bool ``(H, W)``.

    Raises:
        InputError: for anything but pairs of whole numbers, or runs beyond the end of the film.
    """
    words = text.split()
    if words == [NONE]:
        words = []
    if len(words) % 2 or not all(word.isascii() and word.isdigit() and len(word) < 16 for word in words):
        raise InputError(
            f"{len(words)} words, starting with {text[:40]!r}", "pairs of gap and run, or '-1'", "decode_gaps"
        )
    lengths = [int(word) for word in words]
    rest = size[0] * size[1] - sum(lengths)
    return _drawn(size, [*lengths, max(rest, 0)], "decode_gaps")


def encode_gaps(mask: Any) -> str:
    """SIIM-ACR's run lengths of a mask (``decode_gaps``); "-1" for an empty one.

    Args:
        mask: ``(H, W)``; bool, 0 and 1, or 0 and 255.

    Raises:
        InputError: for another shape or other values.
    """
    lengths = _lengths(as_mask(mask))
    return " ".join(map(str, lengths[: len(lengths) // 2 * 2])) or NONE


def _lengths(mask: np.ndarray) -> list[int]:
    """Lengths of background and foreground in turn; the first may be 0."""
    walk = mask.T.ravel()
    edges = np.flatnonzero(np.diff(walk, prepend=False)).tolist()
    return np.diff([0, *edges, walk.size]).tolist()


def _drawn(size: Size, lengths: list[int], where: str) -> np.ndarray:
    height, width = size
    check_size((height, width), where)
    if not all(isinstance(length, (int, np.integer)) for length in lengths):
        raise InputError(f"run lengths such as {lengths[:3]}", "whole numbers", where)
    if any(length < 0 for length in lengths) or sum(lengths) != height * width:
        got = f"run lengths of {sum(lengths)} pixels, {min(lengths, default=0)} the shortest"
        raise InputError(got, f"{width} x {height} = {width * height} pixels", where)
    runs = np.arange(len(lengths)) % 2 == 1
    return np.repeat(runs, lengths).reshape(width, height).T


def _numbers(text: str) -> list[int]:
    """The lengths in a compressed string: five bits a letter, the lowest first, then a flag for more."""
    lengths: list[int] = []
    value = shift = 0
    for k, letter in enumerate(text):
        chunk = ord(letter) - OFFSET
        if not 0 <= chunk < 2 * MORE or shift >= LONGEST * BITS:
            raise InputError(f"letter {letter!r} at {k}", "COCO's compressed run lengths", "decode_rle")
        value |= (chunk & LOW) << shift
        shift += BITS
        if not chunk & MORE:
            value -= (chunk & SIGN) << (shift - BITS + 1)
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = shift = 0
    if shift:
        raise InputError("a string that ends within a number", "COCO's compressed run lengths", "decode_rle")
    return lengths


def _letters(value: int) -> str:
    """One number as letters; its last five bits say the sign."""
    letters = ""
    while True:
        chunk = value & LOW
        value >>= BITS
        last = value == (-1 if chunk & SIGN else 0)
        letters += chr(chunk + (0 if last else MORE) + OFFSET)
        if last:
            return letters
