"""The feature statistics that ship with "phantom", and what it costs to keep them in a third of the space.

    python benchmarks/phantom_statistics.py [OUT [FILMS]]

Films are the first of the classifier's own training part (``recipes/classifier.yaml``: seed 1). The cost is
how far maps with compact statistics are from those with statistics in full precision, over ten films that
are in neither.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

import plainfilm as pf
from plainfilm.attribution.bottleneck import dense_blocks
from plainfilm.attribution.feature_statistics import BATCH, FeatureStatistics
from plainfilm.attribution.registry import build_method
from plainfilm.datasets.phantom import Phantom
from plainfilm.models.classifier import Classifier

RECIPE = "classifier"
SIZE, SEED = 224, 1
METHODS = ("iba", "inverse-iba", "multilayer-iba")
TESTED = 10


def batches(model: Classifier, data: Phantom) -> Iterator[Tensor]:
    """The films as the network sees them."""
    for start in range(0, len(data), BATCH):
        films = [data[k].radiograph for k in range(start, min(start + BATCH, len(data)))]
        yield model.prepare_batch(films)[0]


def cost(
    model: Classifier, exact: FeatureStatistics, compact: FeatureStatistics, method: str
) -> tuple[float, float]:
    """Of maps by both: the greatest difference, as a share of the maximum, where both have bits; and the
    greatest share of pixels that have bits in one map alone (a threshold moves such a pixel in or out)."""
    data = Phantom(200, SIZE, seed=SEED + 2000)
    apart, moved = [], []
    for index, finding in [(k, shown[0]) for k, shown in enumerate(data.outlined()) if shown][:TESTED]:
        image, _ = model.prepare(data[index].radiograph)
        one, other = (
            build_method(method, model.network, {"statistics": each}).attribute(image, model.index(finding))
            for each in (exact, compact)
        )
        both = (one > 0) & (other > 0)
        apart.append(float(((one - other).abs() * both).max() / one.max()))
        moved.append(float(((one > 0) != (other > 0)).float().mean()))
    return max(apart), max(moved)


def main(out: str = "phantom-statistics.json", films: str = "1000") -> None:
    torch.set_num_threads(1)
    model, data, began = pf.load("phantom"), Phantom(int(films), SIZE, seed=SEED), time.time()
    exact = FeatureStatistics.estimate(model.network, dense_blocks(model.network), batches(model, data))
    card = {
        "name": "statistics of phantom",
        "model_sha256": model.card["sha256"],
        "recipe": RECIPE,
        "data": f"the first {len(data)} films of {data.name}, {SIZE} px",
        "licence": "Apache-2.0",
    }
    path = exact.save(Path(out), compact=True, card=card)
    compact = FeatureStatistics.load(path)
    megabytes = path.with_suffix(".safetensors").stat().st_size / 1e6
    print(f"{compact} in {time.time() - began:.0f} s, {megabytes:.2f} MB")
    for name in METHODS:
        apart, moved = cost(model, exact, compact, name)
        print(f"{name:16} {apart:.1e} of the map's maximum, {moved:.2%} of the pixels in one map alone")


if __name__ == "__main__":
    main(*sys.argv[1:])
