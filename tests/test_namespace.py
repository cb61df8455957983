from __future__ import annotations

import subprocess
import sys

import plainfilm as pf

PUBLIC = [
    "Classifier", "Explanation", "Placement", "PlainfilmError", "Radiograph", "__version__", "explain",
    "load", "read", "wrap",
]  # fmt: skip


def test_the_public_names_are_these():
    assert sorted(pf.__all__) == PUBLIC
    assert all(getattr(pf, name) is not None for name in pf.__all__)


def test_importing_the_package_and_its_errors_imports_no_heavy_library():
    code = (
        "import sys, plainfilm, plainfilm.errors, plainfilm.findings, plainfilm.attribution;"
        "print([name for name in ('torch', 'numpy', 'PIL', 'matplotlib', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
