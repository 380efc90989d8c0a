# SPDX-License-Identifier: GPL-2.0-only
"""The reference model in other checkers' languages."""
