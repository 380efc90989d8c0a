# SPDX-License-Identifier: GPL-2.0-only
"""`poolproof help`: the reference of the languages."""

from __future__ import annotations

from poolproof.checker.commands.parser import Options, Parser
from poolproof.checker.reports.language import TOPICS, language


def add(parser: Parser) -> None:
    """Add the arguments of the verb."""
    parser.add_argument(
        "topic", choices=tuple(TOPICS), metavar="TOPIC", help=" or ".join(TOPICS)
    )


def run(options: Options) -> int:
    """Print, and return the exit code."""
    print("\n".join(language(options.topic)))
    return 0
