# SPDX-License-Identifier: GPL-2.0-only
"""Evidence for verdicts: replays, stored traces, reasons, certificates."""
