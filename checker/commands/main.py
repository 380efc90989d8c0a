# SPDX-License-Identifier: GPL-2.0-only
"""The command `poolproof`. A verb is a file of its own beside this one.

Exit codes: 0 all as expected · 1 something is not · 2 an error in a design,
a spec or the call · 3 something is not known, or (--strict, review) vacuous ·
130 interrupted, nothing known.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import Any

from poolproof import __version__
from poolproof.checker.commands.parser import Parser
from poolproof.checker.commands.streams import complain, pointed, standard_output
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.limits import Spent
from poolproof.checker.core.text import WIDTH
from poolproof.model.language import ModelError

VERBS = {
    "list": "list the designs and specs",
    "check": "check specs on their designs",
    "review": "check every shipped spec on every shipped design",
    "size": "find the smallest pool with which a scenario always succeeds",
    "compare": "find differences between two designs that user space sees",
    "guarantee": "find the features that break a promise, alone or in pairs",
    "bugs": "find past bugs of kernels, or those that are back in a design",
    "mutate": "find changes of a design that no property detects",
    "trace": "replay stored traces under CPython",
    "patch": "find the designs and specs that a kernel patch concerns",
    "anchors": "find cited functions that have changed in a kernel tree",
    "conform": "compare a design with a kernel, call by call",
    "export": "print a design as a model for SPIN or TLC",
    "help": "print the reference for designs, or for specs and scenarios",
}
"""Each verb, and its line of help. The module `commands.VERB` has `add(parser)`,
which adds its arguments, and `run(options)`, which returns the exit code."""

GARBAGE = (20_000, 20, 100)
"""Thresholds of Python's search for garbage in cycles (see gc.set_threshold). A check
makes many objects, expressions above all, and few of them ever become garbage."""

_EXAMPLES = """\
examples:
  poolproof list
  poolproof check hugetlb_mempolicy
  poolproof check my.spec --design my.py:MyPool --bounds V=3,P=2
  poolproof check my.spec --engine bmc --depth 12 --json -o my.json
  poolproof review
  poolproof size hot_upgrade_4 --table
  poolproof trace counterexamples/Thp/*.trace

exit codes:
  0  all as expected (without an `expect`: a property holds)
  1  a property is violated, or an `expect` is not met
  2  an error in a design, a spec or the call
  3  inconclusive: a budget was spent, or a solver gave up. In review and
     with --strict, also: a property is vacuous, because what it is about
     never happens
  130  interrupted (Ctrl-C) before anything was known
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code."""
    gc.set_threshold(*GARBAGE)
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        with contextlib.redirect_stdout(standard_output()) as out:
            code = _run_command(arguments)
            out.flush()
            return code
    except UserError as e:
        complain(pointed(e))
        return 2
    except Spent as e:
        complain(f"poolproof: {e}; nothing is known yet")
        return 3
    except KeyboardInterrupt:
        complain("poolproof: interrupted; nothing is known yet")
        return 130
    except ModelError as e:
        complain(f"poolproof: {e}")
        return 2
    except MemoryError:
        complain("poolproof: there is no memory left; nothing is known yet")
        return 3
    except BaseException:
        complain(traceback.format_exc())
        complain("poolproof: this is a bug in poolproof; there is no verdict")
        return 2


def _run_command(arguments: Sequence[str]) -> int:
    try:
        options = parser().parse_args(arguments)
    except SystemExit as e:  # argparse has said why, or shown the help
        return e.code if isinstance(e.code, int) else 2
    code: int = _module(options.verb).run(options)
    return code


def _module(verb: str) -> ModuleType:
    return import_module(f"{__package__}.{verb}")


class _Help(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=22, width=WIDTH)


class _Verb(Parser):
    """A verb's parser. Its module is loaded when it is asked for something."""

    verb = ""

    def load(self) -> None:
        verb, self.verb = self.verb, ""
        if verb:
            _module(verb).add(self)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        self.load()
        return super().parse_known_args(args, namespace)


class _Completion(argparse.Action):
    """Print the completion script of a shell."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        _namespace: argparse.Namespace,
        values: Any,
        _option: str | None = None,
    ) -> None:
        import shtab

        paths = {"FILE": shtab.FILE, "SPEC": shtab.FILE, "DIR": shtab.DIRECTORY}
        for verb in _verbs(parser):
            verb.load()
            for action in verb._actions:
                if action.metavar in paths:
                    vars(action)["complete"] = paths[action.metavar]
        print(shtab.complete(parser, values))
        parser.exit(0)


def _verbs(parser: argparse.ArgumentParser) -> list[_Verb]:
    found = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return [verb for action in found for verb in action.choices.values()]


def parser() -> argparse.ArgumentParser:
    """Return the command's parser. It has a verb's arguments as soon as that
    verb parses any."""
    made = Parser(
        prog="poolproof",
        description="Check designs of huge-page reservation: which promises hold, "
        "up to\nwhich bounds, and the shortest run that breaks one.",
        epilog=_EXAMPLES,
        formatter_class=_Help,
    )
    made.add_argument("--version", action="version", version=f"poolproof {__version__}")
    made.add_argument(
        "--print-completion",
        action=_Completion,
        choices=("bash", "zsh", "tcsh"),
        metavar="SHELL",
        help="print a completion script for bash, zsh or tcsh",
    )
    verbs = made.add_subparsers(
        metavar="COMMAND", dest="verb", required=True, parser_class=_Verb
    )
    for name, text in VERBS.items():
        verbs.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}.",
            formatter_class=_Help,
        ).verb = name
    return made
