# SPDX-License-Identifier: GPL-2.0-only
"""Lines to an agent and back, with an agent that is a thread."""

import socket
import threading
from collections.abc import Callable, Iterator

import pytest

from poolproof.checker.kernel.kernel import Conversation, Hung, KernelFacts, greet
from poolproof.checker.kernel.link import Link, NoAnswer

HELLO = (
    "ok release=6.12.1 nodes=2 cgroup=hugetlb,memory able=userfaultfd, gigantic=1 "
    "tainted=0"
)
ZERO = "0/0/0/0 0/0/0 0/0/0"


def _answer_all(line: str) -> str | None:
    return f"{HELLO if line == 'hello' else 'ok ' + line}\t{ZERO}"


def _answer_until_stop(line: str) -> str | None:
    return None if line == "stop" else _answer_all(line)


@pytest.fixture
def talk() -> Iterator[Callable[[Callable[[str], str | None]], Link]]:
    """Starts an agent that answers lines with a function; None: it leaves."""
    ours: list[socket.socket] = []

    def serve(agent: socket.socket, answer: Callable[[str], str | None]) -> None:
        with agent, agent.makefile() as lines:
            for line in lines:
                said = answer(line.strip())
                if said is None:
                    return
                agent.sendall(f"{said}\n".encode())

    def start(answer: Callable[[str], str | None]) -> Link:
        near, far = socket.socketpair()
        ours.append(near)
        threading.Thread(target=serve, args=(far, answer), daemon=True).start()
        return Link(near.fileno(), near.fileno())

    yield start
    for near in ours:
        near.close()


Talk = Callable[[Callable[[str], str | None]], Link]


def test_one_answer_for_each_line(talk: Talk) -> None:
    link = talk(_answer_all)
    assert link.exchange(["a", "b"], 5) == [f"ok a\t{ZERO}", f"ok b\t{ZERO}"]
    assert link.exchange([], 5) == []


def test_a_batch_larger_than_every_buffer(talk: Talk) -> None:
    lines = [f"line {i} {'x' * 200}" for i in range(20_000)]
    assert len(talk(_answer_all).exchange(lines, 20)) == len(lines)


def test_an_agent_that_leaves(talk: Talk) -> None:
    with pytest.raises(NoAnswer, match="has gone after 2 answers") as silent:
        talk(_answer_until_stop).exchange(["a", "b", "stop", "c"], 5)
    assert len(silent.value.lines) == 2


def test_an_agent_that_is_silent() -> None:
    near, far = socket.socketpair()
    with near, far, pytest.raises(NoAnswer, match=r"silent for 0\.05 s after 0"):
        Link(near.fileno(), near.fileno()).exchange(["a"], 0.05)


def test_an_agent_that_says_what_is_no_text() -> None:
    near, far = socket.socketpair()
    with near, far, pytest.raises(NoAnswer, match="said what is not text"):
        far.send(b"ok release=\x80\n")
        Link(near.fileno(), near.fileno()).exchange(["hello"], 5)


def test_greet_reads_the_facts(talk: Talk) -> None:
    assert greet(talk(_answer_all), 5).facts == KernelFacts(
        release="6.12.1",
        nodes=2,
        controllers=frozenset({"hugetlb", "memory"}),
        able=frozenset({"userfaultfd"}),
        gigantic=1,
    )


def test_a_kernel_that_hangs_keeps_its_answers(talk: Talk) -> None:
    conversation: Conversation = greet(talk(_answer_until_stop), 5)
    with pytest.raises(Hung) as hung:
        conversation.run(["a", "stop", "b"])
    assert [answer.result for answer in hung.value.answers] == ["ok a"]


def test_patience_is_measured_by_a_clock() -> None:
    """By a clock that stands still at first, and then is far ahead."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        times = iter([0.0, 0.0, 0.0, 99.0])
        link = Link(ours.fileno(), ours.fileno(), lambda: next(times))
        with pytest.raises(NoAnswer, match="was silent for 5 s after 0 answers"):
            link.exchange(["counters"], 5.0)
        assert next(times, None) is None
