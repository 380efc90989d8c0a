# SPDX-License-Identifier: GPL-2.0-only
"""The IR in other languages: one backend per file."""
