# SPDX-License-Identifier: GPL-2.0-only
"""One global pool for all consumers of huge pages."""
