"""Networks, and the classifiers made of them; names load when first used.

densenet           a DenseNet of modules alone
autoencoder        films to codes and back
spec               what a network expects at its input
classifier         network, target names and input together; any network can be wrapped
store              classifiers to and from checkpoints
autoencoder_store  autoencoders likewise, by name or by file
foreign            DenseNets that others trained
zoo                all classifiers by name or by file
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plainfilm.lazy import loads_on_first_use

if TYPE_CHECKING:
    from plainfilm.models.autoencoder import (
        Autoencoder,
        autoencoder50,
        autoencoder101,
        autoencoder152,
        autoencoder_slim,
    )
    from plainfilm.models.autoencoder_store import load_autoencoder, save_autoencoder

_HOMES = {
    "Autoencoder": "autoencoder",
    "autoencoder101": "autoencoder",
    "autoencoder152": "autoencoder",
    "autoencoder50": "autoencoder",
    "autoencoder_slim": "autoencoder",
    "load_autoencoder": "autoencoder_store",
    "save_autoencoder": "autoencoder_store",
}

__all__ = [
    "Autoencoder",
    "autoencoder50",
    "autoencoder101",
    "autoencoder152",
    "autoencoder_slim",
    "load_autoencoder",
    "save_autoencoder",
]

__getattr__ = loads_on_first_use(__name__, _HOMES)
