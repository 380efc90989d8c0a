# SPDX-License-Identifier: GPL-2.0-only
"""From a design class to a transition system."""
