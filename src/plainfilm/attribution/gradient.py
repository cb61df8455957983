"""The gradient of a score with respect to the image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from plainfilm.attribution.method import Method, input_gradient


@dataclass(frozen=True, eq=False)
class Gradient(Method):
    """Input gradient (Simonyan et al. 2014), signed.

    ``map = sum over channels of d score[target] / d image``: for a film that is
    repeated over the channels this is the derivative with respect to its grey level.
    """

    unit: ClassVar[str] = "logit per unit of input"

    def maps(self, images: Tensor, targets: Tensor) -> Tensor:
        return input_gradient(self.network, images, targets).sum(1, keepdim=True)
