# SPDX-License-Identifier: GPL-2.0-only
"""Building blocks: parts of the kernel that designs are made of."""
