# SPDX-License-Identifier: GPL-2.0-only
"""Answers as plain text, HTML, Markdown and JSON."""
