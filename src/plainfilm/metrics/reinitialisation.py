"""The units of a network that randomisation tests re-initialise, and their initialisation.

A unit is the smallest block that its author gave a forward of its own (a dense layer, a residual block),
or a layer outside such blocks (the stem, the last norm, the classifier).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from plainfilm.errors import ModelError

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def randomisation_units(network: nn.Module, image: Tensor | None = None) -> tuple[str, ...]:
    """The units of a network by name, from the output towards the input.

    Of a DenseNet-121 these are 65: the classifier, ``norm5``, the dense layers of each block from the last,
    the transition before it, and so on to ``norm0`` and ``conv0``, as in Gifsplanation (Cohen et al. 2021).

    Args:
        network: Any network; it is left as found.
        image: ``(1, C, H, W)``. With it the order is that of first use in a forward pass; units that are not
            called as modules come after the one that is registered before them. Without it the order is
            that of registration.

    Raises:
        ModelError: for a network without parameters.
    """
    units = list(_registered(network))
    if not units:
        raise ModelError("a network without parameters", "something to re-initialise", "randomisation_units")
    if image is not None:
        used = _first_use(network, units, image)
        place = -1
        places: dict[str, int] = {}
        for name in units:
            place = places[name] = used.get(name, place)
        units.sort(key=places.__getitem__)
    return tuple(reversed(units))


def reinitialise(unit: nn.Module, seed: int, name: str) -> None:
    """Gives every layer of a unit the framework's default initialisation, in place.

    That of ``reset_parameters``: Kaiming uniform with a = sqrt(5) for convolutions and linear layers; 1 and 0
    for a norm, its running statistics as well. The values are a function of seed and name alone, drawn on
    the CPU wherever the network lies; the global random state is left as found.
    """
    generator = torch.default_generator
    with torch.random.fork_rng(devices=[]):
        generator.manual_seed(_seed_of(seed, name))
        for module in unit.modules():
            reset = _reset_of(module)
            if reset is not None:
                device = next((t.device for t in _own(module)), torch.device("cpu"))
                module.to("cpu")
                reset()
                module.to(device)


def without_default(network: nn.Module) -> tuple[str, ...]:
    """Names of the parameters whose module knows no default initialisation: a class token, for instance."""
    return tuple(
        f"{name}.{own}".lstrip(".")
        for name, module in network.named_modules()
        if _reset_of(module) is None
        for own, _ in module.named_parameters(recurse=False)
    )


def _registered(network: nn.Module) -> Iterator[str]:
    """The units in the order of registration."""
    name, core = "", network
    # A wrapper around one network is no unit.
    while not _own(core) and len(inside := _stateful(core)) == 1:
        ((child, core),) = inside
        name = f"{name}.{child}".lstrip(".")
    children = _stateful(core)
    if not children and _own(core):
        yield name
    for child, module in children:
        yield from _units(f"{name}.{child}".lstrip("."), module)


def _units(name: str, module: nn.Module) -> Iterator[str]:
    children = _stateful(module)
    if not children or _is_block(module):
        yield name
        return
    for child, inside in children:
        yield from _units(f"{name}.{child}", inside)


def _is_block(module: nn.Module) -> bool:
    """Whether a module with layers inside is one unit."""
    children = list(module.children())
    if type(module) in CONTAINERS:
        # One weighted layer with its norm is a unit, a row of weighted layers is not.
        weighted = [c for c in children if any(t.ndim > 1 for t in c.parameters())]
        return all(map(_is_leaf, children)) and len(weighted) == 1
    return all(_is_leaf(c) or (type(c) is nn.Sequential and all(map(_is_leaf, c))) for c in children)


def _first_use(network: nn.Module, units: list[str], image: Tensor) -> dict[str, int]:
    used: dict[str, int] = {}

    def note(name: str) -> None:
        used.setdefault(name, len(used))

    handles = [
        network.get_submodule(name).register_forward_pre_hook(lambda *call, name=name: note(name))
        for name in units
    ]
    modes = [(module, module.training) for module in network.modules()]
    weights = next(network.parameters(), image)
    try:
        network.eval()
        with torch.no_grad():
            network(image.detach().to(weights).clone())
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes:
            module.training = training
    return used


def _stateful(module: nn.Module) -> list[tuple[str, nn.Module]]:
    return [(name, child) for name, child in module.named_children() if any(map(_own, child.modules()))]


def _own(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(recurse=False), *module.buffers(recurse=False)]


def _is_leaf(module: nn.Module) -> bool:
    return next(module.children(), None) is None


def _reset_of(module: nn.Module) -> Callable[[], None] | None:
    # Attention names it with an underscore.
    return getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)


def _seed_of(seed: int, name: str) -> int:
    return int.from_bytes(hashlib.blake2b(repr((seed, name)).encode(), digest_size=7).digest())
