# SPDX-License-Identifier: GPL-2.0-only
"""The spec language: properties as text.

`parse` reads a file into the syntax tree of `checker.spec.syntax`; `resolve`
gives its properties as formulas over one compiled design. A spec names state
by the names a design gives it, so one spec serves every design that has them.
"""

from poolproof.checker.spec.parse import parse, parse_text
from poolproof.checker.spec.resolve import Resolved, resolve, resolve_all
from poolproof.checker.spec.sizes import Sizes, at_label, sizes
from poolproof.checker.spec.syntax import Spec

__all__ = [
    "Resolved",
    "Sizes",
    "Spec",
    "at_label",
    "parse",
    "parse_text",
    "resolve",
    "resolve_all",
    "sizes",
]
