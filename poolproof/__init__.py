# SPDX-License-Identifier: GPL-2.0-only
"""poolproof: a model checker of huge-page reservation designs.

`poolproof.model` has the language, the building blocks and the designs;
`poolproof.checker` checks them. `poolproof.check` is a check as a function, loaded at
its first use.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from poolproof.api import UserError, Verdict, Verdicts, check

__all__ = ["UserError", "Verdict", "Verdicts", "check"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from poolproof import api

    return getattr(api, name)
