# SPDX-License-Identifier: GPL-2.0-only
"""The reference model, and how fast it is searched here and elsewhere."""
