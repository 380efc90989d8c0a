# SPDX-License-Identifier: GPL-2.0-only
"""Reserved THP: the RFC of 2026-06-27 as posted, and its plans. Functions have
their names of v7.2."""
