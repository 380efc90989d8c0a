# SPDX-License-Identifier: GPL-2.0-only
"""One file for each design; each header cites its source and version."""
