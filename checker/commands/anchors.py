# SPDX-License-Identifier: GPL-2.0-only
"""`poolproof anchors`: which functions that designs cite changed in a kernel."""

from __future__ import annotations

from poolproof.checker.commands.parser import Options, Parser
from poolproof.checker.commands.streams import output, writable
from poolproof.checker.driver.citations import all_citations
from poolproof.checker.driver.designs import designs_named
from poolproof.checker.driver.drift import compared
from poolproof.checker.linux.anchors import (
    FILE,
    Source,
    anchored,
    anchors_text,
    stored_anchors,
)
from poolproof.checker.linux.tree import folder_of, version_of
from poolproof.checker.reports.drift import drift_report

_EXAMPLES = """\
examples:
  poolproof anchors --tree ~/linux
  poolproof anchors --tree ~/linux --design Hugetlb --base ~/linux-6.12

exit codes: 0 all cited functions are as cited, 1 some are not
"""


def add(parser: Parser) -> None:
    """Add the arguments of the verb."""
    parser.epilog = _EXAMPLES
    add = parser.add_argument
    add("--tree", metavar="DIR", required=True, help="a kernel tree")
    add("--base", metavar="DIR", help="print the difference from this tree, too")
    parser.several(
        "--design",
        "DESIGN",
        "check the functions that these cite; by default, those of all shipped designs",
    )
    parser.flag("--store", "store the digests of this tree as those of its release")
    add("-o", metavar="FILE", dest="output", help="print to FILE")


def run(options: Options) -> int:
    """Compare, print, and return the exit code."""
    tree, anchors = folder_of(options.tree), stored_anchors()
    base = Source(folder_of(options.base)) if options.base else None
    designs = tuple(k for name in options.design for k in designs_named(name))
    citations, source = all_citations(designs), Source(tree)
    if options.store:
        names = (c.name for c in citations)
        with writable(str(FILE)) as file:
            file.write(anchors_text(anchored(anchors, tree, names)))
        return 0
    found = compared(source, citations, anchors)
    with output(options.output) as out:
        for line in drift_report(found, version_of(tree), source, base):
            print(line, file=out)
    return 1 if found.drifted else 0
