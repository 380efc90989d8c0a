# SPDX-License-Identifier: GPL-2.0-only
"""The agent as a program, and the initramfs it is the only process of."""

import hashlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from poolproof.checker.kernel.cpio import archive, character, directory, program
from poolproof.checker.kernel.fetch import Image, require_tool
from poolproof.checker.kernel.kernel import Unavailable

_FLAGS = ("-O2", "-Wall", "-Wextra", "-static")


def build_agent(cache: Path) -> Path:
    """Compiles agent.c, once for each version of it. Raises Unavailable."""
    source = Path(__file__).with_name("agent.c").read_bytes()
    version = hashlib.sha256(source).hexdigest()[:16]
    target = cache / "agents" / version
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = target.with_suffix(f".{os.getpid()}")
    command = [require_tool("gcc"), *_FLAGS, "-x", "c", "-", "-o", str(fresh)]
    done = subprocess.run(command, input=source, capture_output=True)
    if done.returncode:
        raise Unavailable("gcc cannot link a static program: apt-get install libc6-dev")
    fresh.rename(target)
    return target


def build_initramfs(image: Image, agent: Path, programs: Sequence[Path] = ()) -> bytes:
    """A cpio archive with the agent as /init, the image's modules, and static
    programs for the agent's `run`."""
    modules = (
        program(f"modules/{number}.ko", path.read_bytes())
        for number, path in enumerate(image.modules)
    )
    return archive(
        (
            *map(directory, ("dev", "proc", "sys", "mnt", "tmp")),
            *map(directory, ("modules", "programs")),
            character("dev/console", 5, 1),
            program("init", agent.read_bytes()),
            *modules,
            *(program(f"programs/{p.name}", p.read_bytes()) for p in programs),
        )
    )
