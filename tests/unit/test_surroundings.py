# SPDX-License-Identifier: GPL-2.0-only
"""Bad surroundings end in a verdict or in one line, never in a traceback."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from poolproof.checker.backends.c.build import Build, compiler
from poolproof.checker.core import cache
from tests.common.counters import COUNTER

ROOT = Path(__file__).parents[2]
SPEC = 'spec "x"\nfor D\ninvariant low: x <= {}\n'
NATIVE = ("check", "d.spec", "--design", "d.py", "--engine", "native")
EXPLICIT_CHECK = ("check", "d.spec", "--design", "d.py", "--engine", "explicit")
HOLDS = "low  no violation: 4 states, depth 3"

needs_compiler = pytest.mark.skipif(compiler() is None, reason="needs a C compiler")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of its own with a design, a spec that holds and one that
    does not; and a home of its own."""
    (tmp_path / "d.py").write_text(COUNTER)
    (tmp_path / "d.spec").write_text(SPEC.format(3))
    (tmp_path / "low.spec").write_text(SPEC.format(1))
    (tmp_path / "home").mkdir()
    (tmp_path / "tmp").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(
    *argv: str, home: str = "home", **more: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "poolproof", *argv],
        env=environment(home, **more),
        text=True,
        capture_output=True,
        timeout=60,
    )


def environment(home: str = "home", **more: str) -> dict[str, str]:
    """Without a cache of the user's own."""
    kept = {k: v for k, v in os.environ.items() if k not in ("XDG_CACHE_HOME", "CC")}
    tmp = str(Path("tmp").resolve())
    return {**kept, "PYTHONPATH": str(ROOT), "HOME": home, "TMPDIR": tmp, **more}


def holds(done: subprocess.CompletedProcess[str]) -> None:
    assert (done.returncode, done.stderr) == (0, ""), done
    assert HOLDS in done.stdout


def script(name: str, text: str) -> str:
    """A program to be called instead of the C compiler."""
    path = Path(name).resolve()
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return str(path)


# --- the compiler ----------------------------------------------------------


def exhaustive(*more: str, **environment_: str) -> subprocess.CompletedProcess[str]:
    """A check that goes past what the Python engine does first."""
    Path("big.py").write_text(
        COUNTER.replace("Int(0, 3)", "Int(0, 40000)").replace("x < 3", "x < 40000")
    )
    Path("big.spec").write_text(SPEC.format(40000))
    return run("check", "big.spec", "--design", "big.py", *more, **environment_)


@needs_compiler
def test_a_compiler_that_fails() -> None:
    broken = script("cc", "echo 'cc: error: no room' >&2; exit 1")
    done = exhaustive(CC=broken)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no violation: 40,001 states" in done.stdout
    assert "explicit\n" in done.stdout
    assert "cc: error: no room" in done.stdout
    done = run(*NATIVE, CC=broken)
    assert (done.returncode, done.stderr) == (3, "")
    assert "cannot: the C compiler fails: cc: error: no room" in done.stdout


@needs_compiler
@pytest.mark.parametrize("text", ["sleep 60", "cat > /dev/null; sleep 60", "yes >&2"])
def test_a_compiler_that_hangs(text: str) -> None:
    begin = time.monotonic()
    done = run(*NATIVE, "--budget", "1", CC=script("cc", text))
    assert (done.returncode, done.stderr) == (3, "")
    assert "the time budget of 1 s, while compiling the" in done.stdout
    assert time.monotonic() - begin < 55
    assert not list(Path("tmp").iterdir())


def test_no_compiler() -> None:
    done = exhaustive(PATH="/nonexistent")
    assert (done.returncode, done.stderr) == (0, "")
    assert "explicit\n" in done.stdout
    done = run(*NATIVE, PATH="/nonexistent")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "install gcc or clang" in done.stderr


# --- the cache -------------------------------------------------------------


@needs_compiler
@pytest.mark.parametrize("home", ["/proc/nonexistent", "/dev/null/x", "d.py"])
def test_a_home_where_nothing_can_be_written(home: str) -> None:
    done = run(*NATIVE, home=home)
    holds(done)
    assert "compiled in a temporary folder: " in done.stdout
    assert not list(Path("tmp").iterdir())


@needs_compiler
def test_no_place_to_compile_at_all() -> None:
    done = exhaustive(home="/dev/null/x", TMPDIR="/dev/null/x", PATH=os.environ["PATH"])
    assert done.stderr == ""
    assert "no violation: 40,001 states" in done.stdout


@needs_compiler
def test_a_disk_that_is_full() -> None:
    """No file may grow beyond a block: as on a full disk, but for the error."""
    tiny = script("cc", f'ulimit -f 1; exec {compiler()} "$@"')
    done = exhaustive(CC=tiny)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no violation: 40,001 states" in done.stdout
    assert "the C compiler fails" in done.stdout


@needs_compiler
@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_cache_that_others_can_write(mode: int) -> None:
    folder = Path("home/.cache/poolproof")
    folder.mkdir(parents=True)
    folder.chmod(mode)
    done = run(*NATIVE)
    holds(done)
    assert "can be written by others: chmod go-w it" in " ".join(done.stdout.split())
    assert not list(folder.iterdir())


@needs_compiler
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_cache_of_somebody_else() -> None:
    folder = Path("home/.cache/poolproof")
    folder.mkdir(parents=True)
    os.chown(folder, 12345, 12345)
    done = run(*NATIVE)
    holds(done)
    assert "belongs to somebody else" in " ".join(done.stdout.split())
    assert not list(folder.iterdir())


def programs() -> list[Path]:
    return sorted(
        p for p in Path("home/.cache/poolproof").iterdir() if len(p.name) == 32
    )


@needs_compiler
@pytest.mark.parametrize(
    "harm",
    [
        "flip",
        "mode",
        "foreign text",
        pytest.param("cut", marks=pytest.mark.slow),
        pytest.param("empty", marks=pytest.mark.slow),
    ],
)
def test_a_damaged_program_is_made_again(harm: str) -> None:
    holds(run(*NATIVE))
    kept = programs()
    assert kept
    assert all(cache.intact(p) for p in kept)
    for path in kept:
        text = bytearray(path.read_bytes())
        match harm:
            case "cut":
                path.write_bytes(text[: len(text) // 2])
            case "flip":
                text[len(text) // 2] ^= 1
                path.write_bytes(text)
            case "empty":
                path.write_bytes(b"")
            case "mode":
                path.chmod(0o777)
            case _:
                path.write_text("#!/bin/sh\necho states 1; echo stop complete\n")
    holds(run(*NATIVE))
    assert all(cache.intact(p) for p in programs())
    assert all(not p.stat().st_mode & stat.S_IWOTH for p in programs())


def test_a_program_that_is_no_file_of_ours(here: Path) -> None:
    sealed = here / "sealed"
    sealed.write_bytes(b"text")
    cache.seal(sealed)
    sealed.chmod(0o700)
    assert cache.intact(sealed)
    (here / "link").symlink_to(sealed)
    assert not cache.intact(here / "link")
    assert not cache.intact(here / "none")


@needs_compiler
def test_a_program_is_found_where_it_cannot_be_written(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read-only home with what an earlier run has kept."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(here / "home"))
    build = Build("int main(void) { return 0; }", 1, ("-O0", "-O0"))
    build.program.write_bytes(b"x")
    cache.seal(build.program)
    build.program.chmod(0o500)
    assert Build("int main(void) { return 0; }", 1, ("-O0", "-O0")).done


# --- output ----------------------------------------------------------------


def shell(command: str) -> tuple[int, str, str]:
    done = subprocess.run(
        ["bash", "-c", command.replace("poolproof", f"{sys.executable} -m poolproof")],
        env=environment(),
        text=True,
        capture_output=True,
        timeout=60,
    )
    return done.returncode, done.stdout, done.stderr


EXPLICIT = "--design d.py --engine explicit"


@pytest.mark.parametrize(
    "command",
    [
        f"poolproof check low.spec {EXPLICIT} > /dev/full",
        f"poolproof check low.spec {EXPLICIT} --json > /dev/full",
        f"poolproof check low.spec {EXPLICIT} -o /dev/full",
        "mkdir D; ln -s /dev/full D/low.low.trace; "
        f"poolproof check low.spec {EXPLICIT} --store .",
        "poolproof list --design d.py > /dev/full",
        "poolproof --help > /dev/full",
    ],
)
def test_a_full_disk_is_one_line(command: str) -> None:
    code, _, err = shell(command)
    assert code == 2
    assert err.endswith(": cannot be written: No space left on device\n")
    assert err.startswith("poolproof: ")
    assert err.count("\n") == 1


def test_standard_output_that_is_closed() -> None:
    code, _, err = shell(f"poolproof check low.spec {EXPLICIT} >&-")
    assert (code, err.count("\n")) == (2, 1)
    assert "standard output: cannot be written" in err


@pytest.mark.parametrize(("spec", "code"), [("low.spec", 1), ("d.spec", 0)])
@pytest.mark.parametrize("reader", ["head -1", "true"])
def test_a_reader_who_leaves_changes_no_exit_code(
    spec: str, code: int, reader: str
) -> None:
    command = f"poolproof check {spec} {spec} {EXPLICIT} | {reader}"
    found, _, err = shell(f"{command}; exit ${{PIPESTATUS[0]}}")
    assert (found, err) == (code, "")


def test_standard_error_that_is_closed() -> None:
    code, out, _ = shell("poolproof check none.spec 2>&-")
    assert (code, out) == (2, "")


# --- a design that ends the program ----------------------------------------


@pytest.mark.parametrize(
    "raised",
    [
        "SystemExit(0)",
        "SystemExit(1)",
        "KeyboardInterrupt",
        "GeneratorExit",
        "BaseException('no')",
        "type('Own', (BaseException,), {})()",
    ],
)
def test_a_design_that_raises_when_imported(raised: str) -> None:
    Path("bad.py").write_text(f"raise {raised}\n")
    reference = "bad:D" if "Exit" in raised else "bad.py"
    done = run("check", "d.spec", "--design", reference, PYTHONPATH=f"{ROOT}:.")
    assert (done.returncode, done.stdout) == (2, "")
    message, *place = done.stderr.splitlines()
    assert "importing this raises" in message
    assert place in ([], [f"    raise {raised}", "    ^"])


# --- Ctrl-C ----------------------------------------------------------------


@pytest.mark.parametrize("delay", [0.05, 0.15, 0.3, 0.5, 0.8, 1.2])
def test_ctrl_c_in_the_first_second(delay: float) -> None:
    Path("wait.py").write_text(f"import time\ntime.sleep(9)\n{COUNTER}")
    # a shell that starts tests in the background has them ignore it
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    running = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys; sys.argv[0] = 'poolproof'\n"
            "from poolproof.__main__ import command\n"
            "print(flush=True)\nsys.exit(command())",
            "check",
            "d.spec",
            "--design",
            "wait.py",
        ],
        env=environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    signal.signal(signal.SIGINT, before)
    assert running.stdout is not None
    running.stdout.readline()  # Python itself is up
    time.sleep(delay)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=30)
    assert (running.returncode, out) == (130, "")
    assert err == "poolproof: interrupted; nothing is known yet\n"


HALF_MADE = """
import os, signal, time
class Half:
    def __init__(self):
        os.kill(os.getpid(), signal.SIGINT)
        self.whole = time.sleep(5)
    def __del__(self):
        self.whole
Half()
"""


def test_ctrl_c_leaves_an_object_half_made() -> None:
    Path("half.py").write_text(HALF_MADE + COUNTER)
    done = run("check", "d.spec", "--design", "half.py")
    assert (done.returncode, done.stdout) == (130, "")
    assert done.stderr == "poolproof: interrupted; nothing is known yet\n"


# --- the grammar's tables --------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        b"cos\nsystem\n(S'touch owned'\ntR.",
        pytest.param(b"", marks=pytest.mark.slow),
        pytest.param(b"junk", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize(
    "bytecode", [pytest.param(True, marks=pytest.mark.slow), False]
)
def test_tables_that_are_damaged_are_made_again(
    text: bytes, bytecode: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are where Python keeps bytecode, or in the cache where it keeps none."""
    if bytecode:
        monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(Path("bytecode").absolute()))
        folder = Path("bytecode")
    else:
        monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
        folder = Path("home/.cache/poolproof")
        folder.mkdir(parents=True, mode=0o700)
    holds(run(*EXPLICIT_CHECK))
    (tables,) = folder.rglob("spec-grammar-*")
    digest = tables.read_bytes().partition(b"\n")[0]
    assert len(digest) == 64
    assert not tables.stat().st_mode & 0o022
    tables.write_bytes(text)
    holds(run(*EXPLICIT_CHECK))
    assert tables.read_bytes().startswith(digest)
    assert not Path("owned").exists()
    tables.chmod(0o666)
    holds(run(*EXPLICIT_CHECK))
    assert not tables.stat().st_mode & 0o022
