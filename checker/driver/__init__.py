# SPDX-License-Identifier: GPL-2.0-only
"""What users ask for: a check, a review, a size, a guarantee, mutants."""
