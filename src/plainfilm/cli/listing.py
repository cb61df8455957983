"""plainfilm list: what can be named."""

from __future__ import annotations

from plainfilm.cli.console import print_json, print_table
from plainfilm.cli.options import AsJson
from plainfilm.findings import ALL


def list_known(as_json: AsJson = False) -> None:
    """List the methods, models and findings that can be named."""
    # Here, because help must not wait for torch.
    from plainfilm.attribution.registry import method_class, names
    from plainfilm.models.zoo import available

    methods = {name: (method_class(name).__doc__ or "").strip().splitlines()[0] for name in names()}
    if as_json:
        print_json({"methods": methods, "models": available(), "findings": ALL})
        return
    print_table(("method", "what it is"), methods.items())
    print_table(("model",), [(name,) for name in available()])
    print_table(("finding",), [(name,) for name in ALL])
