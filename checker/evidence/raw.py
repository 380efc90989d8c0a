# SPDX-License-Identifier: GPL-2.0-only
"""What CPython computes, as the raw values of the IR."""

from __future__ import annotations

from enum import Enum
from typing import Any

from poolproof.checker.core.ir import ScalarSort, SetSort, Sort
from poolproof.model.language import Element


class ReplayDisagrees(Exception):
    """CPython and the IR, or an engine and both, differ: a bug of poolproof."""


def raw_of(sort: Sort, value: Any) -> int:
    """Return the raw value of a method's Python result."""
    match sort, value:
        case SetSort(domain=domain), frozenset() | set():
            return sum(1 << raw_of(domain.sort, v) - domain.lo for v in value)
        case ScalarSort(size=size), None:
            return size
        case ScalarSort(), Element():
            return value.index
        case _, Enum():
            return list(type(value)).index(value)
        case _, int():
            return int(value)
    raise ReplayDisagrees(f"a method returned {value!r}, and the IR expects {sort}")
