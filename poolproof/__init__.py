# SPDX-License-Identifier: GPL-2.0-only
"""poolproof: a model checker of huge-page reservation designs.

`poolproof.model` has the language, the building blocks and the designs,
`poolproof.checker` what answers questions about them.
"""

__version__ = "0.1.0"
