# SPDX-License-Identifier: GPL-2.0-only
"""What every room uses: expressions, systems, properties, verdicts, budgets."""
