# SPDX-License-Identifier: GPL-2.0-only
"""A kernel of one's own: a guest under QEMU with two NUMA nodes.

The guest is booted once for each kernel, agent and command line; its state right
after that is kept in the cache, and every later start, and every reset that
leaves something behind, restores it in a fraction of a second.
"""

import hashlib
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from poolproof.checker.kernel.answer import Answer
from poolproof.checker.kernel.fetch import Image, require_tool
from poolproof.checker.kernel.initramfs import build_agent, build_initramfs
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
from poolproof.checker.kernel.qmp import Monitor, MonitorError

_COMMAND_LINE = (
    "console=ttyS0 loglevel=5 panic=-1 nokaslr mitigations=off audit=0 "
    "nowatchdog no_timer_check tsc=reliable transparent_hugepage=never "
    "init_on_alloc=0 init_on_free=0 rcupdate.rcu_expedited=1"
)
_KEPT_STATES = 4
_IDLE = 0.1
"""Share of a second that counts while the guest gets no CPU."""
_TRIAL = 10.0
_WARM_UP = (
    *("nrnode 0 2", "nrnode 1 2", "mount warm size=4M", "cg mk warm", "spawn 0"),
    *("cg attach warm 0", "w 0 open 0 /mnt/warm/f", "w 0 mmap 0 1 S 0 0"),
    *("w 0 w 0 1", "w 0 mmap 10 1 PA -1 0", "w 0 w 10 1", "w 0 fork 1"),
    *("w 1 w 10 2", "w 1 r 99", "w 1 exit", "w 0 maps", "w 0 pmap 10 1", "reset"),
)


@dataclass(frozen=True, slots=True)
class GuestMachine:
    """The hardware of a guest. Sizes are in MiB; `gigantic` in pages of 1 GiB, which
    are above 4 GiB: below there is something of the firmware's in each.

    All CPUs are on node 0, so that is where surplus pages go; interrupts go to the
    first one. The accelerator is "tcg" or "kvm". `programs` are static programs
    that the agent can `run` by their file names.
    """

    node0: int = 384
    node1: int = 256
    gigantic: int = 0
    accelerator: str = "tcg"
    programs: tuple[Path, ...] = ()
    cpus: int = 1

    def options(self) -> list[str]:
        """QEMU's options for it, but for what is plugged in."""
        cpus = "-".join(str(k) for k in sorted({0, self.cpus - 1}))
        node0 = self.node0 if not self.gigantic else 1024 * (self.gigantic + 1) + 64
        return [
            *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
            *("-M", f"pc{',max-ram-below-4g=1G' * bool(self.gigantic)}"),
            *("-smp", f"{self.cpus}", "-m", f"{node0 + self.node1}M"),
            *("-accel", self.accelerator),
            *("-cpu", f"qemu64{',+pdpe1gb' * bool(self.gigantic)}"),
            *("-object", f"memory-backend-ram,id=ram0,size={node0}M"),
            *("-object", f"memory-backend-ram,id=ram1,size={self.node1}M"),
            *("-numa", f"node,nodeid=0,memdev=ram0,cpus={cpus}"),
            *("-numa", "node,nodeid=1,memdev=ram1"),
        ]

    def command_line(self) -> str:
        """The kernel's command line."""
        pages = f" hugepagesz=1G hugepages={self.gigantic}" * bool(self.gigantic)
        return _COMMAND_LINE + pages + " irqaffinity=0" * (self.cpus > 1)


class Guest(Kernel):
    """A kernel under QEMU.

    `call_timeout` is for one call, in seconds; `patience` for an answer to
    arrive at all, and must be longer than a reset; `boot_patience` for one of
    two attempts to boot. The latter two are seconds of CPU that the guest has
    had: on a busy machine it may take much longer. Without a machine KVM is tried
    for ten seconds if the processor has it, then TCG.
    Raises Unavailable where QEMU or gcc is missing or the guest does not start.
    """

    def __init__(
        self,
        image: Image,
        cache: Path,
        machine: GuestMachine | None = None,
        call_timeout: float = 3.0,
        patience: float = 40.0,
        boot_patience: float = 60.0,
    ) -> None:
        self._call_timeout = call_timeout
        self._patience = patience
        self._boot_patience = boot_patience
        self._run: _Running | None = None
        self._setup = _choose(image, cache, machine)
        self._restore()

    @property
    def facts(self) -> KernelFacts:
        return self._running().conversation.facts

    def run(self, commands: Sequence[str]) -> list[Answer]:
        try:
            return self._running().conversation.run(commands)
        except Hung as hung:
            message = f"{hung}; console: {self.console()[-300:]!r}"
            self._restore()
            raise Hung(message, hung.answers) from hung

    def sequence(self, commands: Sequence[str]) -> SequenceOutcome:
        *answers, reset = self.run([*commands, "reset"])
        left = reset.left
        if "warned" in left.split():
            left = f"{left}: {first_warning(self.console())}"
        if not reset.ok:
            self._restore()
        return SequenceOutcome(tuple(answers), reset.ok, left)

    def console(self) -> str:
        """Return the kernel's messages since the state was saved: warnings and
        worse."""
        return self._running().console()

    @property
    def monitor(self) -> Monitor:
        """QEMU's monitor."""
        return self._running().monitor

    def close(self) -> None:
        if self._run is not None:
            self._run.close()
        self._run = None

    def _running(self) -> "_Running":
        if self._run is None:
            raise Unavailable("the guest is closed")
        return self._run

    def _restore(self) -> None:
        self.close()
        if not self._setup.state.exists():
            _boot_and_save(self._setup, self._boot_patience)
        try:
            self._run = _Running(self._setup, self._patience, restore=True)
        except Unavailable:  # rarely, and not twice
            self._run = _Running(self._setup, self._patience, restore=True)
        self._run.conversation.run([f"timeout {self._call_timeout * 1000:.0f}"])


@dataclass(frozen=True, slots=True)
class _Setup:
    """How to start QEMU, and where the state of that very guest is kept."""

    command: tuple[str, ...]
    state: Path

    @staticmethod
    def prepare(image: Image, cache: Path, machine: GuestMachine) -> "_Setup":
        qemu = require_tool("qemu-system-x86_64")
        version = subprocess.run([qemu, "--version"], capture_output=True).stdout
        initramfs = build_initramfs(image, build_agent(cache), machine.programs)
        what = hashlib.sha256(repr((version, machine.options())).encode())
        for part in (initramfs, image.vmlinuz.read_bytes(), *map(str.encode, _WARM_UP)):
            what.update(part)
        what.update(machine.command_line().encode())
        folder = cache / "states"
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{image.release}-{what.hexdigest()[:16]}"
        initrd = folder / f"{name}.initramfs"
        if not initrd.exists():
            fresh = initrd.with_name(f"{initrd.name}.{os.getpid()}")
            fresh.write_bytes(initramfs)
            fresh.rename(initrd)
        setpriv = shutil.which("setpriv")
        command = (
            *((setpriv, "--pdeathsig", "KILL") if setpriv else ()),
            *(qemu, *machine.options()),
            *("-kernel", str(image.vmlinuz), "-initrd", str(initrd)),
            *("-append", machine.command_line()),
        )
        return _Setup(command, folder / f"{name}.state")


def first_warning(console: str) -> str:
    """Return the line of the kernel's first warning, without its time."""
    for line in console.splitlines():
        text = line.partition("] ")[2] or line
        if re.match(r"WARNING:|BUG:|kernel BUG|Oops", text):
            return text.strip()
    return "not on the console"


def can_accelerate(cpuinfo: Path, device: Path) -> bool:
    """True where KVM may work: /dev/kvm alone is also there where it does not."""
    flags = cpuinfo.read_text().split()
    return ("vmx" in flags or "svm" in flags) and os.access(device, os.R_OK | os.W_OK)


def _choose(image: Image, cache: Path, machine: GuestMachine | None) -> _Setup:
    if machine is None and can_accelerate(Path("/proc/cpuinfo"), Path("/dev/kvm")):
        setup = _Setup.prepare(image, cache, GuestMachine(accelerator="kvm"))
        try:
            _Running(setup, _TRIAL, restore=setup.state.exists()).close()
        except Unavailable:
            setup.state.unlink(missing_ok=True)
        else:
            return setup
    return _Setup.prepare(image, cache, machine or GuestMachine())


class _Running:
    """One QEMU process with its agent's link, its monitor and its console."""

    def __init__(self, setup: _Setup, patience: float, restore: bool) -> None:
        self._console = os.memfd_create("console")
        self._patience = patience
        self._control, monitor = socket.socketpair()
        self._agent, agent = socket.socketpair()
        with monitor, agent, open(setup.state if restore else os.devnull) as state:
            plugged = (
                *("-chardev", f"socket,id=monitor,fd={monitor.fileno()}"),
                *("-mon", "chardev=monitor,mode=control"),
                *("-chardev", f"socket,id=agent,fd={agent.fileno()}"),
                *("-device", "virtio-serial-pci"),
                *("-device", "virtserialport,chardev=agent,name=agent"),
                *("-chardev", f"file,id=console,path=/proc/self/fd/{self._console}"),
                *("-serial", "chardev:console"),
                *(("-incoming", f"fd:{state.fileno()}") if restore else ()),
            )
            ends = (monitor.fileno(), agent.fileno(), state.fileno(), self._console)
            self._qemu = subprocess.Popen(
                [*setup.command, *plugged],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                pass_fds=ends,
            )
        self.conversation = self._greet(patience)

    def console(self) -> str:
        size = os.fstat(self._console).st_size
        return os.pread(self._console, size, 0).decode(errors="replace")

    @cached_property
    def monitor(self) -> Monitor:
        """The monitor, which greets once."""
        return Monitor(self._control, self._patience)

    def close(self) -> None:
        self._end()
        os.close(self._console)

    def _greet(self, patience: float) -> Conversation:
        descriptor = self._agent.fileno()
        try:
            return greet(Link(descriptor, descriptor, self._clock), patience)
        except NoAnswer as silent:
            said = self._end().splitlines() or self.console().splitlines()
            os.close(self._console)
            why = said[-1] if said else str(silent)
            raise Unavailable(f"the guest did not start: {why}") from silent

    def _clock(self) -> float:
        """Return the CPU seconds of QEMU, plus a share of the elapsed seconds."""
        try:
            stat = Path(f"/proc/{self._qemu.pid}/stat").read_text()
        except OSError:
            return time.monotonic()
        user, system = stat.rpartition(")")[2].split()[11:13]
        used = (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
        return used + _IDLE * time.monotonic()

    def _end(self) -> str:
        """Ends QEMU; what it had to say."""
        self._qemu.kill()
        _, said = self._qemu.communicate()
        self._control.close()
        self._agent.close()
        return said.decode(errors="replace").strip()


def _boot_and_save(setup: _Setup, patience: float) -> None:
    """Boots, retrying once: a boot under TCG hangs now and then."""
    try:
        running = _Running(setup, patience, restore=False)
    except Unavailable:
        running = _Running(setup, patience, restore=False)
    fresh = setup.state.with_name(f"{setup.state.name}.{os.getpid()}")
    try:
        running.conversation.run(_WARM_UP)
        running.monitor.save(fresh, patience)
        fresh.rename(setup.state)
        _forget_old(setup.state)
    except (Hung, MonitorError, OSError) as error:
        raise Unavailable(f"the guest's state cannot be saved: {error}") from error
    finally:
        fresh.unlink(missing_ok=True)
        running.close()


def _forget_old(state: Path) -> None:
    """Keeps the newest few states of a release; a guest that still wants
    another one boots again.
    """
    release, _, _ = state.name.rpartition("-")
    states = state.parent.glob(f"{release}-*.state")
    for old in sorted(states, key=lambda path: -path.stat().st_mtime)[_KEPT_STATES:]:
        old.unlink(missing_ok=True)
        old.with_suffix(".initramfs").unlink(missing_ok=True)
