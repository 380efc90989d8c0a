"""`poolproof conform`: its options, and what it does. main.py prints."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from poolproof.checker.conform.c_program import c_program
from poolproof.checker.conform.campaign import Plan, campaign
from poolproof.checker.conform.report import campaign_report, log_report
from poolproof.checker.conform.script import script
from poolproof.checker.conform.shown import showing
from poolproof.checker.conform.syz import syz_program
from poolproof.checker.conform.trace_validation import load, match
from poolproof.checker.core.cache import cache_folder
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.verdict import Reporter
from poolproof.checker.driver.designs import designs_named
from poolproof.checker.driver.stored import Replayed
from poolproof.checker.kernel.fetch import (
    PACKAGES,
    Image,
    fetch_image,
    find_image,
    install_tools,
)
from poolproof.checker.kernel.guest import Guest
from poolproof.checker.kernel.kernel import Kernel, Unavailable
from poolproof.checker.kernel.live import Live
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.language import declared, did_you_mean

LIVE = "live"

EXAMPLES = """\
kernels:
  6.12, 6.1  Debian's, as a guest under QEMU with two nodes; --install gets it
  PATH       a kernel image of your own with virtio and hugetlb built in
  live       the running kernel, as root. Its huge pages must be unused. They
             are put back, but a kernel that dies takes the machine with it

examples:
  poolproof conform Hugetlb --kernel 6.12 --install --budget 600
  poolproof conform my.py:MyHugetlb --kernel 6.12 --sequences 5000
  poolproof conform Hugetlb --kernel live --without fork --sequences 200
  poolproof conform Hugetlb --log calls.jsonl
"""


def add_forms(form: argparse._MutuallyExclusiveGroup) -> None:
    """What `poolproof trace` may write a trace as."""
    form.add_argument(
        "--c", action="store_true", help="print a C program that does it (kselftest)"
    )
    form.add_argument("--syz", action="store_true", help="print a syzkaller program")


def reproducer(replayed: Replayed, given: argparse.Namespace) -> str:
    """The trace in the form that was asked for; empty where none was. Raises
    UserError where system calls cannot bring it about."""
    if given.c:
        return c_program(showing(script(replayed)))
    return syz_program(script(replayed)) if given.syz else ""


@dataclass(frozen=True)
class Options:
    """What was asked for."""

    design: type[Hugetlb]
    kernel: str
    plan: Plan
    log: str
    install: bool


def add_options(parser: argparse.ArgumentParser) -> None:
    """The arguments of the command."""
    add = parser.add_argument
    add(
        "design",
        metavar="DESIGN",
        nargs="?",
        default="Hugetlb",
        help="Hugetlb, or a class of your own that inherits it",
    )
    names = ", ".join(sorted(PACKAGES))
    add(
        "--kernel",
        metavar="KERNEL",
        default="6.12",
        help=f"{LIVE}, {names} or the path of an image",
    )
    add("--sequences", metavar="N", help="how many; 1000 by default")
    add("--steps", metavar="N", help="actions in each; 26 by default")
    add("--seed", metavar="N", help="0 by default")
    add(
        "--without",
        action="append",
        default=[],
        metavar="FEATURE[,FEATURE]",
        help="features that no sequence has",
    )
    add("--budget", metavar="SECONDS", help="end after this time")
    add("--log", metavar="FILE", help="match a log of calls instead of a kernel")
    add(
        "--install",
        action="store_true",
        help="install QEMU and gcc, download the kernel, where missing",
    )


def options(
    given: argparse.Namespace,
    number: Callable[[str | None, str, int], int | None],
    seconds: Callable[[str | None, float | None], float | None],
) -> Options:
    """The options understood, with the CLI's own readers of numbers. Raises
    UserError."""
    if not given.kernel:
        raise UserError(None, "--kernel: name one, like 6.12")
    design = _design(given.design)
    plan = Plan(
        sequences=number(given.sequences, "--sequences", 1) or 1000,
        steps=number(given.steps, "--steps", 1) or 26,
        seed=number(given.seed, "--seed", 0) or 0,
        seconds=seconds(given.budget, None),
        leaks=given.kernel != LIVE,
        alone=given.kernel != LIVE,
        without=_features(design, given.without),
    )
    return Options(design, given.kernel, plan, given.log or "", given.install)


def _features(design: type[Hugetlb], given: list[str]) -> tuple[str, ...]:
    names = tuple(n for text in given for n in text.replace(",", " ").split())
    known = tuple(declared(design)[1])
    for name in names:
        if name not in known:
            there = ", ".join(sorted(known))
            raise UserError(
                None,
                f"{design.__name__}: no feature {name!r}{did_you_mean(name, known)}; "
                f"there are {there}",
            )
    return names


def _design(reference: str) -> type[Hugetlb]:
    found = designs_named(reference)
    if len(found) != 1:
        names = ", ".join(k.name for k in found)
        raise UserError(None, f"which of {names}? Write file.py:Class")
    cls = found[0].cls
    if not issubclass(cls, Hugetlb):
        raise UserError(
            None,
            f"{found[0].name} has no mapping to system calls; Hugetlb has, and "
            "designs that inherit it",
        )
    return cls


def conform(asked: Options, report: Reporter) -> tuple[list[str], int]:
    """The lines to print, and the exit code: 0 agreement, 1 disagreement, 3
    where the kernel cannot be asked. Raises UserError."""
    if asked.log:
        matches = list(match(asked.design, load(asked.log)))
        code = 0 if all(m.accepted for m in matches) else 1
        return log_report(asked.log, matches), code
    try:
        with _kernel(asked) as kernel:
            done = campaign(asked.design, kernel, asked.plan, report)
    except Unavailable as reason:
        return [f"not asked: {reason}"], 3
    code = 1 if done.unexplained else 3 if done.ended else 0
    return campaign_report(done), code


@contextmanager
def _kernel(asked: Options) -> Iterator[Kernel]:
    cache = cache_folder()
    kernel: Kernel
    if asked.kernel == LIVE:
        kernel = Live(cache)
    else:
        if asked.install:
            install_tools()
        kernel = Guest(_image(asked, cache), cache)
    try:
        yield kernel
    finally:
        kernel.close()


def _image(asked: Options, cache: Path) -> Image:
    name = asked.kernel
    if name in PACKAGES:
        return fetch_image(name, cache) if asked.install else find_image(name, cache)
    path = Path(name)
    if path.is_file():
        return Image(path.name, path, ())
    raise UserError(
        None,
        f"--kernel {name}: no such file; there are {LIVE}, "
        f"{', '.join(sorted(PACKAGES))} and paths of images",
    )
