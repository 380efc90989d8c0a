# SPDX-License-Identifier: GPL-2.0-only
"""How a tree is built: configured once, and what a failure says."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from poolproof.checker.commands.main import main
from poolproof.checker.kernel import build
from poolproof.checker.kernel.build import CONFIG, build_image, build_revision
from poolproof.checker.kernel.kernel import Unavailable


@pytest.fixture
def tools(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    there = {"make", "gcc", "flex", "bison", "bc"}
    monkeypatch.setattr(
        build.shutil, "which", lambda n: f"/bin/{n}" if n in there else None
    )
    return there


@pytest.mark.usefixtures("tools")
def test_a_tree_is_configured_once(tmp_path: Path) -> None:
    asked: list[str] = []

    def run(command: Sequence[str], folder: Path) -> None:
        asked.append(command[-1])
        (folder / ".config").touch()
        (folder / "include/config").mkdir(parents=True, exist_ok=True)
        (folder / "include/config/kernel.release").write_text("6.12.117\n")

    image = build_image(tmp_path / "linux", tmp_path, build=run)
    assert image.release == "6.12.117"
    assert image.vmlinuz.parts[-4:] == ("arch", "x86", "boot", "bzImage")
    build_image(tmp_path / "linux", tmp_path, build=run)
    assert asked == ["allnoconfig", "bzImage", "bzImage"]
    other = build_image(tmp_path / "b/linux", tmp_path, build=run)
    assert other.vmlinuz != image.vmlinuz


@pytest.mark.usefixtures("tools")
@pytest.mark.parametrize(
    ("file", "makes"), [("mm/a.c", ["bzImage"]), ("mm/a.h", ["clean", "bzImage"])]
)
def test_a_file_that_was_replaced_by_an_older_one(
    tmp_path: Path, file: str, makes: list[str]
) -> None:
    """As by tar: make would keep the object, which is newer."""
    tree, asked = tmp_path / "linux", list[str]()
    (tree / "mm").mkdir(parents=True)
    for name in ("mm/a.c", "mm/b.c", "mm/a.h"):
        (tree / name).write_text("one")

    def run(command: Sequence[str], folder: Path) -> None:
        asked.append(command[-1])
        (folder / ".config").touch()
        for name in ("include/config", "mm"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "include/config/kernel.release").write_text("6.12.117\n")
        for name in ("mm/a.o", "mm/b.o"):
            (folder / name).touch()

    for _ in range(2):
        folder = build_image(tree, tmp_path, build=run).vmlinuz.parents[3]
    assert asked == ["allnoconfig", "bzImage", "bzImage"]
    (tree / "mm/b.c").write_text("newer")  # that make sees by itself
    (tree / file).write_text("older")
    os.utime(tree / file, (1, 1))
    gone: list[bool] = []

    def look(command: Sequence[str], folder: Path) -> None:
        gone.append((folder / "mm/a.o").exists())
        run(command, folder)

    build_image(tree, tmp_path, build=look)
    assert asked[3:] == makes
    assert gone[-1] is (file != "mm/a.c")
    assert (folder / "mm/b.o").exists()


@pytest.mark.usefixtures("tools")
def test_revisions_share_a_clone_and_keep_their_images(tmp_path: Path) -> None:
    tree, cache = tmp_path / "linux", tmp_path / "cache"
    tree.mkdir()
    git = ["git", "-C", str(tree), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for text in ("one", "two"):
        subprocess.run([*git, "init", "-q"], check=True)
        (tree / "mm.c").write_text(text)
        subprocess.run([*git, "add", "-A"], check=True)
        subprocess.run([*git, "commit", "-qm", text], check=True)
    built: list[str] = []

    def run(command: Sequence[str], folder: Path) -> None:
        source = Path(command[command.index("-C") + 1])
        (folder / ".config").touch()
        (folder / "include/config").mkdir(parents=True, exist_ok=True)
        (folder / "include/config/kernel.release").write_text("6.12\n")
        (folder / "arch/x86/boot").mkdir(parents=True, exist_ok=True)
        text = (source / "mm.c").read_text()
        (folder / "arch/x86/boot/bzImage").write_text(text)
        built.append(f"{command[-1]} {text}")

    old = build_revision(tree, "HEAD~1", cache, run)
    new = build_revision(tree, "HEAD", cache, run)
    assert built == ["allnoconfig one", "bzImage one", "bzImage two"]
    assert (old.vmlinuz.read_text(), new.vmlinuz.read_text()) == ("one", "two")
    assert build_revision(tree, "HEAD~1", cache, run) == old
    assert len(built) == 3
    assert (tree / "mm.c").read_text() == "two"
    with pytest.raises(Unavailable, match="git in"):
        build_revision(tree, "nowhere", cache, run)


def test_a_missing_tool_is_named(tmp_path: Path, tools: set[str]) -> None:
    tools.remove("flex")
    with pytest.raises(Unavailable, match="apt-get install flex"):
        build_image(tmp_path, tmp_path)


@pytest.mark.usefixtures("tools")
def test_a_failed_build_says_the_first_error(tmp_path: Path) -> None:
    (tmp_path / "Makefile").write_text(
        "allnoconfig:\n\t@echo fine\n\t@echo 'mm/hugetlb.c:7: error: no such thing'\n"
        "\t@false\n"
    )
    with pytest.raises(Unavailable, match=r"mm/hugetlb\.c:7: error: no such thing"):
        build_image(tmp_path, tmp_path)


def test_the_configuration_has_what_conformance_needs() -> None:
    lines = CONFIG.read_text().splitlines()
    for name in [
        "HUGETLBFS",
        "NUMA",
        "CGROUP_HUGETLB",
        "MEMCG",
        "CPUSETS",
        "MEMORY_FAILURE",
        "USERFAULTFD",
        "DEBUG_VM",
        "FAILSLAB",
        "FAIL_PAGE_ALLOC",
        "VIRTIO_CONSOLE",
        "BLK_DEV_INITRD",
    ]:
        assert f"CONFIG_{name}=y" in lines


def test_base_wants_a_tree(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["conform", "--base", "/nowhere"]) == 2
    assert "--base needs --tree" in capsys.readouterr().err
