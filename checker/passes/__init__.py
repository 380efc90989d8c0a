# SPDX-License-Identifier: GPL-2.0-only
"""From a transition system to another, usually smaller one."""
