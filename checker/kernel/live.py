# SPDX-License-Identifier: GPL-2.0-only
"""The kernel that is running: asked only where somebody asks for it.

Some sequences leak pool pages on shipped kernels until the next boot, and a
kernel that dies takes this machine with it; that is why this is opt-in.
"""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from poolproof.checker.kernel.answer import Answer
from poolproof.checker.kernel.initramfs import build_agent
from poolproof.checker.kernel.kernel import (
    Conversation,
    Hung,
    Kernel,
    KernelFacts,
    SequenceOutcome,
    Unavailable,
    greet,
)
from poolproof.checker.kernel.link import Link, NoAnswer

_POOL = "kernel/mm/hugepages/hugepages-2048kB"
_SPARE = 512 << 10


class Live(Kernel):
    """The running kernel.

    The agent works in a mount namespace and below a cgroup of its own. The pool
    is emptied for the time being; its size, the overcommit limit and the cgroup
    controllers are put back by close(), which also works where the agent died.
    `call_timeout` and `patience` as for a guest. Raises Unavailable, with the
    reason, where it cannot be done: not root, no pool of 2 MiB pages, pages in
    use by somebody else, too little memory.
    """

    def __init__(
        self,
        cache: Path,
        call_timeout: float = 2.0,
        patience: float = 20.0,
        sysfs: Path = Path("/sys"),
    ) -> None:
        _require_usable(sysfs)
        self._patience = patience
        self._call_timeout = call_timeout
        self._agent = build_agent(cache)
        self._before = _pool_settings(sysfs)
        self._process: subprocess.Popen[bytes] | None = None
        self._conversation = self._start()

    @property
    def facts(self) -> KernelFacts:
        return self._conversation.facts

    def run(self, commands: Sequence[str]) -> list[Answer]:
        if self._process is None:
            raise Unavailable("the running kernel is closed")
        try:
            return self._conversation.run(commands)
        except Hung:
            self.close()
            raise

    def sequence(self, commands: Sequence[str]) -> SequenceOutcome:
        *answers, reset = self.run([*commands, "reset"])
        if not reset.ok and not self.run(["reset"])[0].ok:
            self.close()
            raise Unavailable(
                "a sequence left something behind on this kernel "
                f"({reset.result}; {reset.counters}): only a reboot helps"
            )
        return SequenceOutcome(tuple(answers), reset.ok)

    def close(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        try:
            process.wait(self._patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()
        if process.stderr is not None:
            process.stderr.close()
        for path, value in self._before.items():
            if path.read_text() != value:
                path.write_text(value)

    def _start(self) -> Conversation:
        process = subprocess.Popen(
            [self._agent],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
        )
        self._process = process
        assert process.stdin
        assert process.stdout
        assert process.stderr
        link = Link(process.stdout.fileno(), process.stdin.fileno())
        try:
            conversation = greet(link, self._patience)
            conversation.run([f"timeout {self._call_timeout * 1000:.0f}"])
            clean = conversation.run(["reset"])[0].ok
        except (NoAnswer, Hung) as silent:
            process.kill()
            said = process.stderr.read().decode(errors="replace").strip()
            self.close()
            raise Unavailable(f"the agent cannot work here: {said or silent}") from None
        if not clean:
            self.close()
            raise Unavailable("the pool of 2 MiB pages cannot be emptied")
        return conversation


def _pool_settings(sysfs: Path) -> dict[Path, str]:
    """The pool's sizes, by sysfs file."""
    nodes = "devices/system/node/node[0-9]*/hugepages/hugepages-2048kB/nr_hugepages"
    files = [*sorted(sysfs.glob(nodes)), sysfs / _POOL / "nr_overcommit_hugepages"]
    return {path: path.read_text() for path in files}


def _require_usable(sysfs: Path) -> None:
    if os.geteuid() != 0:
        raise Unavailable("only root can use the running kernel")
    pool = sysfs / _POOL
    if not pool.is_dir():
        raise Unavailable("this kernel has no pool of 2 MiB pages (CONFIG_HUGETLBFS)")
    names = ("nr_hugepages", "free_hugepages", "resv_hugepages")
    total, free, rsvd = (int((pool / name).read_text()) for name in names)
    if total != free or rsvd:
        raise Unavailable(
            f"{total - free} huge pages are in use and {rsvd} reserved by others: "
            "stop what uses them"
        )
    if _available_kilobytes() < _SPARE:
        raise Unavailable(f"less than {_SPARE >> 10} MiB of memory are available")


def _available_kilobytes() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "MemAvailable":
            return int(value.split()[0])
    return 0
