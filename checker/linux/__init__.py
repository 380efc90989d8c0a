# SPDX-License-Identifier: GPL-2.0-only
"""The kernel's source as text: functions of C files, trees, and patches."""
