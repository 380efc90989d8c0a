# SPDX-License-Identifier: GPL-2.0-only
"""A real kernel, under QEMU or the running one, driven through one agent."""
