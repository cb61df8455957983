"""Rules that hold for a film of any format: its size, its colour, what to warn of."""

from __future__ import annotations

from typing import Literal

import numpy as np

from plainfilm.errors import InputError

Colour = Literal["luma"] | None

MAX_PIXELS = 100_000_000
MIN_SIDE = 2
_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


def check_size(rows: int, columns: int, max_pixels: int, where: str) -> None:
    """Refuses a film by the size its header states, before anything is decoded.

    Raises:
        InputError: for a side under 2 pixels or more than ``max_pixels`` in all.
    """
    if min(rows, columns) < MIN_SIDE:
        raise InputError(f"an image of {rows} x {columns} pixels", f"at least {MIN_SIDE} x {MIN_SIDE}", where)
    if rows * columns > max_pixels:
        raise InputError(
            f"an image of {rows} x {columns} pixels", f"at most {max_pixels / 1e6:g} million", where,
            "If it is meant to be this large, pass max_pixels.",
        )  # fmt: skip


def grey(channels: np.ndarray, colour: Colour, where: str) -> np.ndarray:
    """One channel of three: they agree, or ``colour="luma"`` weighs them (ITU-R BT.601).

    Args:
        channels: ``(H, W, 3)``, red, green, blue, any scale.
        colour: None to refuse true colour, "luma" to weigh it.
        where: The file, for the message.

    Returns:
        ``(H, W)``, of the type given where the channels agree, else float32.

    Raises:
        InputError: for true colour that nobody asked to weigh.
    """
    red, green, blue = np.moveaxis(channels, -1, 0)
    if np.array_equal(red, green) and np.array_equal(red, blue):
        return red
    if colour == "luma":
        return channels.astype(np.float32) @ _LUMA
    raise InputError(
        "a colour image", "a grey one, or three equal channels", where,
        'Pass colour="luma" if its brightness is the film.',
    )  # fmt: skip


def notices(pixels: np.ndarray, dim: float = 1 / 8) -> tuple[str, ...]:
    """What a user should know of decoded pixels in [0, 1]: a constant film, or none above ``dim``."""
    brightest = float(pixels.max())
    if brightest == pixels.min():
        return (f"All pixels have the same value, {brightest:.4g}.",)
    if brightest < dim:
        return (
            f"The brightest pixel is {brightest:.3g} of the declared range; "
            "the file may hold fewer bits than it declares (bits= of read).",
        )
    return ()
