# SPDX-License-Identifier: GPL-2.0-only
"""Kernels from Debian's packages, unpacked into a cache folder.

Every step is skipped where its result is already there. An error is one line
that says what to install. Packages: linux-image-6.12-cloud-amd64 (virtio built
in), linux-image-cloud-amd64 (6.1, virtio as modules), the newest 6.18 of
trixie-backports (virtio built in), qemu-system-x86, gcc.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from poolproof.checker.kernel.kernel import Unavailable

PACKAGES = {
    "6.18": "linux-image-6.18",
    "6.12": "linux-image-6.12-cloud-amd64",
    "6.1": "linux-image-cloud-amd64",
}
"""The kernels for conformance runs, and the Debian package of each: one that depends
on the image, or the beginning of the image's name for a kernel of `SUITES`."""

SUITES = {"6.18": "trixie-backports"}
"""Kernels that the machine's own package sources lack, and the suite of each."""

_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_MIRROR = "http://deb.debian.org/debian"

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
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        work = Path(folder)
        work.chmod(0o755)
        hint = f"cannot get {PACKAGES[name]}: run apt-get update and try again"
        options, image = [], ""
        if name in SUITES:
            options = _source(SUITES[name], work)
            image = newest(_named(PACKAGES[name], options, work))
        else:
            image = _needed(PACKAGES[name], work, hint)
        if not image:
            raise Unavailable(hint)
        _run(["apt-get", *options, "download", image], work, hint)
        (package,) = work.glob("*.deb")
        unpacked = work / "unpacked"
        _run(["dpkg", "-x", str(package), str(unpacked)], work, hint)
        unpacked.rename(target)
    return find_image(name, cache)


def _needed(package: str, work: Path, hint: str) -> str:
    """Return the image that a package depends on, "" if there is none."""
    depends = ["apt-cache", "depends", "--important", package]
    words = _run(depends, work, hint).split()
    return next((w for w in words[1:] if w.startswith("linux-image-")), "")


def _source(suite: str, work: Path) -> list[str]:
    """Read the lists of one suite of Debian. Return apt's options for it."""
    (work / "lists/partial").mkdir(parents=True)
    line = f"deb [signed-by={_KEYRING}] {_MIRROR} {suite} main\n"
    (work / "sources.list").write_text(line)
    options = [
        *("-o", f"Dir::Etc::sourcelist={work}/sources.list"),
        *("-o", "Dir::Etc::sourceparts=-"),
        *("-o", f"Dir::State::lists={work}/lists"),
        *("-o", f"Dir::Cache={work}"),
    ]
    _run(["apt-get", *options, "update"], work, f"cannot read Debian's {suite}")
    return options


def _named(beginning: str, options: Sequence[str], work: Path) -> list[str]:
    """Return the cloud images whose names begin so."""
    search = ["apt-cache", *options, "search", "--names-only", f"^{beginning}"]
    lines = _run(search, work, f"cannot search for {beginning}").splitlines()
    names = [line.split()[0] for line in lines if line]
    return [name for name in names if name.endswith("-cloud-amd64")]


def newest(images: Sequence[str]) -> str:
    """Return the image with the highest version number, "" if there is none."""
    return max(
        images, key=lambda i: [int(n) for n in re.findall(r"\d+", i)], default=""
    )


def find_image(name: str, cache: Path) -> Image:
    """The kernel that fetch_image left in the cache. Raises Unavailable."""
    folder = cache / "kernels" / name
    kernels = sorted((folder / "boot").glob("vmlinuz-*"))
    if not kernels:
        raise Unavailable(
            f"kernel {name} is not in {folder}: run "
            f"`poolproof conform --kernel {name} --install`"
        )
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
