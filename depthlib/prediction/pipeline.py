"""Stages of work that run beside each other, a few items apart."""

from collections import deque
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
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
    finally:
        pool.shutdown(cancel_futures=True)
        items.close()
