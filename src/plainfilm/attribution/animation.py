"""A counterfactual as a moving picture: one grey window, there and back without a stutter."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from plainfilm.errors import InputError, ResourceError
from plainfilm.io.atomic import atomic_write

if TYPE_CHECKING:
    from plainfilm.attribution.counterfactual import Counterfactual

PICTURES = {".gif": "GIF", ".png": "PNG", ".apng": "PNG", ".webp": "WEBP"}
FILM = ".mp4"

SHORTEST = 320
"""Side to which small films are enlarged, by a whole number, so that they can be seen."""

MILLISECONDS, HOLD = 100, 500
"""A frame is shown so long, and the two ends so long, for there the difference is."""

MARGIN, BAND, LETTERS = 10, 34, 14
INK, QUIET, GROUND = 235, 120, 16
"""Grey levels of the captions, of what they stand on, and of the ground."""

CYCLES = 3
"""A film is there and back so often; pictures repeat by themselves."""


def save_animation(path: Path, shown: Counterfactual, bar: bool = True, beside: bool = True) -> Path:
    """Writes a counterfactual that goes from more of the finding to less and back, endlessly.

    All frames have one grey window, that of the film's range, and neither end is shown twice in a row.

    Args:
        path: Its suffix tells the format: .gif, .png or .apng (animated PNG), .webp, .mp4.
        shown: The films.
        bar: Whether a gauge below the film shows the prediction of each frame.
        beside: Whether the film itself stands on the left.

    Raises:
        InputError: for another suffix.
        ResourceError: where the folder cannot be written, or .mp4 is asked for without the package ``av``.
    """
    suffix = path.suffix.lower()
    if suffix not in (*PICTURES, FILM):
        raise InputError(f"suffix {path.suffix!r}", ", ".join((*PICTURES, FILM)), path.name)
    frames, times = pictures(shown, bar, beside), durations(len(shown.frames))
    with atomic_write(path) as file:
        if suffix == FILM:
            _write_film(file, frames, times)
        else:
            first, *rest = frames
            first.save(
                file, PICTURES[suffix], save_all=True, append_images=rest, duration=times, loop=0,
                **({"quality": 88, "method": 4} if suffix == ".webp" else {}),
            )  # fmt: skip
    return path


def there_and_back(frames: int) -> list[int]:
    """Order of the frames of one cycle: from the last to the first and back, each end once."""
    return [*range(frames - 1, -1, -1), *range(1, frames - 1)]


def durations(frames: int) -> list[int]:
    """Milliseconds of each frame of a cycle."""
    return [HOLD if k in (0, frames - 1) else MILLISECONDS for k in there_and_back(frames)]


def greys(values: np.ndarray, window: tuple[float, float]) -> np.ndarray:
    """Films in their own range as uint8, by one window for all."""
    low, high = window
    return (np.clip((values - low) / (high - low), 0, 1) * 255 + 0.5).astype(np.uint8)


def pictures(shown: Counterfactual, bar: bool = True, beside: bool = True) -> list[Image.Image]:
    """The frames of one cycle, in grey."""
    films = [_enlarged(each) for each in greys(shown.frames.mean(1).numpy(), shown.window)]
    still = _enlarged(greys(shown.image.mean(0).numpy(), shown.window)) if beside else None
    each = [
        _composed(film, still, float(p) if bar else None, shown)
        for film, p in zip(films, shown.predictions, strict=True)
    ]
    return [each[k] for k in there_and_back(len(each))]


def _enlarged(film: np.ndarray) -> Image.Image:
    times = max(1, -(-SHORTEST // min(film.shape)))
    picture = Image.fromarray(film)
    return picture.resize((picture.width * times, picture.height * times), Image.Resampling.BICUBIC)


def _composed(
    film: Image.Image, still: Image.Image | None, prediction: float | None, shown: Counterfactual
) -> Image.Image:
    """One frame: the still on the left, the film on the right, captions above, a gauge below."""
    panes = [(still, "film"), (film, f"as the model would call it: {_name(shown)}")]
    panes = [(pane, caption) for pane, caption in panes if pane is not None]
    if len(panes) == 1:
        panes = [(film, _name(shown))]
    captioned = BAND if still is not None or prediction is not None else 0
    below = BAND if prediction is not None else 0
    width = sum(film.width for _ in panes) + MARGIN * (len(panes) + 1) * bool(captioned)
    canvas = Image.new("L", (_even(width), _even(film.height + captioned + below)), GROUND)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(LETTERS)
    left = MARGIN * bool(captioned)
    for pane, caption in panes:
        assert pane is not None
        canvas.paste(pane, (left, captioned))
        if captioned:
            draw.text((left, captioned / 2), caption, INK, font, anchor="lm")
        left += pane.width + MARGIN
    if prediction is not None:
        place = (left - film.width - MARGIN, film.height + captioned, film.width)
        _gauge(draw, font, place, prediction, shown)
    return canvas


def _gauge(
    draw: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    place: tuple[int, int, int],
    prediction: float,
    shown: Counterfactual,
) -> None:
    """The prediction as a bar and in digits, with a tick at that of the reconstruction."""
    left, top, width = place
    middle, room = top + BAND // 2, 70
    span = width - room
    high = max(1.0, float(shown.predictions.max()))
    draw.rectangle((left, middle - 4, left + span, middle + 4), QUIET // 2)
    draw.rectangle((left, middle - 4, left + span * max(prediction, 0) / high, middle + 4), INK)
    tick = left + span * max(shown.prediction, 0) / high
    draw.line((tick, middle - 9, tick, middle + 9), INK, 2)
    draw.text((left + width, middle), f"p = {prediction:.2f}", INK, font, anchor="rm")


def _name(shown: Counterfactual) -> str:
    name = f"target {shown.target}" if isinstance(shown.target, int) else shown.target
    return "".join(c if c.isprintable() else "?" for c in name.replace("_", " "))[:40]


def _even(length: int) -> int:
    """Video codecs take even sides alone."""
    return length + length % 2


def _write_film(file: IO[bytes], frames: Sequence[Image.Image], times: Sequence[int]) -> None:
    try:
        import av
    except ModuleNotFoundError as error:
        raise ResourceError(
            "no package av",
            "it installed",
            ".mp4",
            "Run: pip install 'plainfilm[animation]', or write .webp.",
        ) from error
    with av.open(file, "w", format="mp4") as film:
        stream = film.add_stream("h264", rate=1000 // MILLISECONDS)
        stream.width, stream.height, stream.pix_fmt = *frames[0].size, "yuv420p"
        stream.options = {"crf": "18"}
        for picture, time in [*zip(frames, times, strict=True)] * CYCLES:
            for _ in range(time // MILLISECONDS):
                film.mux(stream.encode(av.VideoFrame.from_image(picture.convert("RGB"))))
        film.mux(stream.encode())
