"""A radiograph, and where a model's grid lies on it.

Coordinates are continuous: pixel ``i`` covers ``[i, i + 1)``, so the film of
height ``H`` spans ``[0, H]`` whatever grid it is drawn on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from PIL import Image

from plainfilm.errors import InputError

Size = tuple[int, int]

# Pillow gives its memory back to the system after every image; to ask for it anew costs more than
# to resize a film. Two blocks of 16 MB are kept instead.
Image.core.set_blocks_max(2)


@dataclass(frozen=True, eq=False)
class Radiograph:
    """One film, ready for a model.

    Attributes:
        pixels: float32 ``(H, W)`` in [0, 1]; white means dense.
        id: The name under which it appears in tables and file names.
        view: "PA", "AP" or "LATERAL" where the file says so.
        spacing: Millimetres between pixel centres, (row, column).
        tags: Technical facts about the file, from a whitelist without patient data.
        warnings: What the reader noticed and a user should know.
    """

    pixels: np.ndarray = field(repr=False)
    id: str = "film"
    view: str | None = None
    spacing: tuple[float, float] | None = None
    tags: Mapping[str, str | int | float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        pixels = np.asarray(self.pixels, dtype=np.float32)
        if pixels.ndim != 2 or min(pixels.shape, default=0) < 1:
            raise InputError(f"pixels of shape {pixels.shape}", "a grey image (H, W)", self.id)
        # One comparison is False for NaN too, so sound films are passed over once for each bound.
        if not (pixels.min() >= 0 and pixels.max() <= 1):
            raise _unusable(pixels, self.id)
        object.__setattr__(self, "pixels", np.ascontiguousarray(pixels))

    @property
    def size(self) -> Size:
        """Height and width in pixels."""
        return self.pixels.shape[0], self.pixels.shape[1]


def _unusable(pixels: np.ndarray, where: str) -> InputError:
    bad = np.argwhere(~np.isfinite(pixels))
    if len(bad):
        row, column = bad[0]
        found = f"{len(bad)} pixels that are NaN or infinite, the first at row {row}, column {column}"
        return InputError(found, "finite pixels", where, "Repair or exclude the file.")
    return InputError(
        f"pixels from {pixels.min():.4g} to {pixels.max():.4g}",
        "values in [0, 1]",
        where,
        "Scale the array, or let plainfilm.read() do it from a file.",
    )


@dataclass(frozen=True)
class Placement:
    """The region of a film that a model's grid covers, known exactly in both directions.

    The same box serves the input of a model and every feature map inside it:
    only ``grid`` differs (``at``).

    Attributes:
        film: Height and width of the film in pixels.
        grid: Height and width of the grid.
        box: top, left, height and width of the covered region in film pixels. A
            letterbox covers more than the film, a crop less.
    """

    film: Size
    grid: Size
    box: tuple[float, float, float, float]

    def __post_init__(self) -> None:
        if min(*self.film, *self.grid) < 1 or min(self.box[2:]) <= 0:
            raise InputError(
                f"film {self.film}, grid {self.grid}, box {self.box}", "sizes above zero", "Placement"
            )

    @classmethod
    def resize(cls, film: Size, grid: Size) -> Placement:
        """The whole film, stretched onto the grid."""
        return cls(film, grid, (0.0, 0.0, float(film[0]), float(film[1])))

    @classmethod
    def centre_crop(cls, film: Size, grid: Size) -> Placement:
        """The largest central region with the grid's aspect ratio."""
        return cls(film, grid, _central(film, grid, min))

    @classmethod
    def letterbox(cls, film: Size, grid: Size) -> Placement:
        """The whole film with its aspect ratio, the rest of the grid left black."""
        return cls(film, grid, _central(film, grid, max))

    @classmethod
    def fit(cls, how: str, film: Size, grid: Size) -> Placement:
        """The placement called "resize", "centre_crop" or "letterbox".

        Raises:
            InputError: for another name.
        """
        if how not in FITS:
            raise InputError(f"fit {how!r}", " or ".join(map(repr, FITS)), "Placement")
        placement: Placement = getattr(cls, how)(film, grid)
        return placement

    def at(self, grid: Size) -> Placement:
        """The same region seen on another grid, a feature map for instance."""
        return Placement(self.film, grid, self.box)

    def to_grid(self, points: np.ndarray) -> np.ndarray:
        """Film coordinates to grid coordinates; points ``(..., 2)`` as (row, column)."""
        return (np.asarray(points, float) - self.box[:2]) * np.divide(self.grid, self.box[2:])

    def to_film(self, points: np.ndarray) -> np.ndarray:
        """Grid coordinates to film coordinates; the inverse of ``to_grid``."""
        return np.asarray(points, float) * np.divide(self.box[2:], self.grid) + self.box[:2]

    def sample(self, pixels: np.ndarray) -> np.ndarray:
        """Draws a film on the grid: float32 ``(H, W)`` to ``(h, w)``.

        Antialiased bilinear; outside the film the grid is 0 (black).
        """
        return _resample(self._checked(pixels, self.film), self.box, self.grid, Image.Resampling.BILINEAR)

    def sample_mask(self, mask: np.ndarray) -> np.ndarray:
        """Draws a mask on the grid, bool to bool: the value at each cell's centre."""
        inside = self._checked(mask, self.film).astype(np.float32)
        return _resample(inside, self.box, self.grid, Image.Resampling.NEAREST) > 0.5

    def restore(self, values: np.ndarray) -> np.ndarray:
        """Draws a grid on the film: float32 ``(h, w)`` to ``(H, W)``.

        Bilinear between cell centres; 0 where the grid does not reach. No value
        is rescaled, so a map keeps its unit.
        """
        drawn = self._restored(values, Image.Resampling.BILINEAR)
        return np.where(self.covered(), drawn, np.float32(0))

    def restore_mask(self, mask: np.ndarray) -> np.ndarray:
        """Draws a mask of the grid on the film, bool to bool, nearest cell."""
        return (self._restored(mask, Image.Resampling.NEAREST) > 0.5) & self.covered()

    def covered(self) -> np.ndarray:
        """bool ``(H, W)``: the film pixels whose centre the grid reaches."""
        rows, columns = (np.arange(n) + 0.5 for n in self.film)
        top, left, height, width = self.box
        inside_rows = (rows >= top) & (rows <= top + height)
        return inside_rows[:, None] & ((columns >= left) & (columns <= left + width))

    def _restored(self, values: np.ndarray, method: Image.Resampling) -> np.ndarray:
        top, left = self.to_grid(np.zeros(2))
        bottom, right = self.to_grid(np.array(self.film))
        box = float(top), float(left), float(bottom - top), float(right - left)
        # Beyond the outermost cell centres a map goes on as it is; black there would fade its rim.
        return _resample(self._checked(values, self.grid), box, self.film, method, outside="edge")

    def _checked(self, values: np.ndarray, size: Size) -> np.ndarray:
        values = np.asarray(values)
        if values.shape != size:
            raise InputError(f"an array of shape {values.shape}", f"shape {size}", "Placement")
        return values


FITS = ("resize", "centre_crop", "letterbox")


def _central(
    film: Size, grid: Size, choose: Callable[[float, float], float]
) -> tuple[float, float, float, float]:
    scale = choose(film[0] / grid[0], film[1] / grid[1])
    height, width = grid[0] * scale, grid[1] * scale
    return (film[0] - height) / 2, (film[1] - width) / 2, height, width


def _resample(
    values: np.ndarray,
    box: tuple[float, float, float, float],
    grid: Size,
    method: Image.Resampling,
    outside: Literal["constant", "edge"] = "constant",
) -> np.ndarray:
    """Resamples ``box`` of an image onto a grid; what lies outside the image is 0, or its edge."""
    top, left, height, width = box
    # Pillow takes no box beyond the image, so the part outside is padded first.
    before = max(0, int(np.ceil(-top))), max(0, int(np.ceil(-left)))
    after = (
        max(0, int(np.ceil(top + height - values.shape[0]))),
        max(0, int(np.ceil(left + width - values.shape[1]))),
    )
    image = np.asarray(values, dtype=np.float32)
    if any(before) or any(after):
        image = np.pad(image, list(zip(before, after, strict=True)), outside)
    top, left = max(0.0, top + before[0]), max(0.0, left + before[1])
    bottom, right = min(image.shape[0], top + height), min(image.shape[1], left + width)
    resized = Image.fromarray(image).resize((grid[1], grid[0]), method, (left, top, right, bottom))
    return np.asarray(resized, dtype=np.float32)
