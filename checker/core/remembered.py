# SPDX-License-Identifier: GPL-2.0-only
"""What a function returned, as a dict."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeVar

Key = TypeVar("Key")
Found = TypeVar("Found")


class Remembered(dict[Key, Found]):
    """The values of a function, each by its argument: what is missing is computed. Once
    there are ``most``, all are forgotten."""

    def __init__(self, of: Callable[[Key], Found], most: float = math.inf) -> None:
        super().__init__()
        self.of, self.most = of, most

    def __missing__(self, key: Key) -> Found:
        if len(self) >= self.most:
            self.clear()
        found = self[key] = self.of(key)
        return found
