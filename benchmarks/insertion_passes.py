"""How many passes do insertion and deletion need? Areas of a few scored rows against those of all 1004.

    python benchmarks/insertion_passes.py [FILMS]

On the shipped model and rendered films whose finding it calls, for a coarse map (Grad-CAM) and a scattered
one (gradient). ``passes`` keeps the rows and draws straight lines between those that are scored; a greater
``pixels_per_step`` costs as little but changes what the area means, by about ``score / rows``.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

import plainfilm as pf
from plainfilm.attribution import GradCAM, Gradient
from plainfilm.datasets.phantom import Phantom
from plainfilm.findings import SUPPORT_DEVICES
from plainfilm.metrics import insertion_deletion

CALLED = 0.6
WAYS = {
    "passes=40": {"passes": 40},
    "passes=100": {"passes": 100},
    "passes=200": {"passes": 200},
    "pixels_per_step=250": {"pixels_per_step": 250},
}


def compared(score: Callable[[Tensor], Tensor], image: Tensor, map: np.ndarray, where: str) -> None:
    """Prints how far the areas of each way are from those of all rows."""
    began = time.process_time()
    whole = insertion_deletion(score, image, map)
    seconds = time.process_time() - began
    print(f"{where}: {whole.passes} passes, {seconds:.0f} s, ", end="")
    print(f"insertion {whole.insertion_auc:.4f}, deletion {whole.deletion_auc:.4f}")
    for name, settings in WAYS.items():
        began = time.process_time()
        quick = insertion_deletion(score, image, map, **settings)
        apart = (
            quick.insertion_auc - whole.insertion_auc,
            quick.deletion_auc - whole.deletion_auc,
        )
        seconds = time.process_time() - began
        print(f"  {name:20} {quick.passes:4} passes, {seconds:4.1f} s, {apart[0]:+.4f}, {apart[1]:+.4f}")


def main(films: int = 3) -> None:
    torch.set_num_threads(1)
    model, data, done = pf.load("phantom"), Phantom(1000, seed=7), 0
    for study in data:
        said = model.predict(study.radiograph)
        called = [f for f in study.present if f != SUPPORT_DEVICES and said[f] >= CALLED]
        if not called:
            continue
        image, target = model.prepare_batch([study.radiograph])[0], model.index(called[0])

        def score(images: Tensor, target: int = target) -> Tensor:
            return model.logits(images)[:, target].sigmoid()

        for method in (GradCAM(model.network), Gradient(model.network)):
            map = method.attribute(image, target)[0, 0].abs().cpu().numpy()
            compared(score, image, map, f"{study.radiograph.id}, {called[0]}, {type(method).__name__}")
        done += 1
        if done == films:
            return


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
