import os
import sys
import threading
import time

import pytest
from eventrain_trainer.patience import Backoff, Deadline, let_training_go_first


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux knows of such a class")
def test_only_the_thread_that_says_so_lets_others_go_first() -> None:
    found: list[int] = []

    def say() -> None:
        let_training_go_first()
        found.append(os.sched_getscheduler(0))

    thread = threading.Thread(target=say)
    thread.start()
    thread.join()

    assert [*found, os.sched_getscheduler(0)] == [os.SCHED_BATCH, os.SCHED_OTHER]


class TestBackoff:
    def test_doubles_up_to_its_bound(self) -> None:
        backoff = Backoff(1, 10, spread=lambda: 0.5)

        assert [backoff.next() for _ in range(6)] == [1, 2, 4, 8, 10, 10]

    def test_begins_again_after_a_success(self) -> None:
        backoff = Backoff(1, 10, spread=lambda: 0.5)
        backoff.next()
        backoff.next()
        backoff.reset()

        assert backoff.next() == 1

    def test_waits_as_long_as_it_is_asked_to_within_its_bound(self) -> None:
        backoff = Backoff(1, 10, spread=lambda: 0.5)

        assert backoff.next(5) == 5
        assert backoff.next(3600) == 10

    def test_spreads_its_waits_by_a_fifth(self) -> None:
        assert Backoff(10, 10, spread=lambda: 0.0).next() == 8
        assert Backoff(10, 10, spread=lambda: 1.0).next() == pytest.approx(12)


class TestDeadline:
    def test_only_comes_nearer(self) -> None:
        deadline = Deadline(clock=lambda: 0.0)
        deadline.within(5)
        deadline.within(10)

        assert deadline.left == 5

    def test_ends_a_pause_when_it_comes_nearer(self) -> None:
        deadline = Deadline()
        threading.Timer(0.05, deadline.within, (0,)).start()
        began = time.monotonic()

        assert not deadline.pause(60)
        assert time.monotonic() - began < 30
