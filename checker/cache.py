"""Where what takes long to make is kept for the next time: compiled programs,
the grammar's tables, kernels and what they run on."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """$XDG_CACHE_HOME/poolproof, or ~/.cache/poolproof; it need not exist."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "poolproof"
