"""Stages of work that run beside each other, a few items apart."""

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Condition
from typing import TypeVar

T = TypeVar("T")


def work_ahead(items: Generator[T, None, None], length: int) -> Generator[T, None, None]:
    """Gives what `items` gives (never None), computed by a thread at most `length` items ahead.

    An error in the thread is raised here; closing this closes `items`.
    """
    pool = ThreadPoolExecutor(max_workers=1)
    try:
        waiting = deque(pool.submit(next, items, None) for _ in range(length))
        while (item := waiting.popleft().result()) is not None:
            waiting.append(pool.submit(next, items, None))
            yield item
            del item  # it may be large, and the next one may take long
    finally:
        pool.shutdown(cancel_futures=True)
        items.close()


class Room:
    """Room for `size` of something: one stage takes of it, a later one gives that back.

    What is larger has room where nothing else is. Closed, it has room for all: where the later
    stage ended by an error, the one that waits goes on, and can be ended too.
    """

    def __init__(self, size: int) -> None:
        self._size, self._taken, self._closed = size, 0, False
        self._changed = Condition()

    def take(self, amount: int) -> int:
        """Waits until there is room, and gives `amount`."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._holds(amount))
            self._taken += amount
        return amount

    def give(self, amount: int) -> None:
        with self._changed:
            self._taken -= amount
            self._changed.notify_all()

    def give_after(self, job: Future[None], amount: int) -> None:
        """Gives back once the job has ended, by an error too."""
        job.add_done_callback(lambda _: self.give(amount))

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _holds(self, amount: int) -> bool:
        return not self._taken or self._taken + amount <= self._size
