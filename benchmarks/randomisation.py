"""Which methods notice that a network has forgotten everything? Figure 5 of Gifsplanation on rendered films.

    python benchmarks/randomisation.py [--films 8] [--models phantom] [--methods gradient grad-cam]

One finding a film that the model calls (p >= 0.6) is explained while the network is re-initialised from its
output to its input. Printed for each method: Spearman's correlation of magnitudes with the trained network's
map after the classifier, a quarter, half and all of the units, with Student's interval over films; undefined
correlations; the rise of entropy to the fully random network; and seconds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator

import torch
from torch import Tensor

from plainfilm.attribution.registry import build_method, names
from plainfilm.datasets.phantom import Phantom
from plainfilm.findings import SUPPORT_DEVICES
from plainfilm.metrics import cascading_randomisation, efficient_randomisation
from plainfilm.models.classifier import Classifier
from plainfilm.models.zoo import load

CALLED, SEED = 0.6, 2027
METHODS = (
    "gradient", "guided-backprop", "integrated-gradients", "iterative-delete", "grad-cam", "latent-shift",
)  # fmt: skip
SETTINGS = {"integrated-gradients": {"steps": 20}, "latent-shift": {"search": "fast"}}


def subjects(model: Classifier, films: int) -> Iterator[tuple[Tensor, int]]:
    """Prepared films with the position of the present finding that the model is surest of."""
    found = 0
    for study in Phantom(50 * films, seed=SEED):
        said = model.predict(study.radiograph)
        called = [f for f in study.present if f != SUPPORT_DEVICES and said.get(f, 0) >= CALLED]
        if called:
            yield model.prepare(study.radiograph)[0], model.index(max(called, key=said.__getitem__))
            found += 1
        if found == films:
            return


def judged(model: Classifier, method: str, images: Tensor, targets: list[int]) -> None:
    """Prints the rows of one method."""
    began = time.process_time()
    make = build_method(method, model, SETTINGS.get(method, {}))
    found = cascading_randomisation(make, model, images, targets, seed=SEED)
    took = time.process_time() - began
    rise = efficient_randomisation(make, model, images, targets, seed=SEED)
    last = len(found.units) - 1
    print(f"\n{method}: {took:.0f} s, {int(found.undefined.sum())} of {found.correlations.size} undefined")
    for row in sorted({0, last // 4, last // 2, last}):
        print(f"  after {row + 1:3} units, {found.units[row]:<36} {found.intervals[row]}")
    print(f"  rise of entropy {rise.interval}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--films", type=int, default=8)
    parser.add_argument("--models", nargs="+", default=["phantom"])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=names())
    asked = parser.parse_args()
    torch.set_num_threads(1)
    for name in asked.models:
        model = load(name)
        images, targets = zip(*subjects(model, asked.films), strict=True)
        print(f"{name}: {len(images)} films")
        for method in asked.methods:
            judged(model, method, torch.cat(images), list(targets))


if __name__ == "__main__":
    main()
