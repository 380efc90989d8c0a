# SPDX-License-Identifier: GPL-2.0-only
"""poolproof's modelling language, building blocks and designs."""
