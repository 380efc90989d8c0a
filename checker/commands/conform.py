# SPDX-License-Identifier: GPL-2.0-only
"""`poolproof conform`: compare a design with a kernel, call by call."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from poolproof.checker.commands import options as shared
from poolproof.checker.commands.parser import Options, Parser
from poolproof.checker.commands.streams import output
from poolproof.checker.commands.terminal import progress
from poolproof.checker.conform.c_difference import c_difference
from poolproof.checker.conform.campaign import Plan, campaign
from poolproof.checker.conform.environment import NotExpressible
from poolproof.checker.conform.failures import inject
from poolproof.checker.conform.hugetlb import variant
from poolproof.checker.conform.own_counters import Broken, broken
from poolproof.checker.conform.pair import compare_kernels
from poolproof.checker.conform.report import (
    campaign_report,
    injected_report,
    log_report,
    pair_report,
)
from poolproof.checker.conform.shrink import Found
from poolproof.checker.conform.trace_validation import load, match
from poolproof.checker.core.cache import cache_folder
from poolproof.checker.core.diagnostic import UserError
from poolproof.checker.core.verdict import Reporter
from poolproof.checker.driver.designs import one_design
from poolproof.checker.kernel.build import build_image, build_revision
from poolproof.checker.kernel.fetch import (
    PACKAGES,
    Image,
    fetch_image,
    find_image,
    install_tools,
)
from poolproof.checker.kernel.guest import Guest, GuestMachine
from poolproof.checker.kernel.kernel import Kernel, Unavailable
from poolproof.checker.kernel.live import Live
from poolproof.checker.linux.tree import folder_of
from poolproof.checker.reports.text import wrapped
from poolproof.model.designs.hugetlb.linux_6_12 import Hugetlb
from poolproof.model.language import declared, did_you_mean

LIVE = "live"

_EXAMPLES = """\
kernels:
  6.12, 6.1, 6.18
             Debian's, as a guest under QEMU with two nodes (--install)
  PATH       a kernel image of your own with virtio and hugetlb built in
  --tree     a source tree, built with a small configuration that has
             hugetlb, NUMA, cgroups, memory failure, userfaultfd, DEBUG_VM
             and fault injection. With --base, both kernels get the same
             calls, and their results and counters are compared
  live       the running kernel, as root. Its huge pages must be unused.
             Its pool is restored in the end, but if this kernel crashes,
             the machine does

examples:
  poolproof conform Hugetlb --kernel 6.12 --install --budget 600
  poolproof conform my.py:MyHugetlb --kernel 6.12 --sequences 5000
  poolproof conform Hugetlb --kernel live --without fork --sequences 200
  poolproof conform Hugetlb --tree ~/linux --base v6.12 --c programs
  poolproof conform Hugetlb --tree ~/linux --failures --budget 600
  poolproof conform Hugetlb --kernel 6.12 --gigantic 1 --with demote
  poolproof conform Hugetlb --log calls.jsonl
"""


def add(parser: Parser) -> None:
    """Add the arguments of the verb."""
    parser.epilog = _EXAMPLES
    add = parser.add_argument
    add(
        "design",
        metavar="DESIGN",
        nargs="?",
        default="Hugetlb",
        help="Hugetlb, or a class of your own that inherits it",
    )
    add("--tree", metavar="DIR", help="build the kernel of a source tree, and use it")
    add(
        "--base",
        metavar="BASE",
        help="the kernel to compare with: a revision of the tree, another tree, "
        "an image",
    )
    names = ", ".join(sorted(PACKAGES))
    add(
        "--kernel",
        metavar="KERNEL",
        default="6.12",
        help=f"{LIVE}, {names} or the path of an image",
    )
    parser.whole("--sequences", "number of sequences; 1000 by default", 1000)
    parser.whole("--steps", "actions in each sequence; 26 by default", 26)
    parser.whole("--seed", "seed of the sequences; 0 by default", 0, least=0)
    parser.names("--with", "features that every sequence has", "having")
    parser.names("--without", "features that no sequence has")
    parser.budget("end after this time")
    parser.flag(
        "--failures", "make allocations fail, one at a time (needs CONFIG_FAILSLAB)"
    )
    parser.whole(
        "--gigantic", "a guest with N pages of 1 GiB, which can be demoted", 0, least=0
    )
    add("--c", metavar="DIR", help="write each difference to DIR as a C program")
    add("--log", metavar="FILE", help="match a log of calls instead of a kernel")
    parser.flag(
        "--install", "install QEMU and gcc and download the kernel if they are missing"
    )
    shared.add_output(parser, json=False)


def run(options: Options) -> int:
    """Ask, print, and return the exit code."""
    if options.base and not options.tree:
        raise UserError(
            None, "--base needs --tree, the kernel that it is compared with"
        )
    if options.failures and (options.base or options.kernel == LIVE):
        raise UserError(None, "--failures needs one kernel, in a guest")
    if options.gigantic and options.kernel == LIVE:
        raise UserError(None, "--gigantic needs a guest: it is part of its machine")
    if not options.kernel:
        raise UserError(None, "--kernel: name one, like 6.12")
    design = _design(options.design)
    _check_features(design, [*options.having, *options.without])
    plan = Plan(
        sequences=options.sequences,
        steps=options.steps,
        seed=options.seed,
        seconds=options.budget,
        leaks=bool(options.tree) or options.kernel != LIVE,
        alone=bool(options.tree) or options.kernel != LIVE,
        having=tuple(options.having),
        without=tuple(options.without),
    )
    with output(options.output) as out:
        with progress("conform") as report:
            lines, code = conform(design, plan, options, report)
        print("\n".join(lines), file=out)
    return code


def _check_features(design: type[Hugetlb], names: list[str]) -> None:
    known = tuple(declared(design)[1])
    for name in names:
        if name not in known:
            there = ", ".join(sorted(known))
            raise UserError(
                None,
                f"{design.__name__}: no feature {name!r}{did_you_mean(name, known)}; "
                f"there are {there}",
            )


def _design(reference: str) -> type[Hugetlb]:
    known = one_design(reference)
    cls = known.cls
    if not issubclass(cls, Hugetlb):
        raise UserError(
            None,
            f"{known.name} has no mapping to system calls; Hugetlb has, and "
            "designs that inherit it",
        )
    return cls


def conform(
    design: type[Hugetlb], plan: Plan, options: Options, report: Reporter
) -> tuple[list[str], int]:
    """Return the lines to print and the exit code: 0 agreement, 1 disagreement, 3 if
    the kernel cannot be used. Raise UserError for wrong options."""
    if options.log:
        matches = list(match(design, load(options.log)))
        code = 0 if all(m.accepted for m in matches) else 1
        return log_report(options.log, matches), code
    try:
        if options.base:
            return _pair(design, plan, options, report)
        with _kernel(options) as kernel:
            if options.failures:
                injected = inject(design, kernel, plan, report)
                lines = injected_report(design.__name__, injected)
                return lines, 1 if injected.differences else 0
            done = campaign(design, kernel, plan, report)
    except Unavailable as reason:
        return wrapped(f"not run: {reason}", "", "  "), 3
    code = 1 if done.unexplained else 3 if done.ended else 0
    violated = [broken(done.design, found) for found in done.disagreements]
    sides = ("model", f"Linux {done.release}")
    written = _programs(options.c, done.disagreements, violated, sides)
    return campaign_report(done, violated, written), code


def _pair(
    design: type[Hugetlb], plan: Plan, options: Options, report: Reporter
) -> tuple[list[str], int]:
    """Return what the patch of a tree changed for user space."""
    cache = cache_folder()
    base_image, head_image = _images(options, cache)
    with (
        _guest(base_image, options, cache) as base,
        _guest(head_image, options, cache) as head,
    ):
        pair = compare_kernels(design, base, head, plan, report)
    taken = variant(design, pair.base)
    found = [broken(taken, f) for f in pair.differences]
    code = 1 if pair.differences else 3 if pair.ended else 0
    written = _programs(options.c, pair.differences, found, ("base", "head"))
    return pair_report(pair, found, (options.base, options.tree), written), code


def _programs(
    folder: str,
    differences: Sequence[Found],
    violated: Sequence[Sequence[Broken]],
    sides: tuple[str, str],
) -> list[str]:
    """Return the report's line about each difference's C program, which is written to
    ``folder`` if there is one. Raise UserError if a file cannot be written."""
    if not folder:
        return ["--c DIR writes it as a C program"] * len(differences)
    said = []
    for number, (found, some) in enumerate(zip(differences, violated, strict=True), 1):
        path = Path(folder) / f"difference{number}.c"
        try:
            text = c_difference(found, path.stem, sides, some)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except NotExpressible as e:
            said.append(f"no C program: {e}")
        except OSError as e:
            raise UserError(None, f"--c {path}: {e.strerror}") from None
        else:
            said.append(f"as a C program: {path}")
    return said


def _images(options: Options, cache: Path) -> tuple[Image, Image]:
    """The base is a tree, an image, or a revision of the tree; then the head is
    what the tree has committed."""
    base, tree = Path(options.base), Path(options.tree)
    if base.is_dir():
        return _built(base, options, cache), _built(tree, options, cache)
    if base.is_file():
        return Image(base.name, base, ()), _built(tree, options, cache)
    folder_of(options.tree)
    old = build_revision(tree, options.base, cache)
    return old, build_revision(tree, "HEAD", cache)


def _built(tree: Path, options: Options, cache: Path) -> Image:
    folder_of(str(tree))
    if options.install:
        install_tools()
    return build_image(tree, cache)


@contextmanager
def _guest(image: Image, options: Options, cache: Path) -> Iterator[Kernel]:
    machine = GuestMachine(gigantic=options.gigantic) if options.gigantic else None
    with Guest(image, cache, machine) as kernel:
        yield kernel


@contextmanager
def _kernel(options: Options) -> Iterator[Kernel]:
    cache = cache_folder()
    if not options.tree and options.kernel == LIVE:
        with Live(cache) as live:
            yield live
        return
    if options.tree:
        image = _built(Path(options.tree), options, cache)
    else:
        if options.install:
            install_tools()
        image = _image(options, cache)
    with _guest(image, options, cache) as kernel:
        yield kernel


def _image(options: Options, cache: Path) -> Image:
    name = options.kernel
    if name in PACKAGES:
        return fetch_image(name, cache) if options.install else find_image(name, cache)
    path = Path(name)
    if path.is_file():
        return Image(path.name, path, ())
    raise UserError(
        None,
        f"--kernel {name}: no such file; there are {LIVE}, "
        f"{', '.join(sorted(PACKAGES))} and paths of images",
    )
