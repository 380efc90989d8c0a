# SPDX-License-Identifier: GPL-2.0-only
"""Why a kernel cannot be had, in one line; the agent's C without a warning."""

import shutil
import subprocess
from pathlib import Path

import pytest

from poolproof.checker import kernel
from poolproof.checker.kernel.fetch import (
    fetch_image,
    find_image,
    newest,
    require_tool,
)
from poolproof.checker.kernel.initramfs import build_agent, build_initramfs
from poolproof.checker.kernel.kernel import Unavailable

needs_gcc = pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is missing")


def _unpacked(cache: Path, name: str) -> Path:
    folder = cache / "kernels" / name
    drivers = folder / "lib/modules/6.1.0-1/kernel/drivers"
    for module in ("char/virtio_console", "virtio/virtio_ring", "virtio/virtio"):
        path = drivers / f"{module}.ko"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"module")
    (folder / "boot").mkdir()
    (folder / "boot/vmlinuz-6.1.0-1").write_bytes(b"kernel")
    return folder


def test_a_kernel_in_the_cache_is_not_fetched_again(tmp_path: Path) -> None:
    folder = _unpacked(tmp_path, "6.1")
    image = fetch_image("6.1", tmp_path)
    assert image == find_image("6.1", tmp_path)
    assert image.release == "6.1.0-1"
    assert image.vmlinuz == folder / "boot/vmlinuz-6.1.0-1"
    stems = [module.stem for module in image.modules]
    assert stems == ["virtio_ring", "virtio", "virtio_console"]


def test_modules_are_loaded_in_order(tmp_path: Path) -> None:
    _unpacked(tmp_path, "6.1")
    agent = tmp_path / "agent"
    agent.write_bytes(b"agent")
    initramfs = build_initramfs(find_image("6.1", tmp_path), agent)
    names = [b"dev/console\0", b"init\0", b"modules/0.ko\0", b"modules/2.ko\0"]
    places = [initramfs.index(name) for name in names]
    assert places == sorted(places)


def test_a_kernel_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(
        Unavailable, match=r"run `poolproof conform --kernel 6\.12 --install`"
    ):
        find_image("6.12", tmp_path)


def test_a_kernel_nobody_knows(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"choose one of 6\.1, 6\.12, 6\.18"):
        fetch_image("5.15", tmp_path)


def test_the_newest_image_by_number() -> None:
    images = [f"linux-image-6.18.{n}+deb13-cloud-amd64" for n in (9, 15, 5)]
    assert newest(images) == images[1]
    assert newest([]) == ""


def test_a_tool_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(Unavailable, match=r"apt-get install .* qemu-system-x86$"):
        require_tool("qemu-system-x86_64")


@needs_gcc
def test_the_agent_compiles_without_a_warning() -> None:
    source = Path(kernel.__file__).with_name("agent.c").read_bytes()
    flags = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fsyntax-only")
    done = subprocess.run(
        ["gcc", *flags, "-x", "c", "-"], input=source, capture_output=True
    )
    assert (done.returncode, done.stderr) == (0, b"")


@needs_gcc
def test_the_agent_is_built_once(tmp_path: Path) -> None:
    agent = build_agent(tmp_path)
    assert agent.read_bytes()[:4] == b"\x7fELF"
    built = agent.stat().st_mtime_ns
    assert build_agent(tmp_path) == agent
    assert agent.stat().st_mtime_ns == built
