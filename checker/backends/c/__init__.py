# SPDX-License-Identifier: GPL-2.0-only
"""The IR as C: program.py puts together what the other modules print."""
