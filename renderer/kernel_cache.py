"""Where compiled kernels are kept, and whether they are all there already.

Imports no numba, so that an already warm `--warm` costs next to nothing.
"""

import hashlib
import os
import platform
import sys
import tempfile
from functools import cache
from importlib.metadata import version
from pathlib import Path

PACKAGE = Path(__file__).parent


@cache
def folder() -> Path:
    """The cache folder for exactly these sources, inside NUMBA_CACHE_DIR or `__pycache__`.

    Keyed by the sources because numba does not notice edits made in an imported file.
    """
    digest = hashlib.sha256()
    for source in sorted(PACKAGE.rglob("*.py")):
        digest.update(source.read_bytes())
    base = os.environ.get("NUMBA_CACHE_DIR") or str(PACKAGE / "__pycache__")
    return Path(base) / f"kernels-{digest.hexdigest()[:12]}"


def is_writable() -> bool:
    """Whether kernels can be kept at all; makes the folder."""
    try:
        folder().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder()):
            return True
    except OSError:
        return False


def stamp() -> Path:
    """The file that says "all compiled", by this Python and this numba, for this processor."""
    try:
        facts = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
        cpu = sorted({line for line in facts if line.startswith(("model name", "flags"))})
    except OSError:
        cpu = [platform.processor()]
    parts = [version("numba"), version("llvmlite"), sys.version, platform.machine(), *cpu]
    return folder() / f"warm-{hashlib.sha256(repr(parts).encode()).hexdigest()[:12]}"
