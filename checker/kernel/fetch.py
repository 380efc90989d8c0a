# SPDX-License-Identifier: GPL-2.0-only
"""Kernels from Debian's packages, unpacked into a cache folder.

Every step is skipped where its result is already there. An error is one line
that says what to install. Packages: linux-image-6.12-cloud-amd64 (virtio built
in), linux-image-cloud-amd64 (6.1, virtio as modules), qemu-system-x86, gcc.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from poolproof.checker.kernel.kernel import Unavailable

PACKAGES = {
    "6.12": "linux-image-6.12-cloud-amd64",
    "6.1": "linux-image-cloud-amd64",
}
"""The kernels conformance is run on, and the Debian package of each."""

_VIRTIO = (
    "virtio_ring",
    "virtio",
    "virtio_pci_legacy_dev",
    "virtio_pci_modern_dev",
    "virtio_pci",
    "virtio_console",
)
_TOOLS = {
    "qemu-system-x86_64": "qemu-system-x86",
    "gcc": "gcc libc6-dev",
}


@dataclass(frozen=True, slots=True)
class Image:
    """A kernel to boot, with the modules its initramfs must load, in order."""

    release: str
    vmlinuz: Path
    modules: tuple[Path, ...]


def require_tool(name: str) -> str:
    """The path of a program. Raises Unavailable."""
    path = shutil.which(name)
    if path is None:
        raise Unavailable(
            f"{name} is missing: apt-get install -y --no-install-recommends "
            f"{_TOOLS.get(name, name)}"
        )
    return path


def install_tools() -> None:
    """Installs QEMU and gcc with apt-get where missing. Raises Unavailable."""
    missing = [name for name in _TOOLS if shutil.which(name) is None]
    packages = [word for name in missing for word in _TOOLS[name].split()]
    if packages:
        install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
        _run(install, Path("/"), "run as root: " + " ".join(install))


def fetch_image(name: str, cache: Path) -> Image:
    """Downloads and unpacks kernel `name` ("6.12", "6.1"). Raises Unavailable."""
    if name not in PACKAGES:
        known = ", ".join(sorted(PACKAGES))
        raise Unavailable(f"no kernel is called {name!r}: choose one of {known}")
    target = cache / "kernels" / name
    if target.exists():
        return find_image(name, cache)
    target.parent.mkdir(parents=True, exist_ok=True)
    hint = f"cannot get {PACKAGES[name]}: run apt-get update and try again"
    depends = ["apt-cache", "depends", "--important", PACKAGES[name]]
    words = _run(depends, target.parent, hint).split()
    images = [word for word in words[1:] if word.startswith("linux-image-")]
    if not images:
        raise Unavailable(hint)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        work = Path(folder)
        work.chmod(0o755)
        _run(["apt-get", "download", images[0]], work, hint)
        (package,) = work.glob("*.deb")
        unpacked = work / "unpacked"
        _run(["dpkg", "-x", str(package), str(unpacked)], work, hint)
        unpacked.rename(target)
    return find_image(name, cache)


def find_image(name: str, cache: Path) -> Image:
    """The kernel that fetch_image left in the cache. Raises Unavailable."""
    folder = cache / "kernels" / name
    kernels = sorted((folder / "boot").glob("vmlinuz-*"))
    if not kernels:
        raise Unavailable(f"kernel {name} is not in {folder}: run `make conform`")
    release = kernels[0].name.removeprefix("vmlinuz-")
    found = (_module(folder, release, module) for module in _VIRTIO)
    return Image(release, kernels[0], tuple(filter(None, found)))


def _module(folder: Path, release: str, name: str) -> Path | None:
    drivers = folder / "lib/modules" / release / "kernel/drivers"
    return next(drivers.rglob(f"{name}.ko"), None)


def _run(command: Sequence[str], folder: Path, hint: str) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, check=True, capture_output=True, text=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise Unavailable(hint) from error
    return done.stdout
