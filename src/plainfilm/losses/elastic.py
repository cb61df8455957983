"""The elastic loss of an autoencoder: squared and absolute error together."""

from __future__ import annotations

from torch import Tensor


def elastic_loss(reconstructed: Tensor, images: Tensor) -> Tensor:
    """Sum over all pixels of all images of ``(x' - x)^2 + |x' - x|`` (Cohen et al., MIDL 2021).

    A sum, not a mean: it grows with the batch and the size of the film. The pixels' unit matters, too. Over
    a range of 2048, as in the paper, the square rules; over [0, 1] the absolute error does, for a square is
    then the smaller.

    Args:
        reconstructed: Any shape, in the unit of the network's input.
        images: Same shape.

    Returns:
        A scalar.
    """
    error = reconstructed - images
    return error.square().sum() + error.abs().sum()
