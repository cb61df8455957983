"""Plants a finding or a device on a real film: a benchmark with exact truth on one's own data."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from plainfilm.datasets.film_lungs import FilmLungs
from plainfilm.datasets.phantom.canvas import REPLACED_LUNG
from plainfilm.datasets.phantom.devices import DEVICES, FAINTEST_DEVICE
from plainfilm.datasets.phantom.findings import RECIPES, draw_change, expert_mask, finding_mask
from plainfilm.datasets.phantom.scene import Scene, draw_side
from plainfilm.datasets.phantom.zones import severities
from plainfilm.datasets.study import Study
from plainfilm.errors import InputError
from plainfilm.findings import SUPPORT_DEVICES
from plainfilm.radiograph import Placement, Radiograph

PLANTABLE = (*(name for name in RECIPES if name != "Cardiomegaly"), *DEVICES)
"""What can be planted: everything but a large heart, which no film has room for."""

LUNG_TO_MEDIASTINUM = 1.7
"""Log attenuation between lung and mediastinum, which turns attenuation into grey levels."""

SHOULDER = 0.86
"""Grey level above which the film saturates."""

BRIGHTER_DISEASE = 0.1
"""Grey levels by which disease can be brighter than the mediastinum."""

FAINTEST_CONTRAST = 0.04
"""Change of grey below which a planted finding is drawn anew: no reader would see it."""

MOST_ATTEMPTS = 12


def plant(
    radiograph: Radiograph, lungs: np.ndarray, finding: str, seed: int = 0, size: int | None = None
) -> Study:
    """Plants one finding or device on a film, leaving the rest of it as it was.

    The film's own scale of grey is taken from its lungs and mediastinum. No ray is given
    more tissue than the air that it has left to fill, so that an effusion behind the
    heart does not shine.

    Args:
        radiograph: A film without the finding.
        lungs: bool ``(H, W)``, both lungs, as far as the diaphragm and behind the heart or not.
        finding: A name from ``PLANTABLE``.
        seed: Seed of side, place, extent and strength.
        size: Side in pixels of a square onto which the film is letterboxed first.

    Returns:
        A study with the changed film, and the exact mask under the finding's name
        ("Support Devices" for a device).

    Raises:
        InputError: for an unknown name, a mask of another shape, a mask without two lungs, or a
            film so white that the finding would not be seen.
    """
    if finding not in PLANTABLE:
        raise InputError(f"finding {finding!r}", f"one of {', '.join(PLANTABLE)}", "plant")
    if lungs.shape != radiograph.size:
        raise InputError(f"a lung mask of shape {lungs.shape}", f"shape {radiograph.size}", radiograph.id)
    if size is not None:
        radiograph, lungs = _resized(radiograph, lungs, size)
    site = _Site.of(radiograph, lungs.astype(bool), seed)
    name = SUPPORT_DEVICES if finding in DEVICES else finding
    for attempt in range(MOST_ATTEMPTS):
        rng = np.random.default_rng([seed, 1 + PLANTABLE.index(finding), 1 + attempt])
        planted = _planted(site, finding, rng)
        if planted.contrast >= FAINTEST_CONTRAST:
            is_opacity = finding in RECIPES and RECIPES[finding].is_opacity
            return Study(
                radiograph=replace(radiograph, pixels=planted.pixels, id=f"{radiograph.id}+{finding}"),
                findings={name: 1.0},
                masks={name: planted.mask},
                zones=severities(site.scene, planted.change if is_opacity else 0 * planted.change),
                lungs=lungs.astype(bool),
            )
    raise InputError(
        f"a film on which {finding} is not seen in {MOST_ATTEMPTS} attempts", "dark lungs", radiograph.id,
        "Plant it on another film.",
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class _Planted:
    """A finding on a film; ``contrast`` is the grey change at the strongest twentieth of its mask."""

    change: np.ndarray
    mask: np.ndarray
    pixels: np.ndarray
    contrast: float


def _planted(site: _Site, finding: str, rng: np.random.Generator) -> _Planted:
    scene = site.scene
    if finding in DEVICES:
        change = DEVICES[finding](scene.patient, scene.canvas, rng, draw_side(rng))
        mask = np.abs(change) > FAINTEST_DEVICE
    else:
        change = draw_change(scene, finding, rng)
        mask = expert_mask(scene, finding, finding_mask(change, scene.canvas, finding), rng)
    pixels = site.expose(change, is_metal=finding in DEVICES)
    grey = np.abs(pixels - site.pixels)[mask]
    return _Planted(change, mask, pixels, float(np.percentile(grey, 95)) if grey.size else 0.0)


def _resized(radiograph: Radiograph, lungs: np.ndarray, size: int) -> tuple[Radiograph, np.ndarray]:
    placement = Placement.letterbox(radiograph.size, (size, size))
    pixels = np.clip(placement.sample(radiograph.pixels), 0, 1)
    return replace(radiograph, pixels=pixels, spacing=None), placement.sample_mask(lungs)


@dataclass(frozen=True, eq=False)
class _Site:
    """A real film as a scene.

    Attributes:
        scene: Its lungs, with no more of them than there is grey left to fill.
        pixels: The film.
        gain: Grey levels that one unit of log attenuation is worth.
        soft_tissue: Grey level of the mediastinum.
    """

    scene: Scene
    pixels: np.ndarray
    gain: float
    soft_tissue: float

    @classmethod
    def of(cls, radiograph: Radiograph, lungs: np.ndarray, seed: int) -> _Site:
        pixels, shape = radiograph.pixels, FilmLungs.of(lungs, radiograph.id)
        canvas, anatomy = shape.canvas, shape.anatomy(pixels, seed)
        spine = (np.abs(canvas.x) < 2) & (np.abs(canvas.y) < 8)
        dark = float(np.median(pixels[lungs]))
        gain = float(np.clip((np.median(pixels[spine]) - dark) / LUNG_TO_MEDIASTINUM, 0.06, 0.35))
        soft_tissue = float(np.percentile(pixels[spine], 60))
        headroom = np.maximum(soft_tissue - canvas.blur(pixels, 0.35), 0)
        lung = np.minimum(anatomy.cavity, headroom / (gain * REPLACED_LUNG))
        aeration = anatomy.lung_window * np.clip(lung / 6, 0, 1)
        patient = shape.patient(radiograph.view, seed)
        scene = Scene(patient, canvas, anatomy, lung.astype(np.float32), aeration)
        return cls(scene, pixels, gain, soft_tissue)

    def expose(self, change: np.ndarray, is_metal: bool) -> np.ndarray:
        """The film after a change of log attenuation, float32 ``(H, W)`` in [0, 1].

        What is pushed beyond the film's shoulder is compressed; disease hardly outshines
        the mediastinum.
        """
        film = self.pixels + self.gain * self.scene.canvas.blur(change, 0.1)
        shoulder, room = (SHOULDER, 1.0) if is_metal else (min(SHOULDER, self.soft_tissue), BRIGHTER_DISEASE)
        knee = np.maximum(self.pixels, shoulder)
        room = np.clip(1 - knee, 1e-3, room)
        film = np.where(film > knee, knee + room * np.tanh((film - knee) / room), film)
        return np.clip(film, 0, 1).astype(np.float32)
