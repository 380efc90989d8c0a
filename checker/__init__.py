# SPDX-License-Identifier: GPL-2.0-only
"""poolproof's checker: IR, frontend, spec language, engines, evidence, CLI."""
