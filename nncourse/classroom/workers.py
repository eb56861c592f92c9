"""Where submissions are graded: threads of this machine, or the workers of a Dask cluster.

A thread waits for the process that it grades in, so threads keep all cores at work.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

Work = TypeVar("Work")
Result = TypeVar("Result")
Width = Callable[[], int]  # how many submissions to have under way


@contextlib.contextmanager
def workers(
    *, jobs: int | None = None, scheduler: str | None = None
) -> Iterator[tuple[Any, Width]]:
    """An executor, and the number of submissions that keep it busy.

    jobs       at a time on this machine; the number of processor cores when None
    scheduler  address of a Dask scheduler such as ``tcp://10.0.0.5:8786``; this machine when None
    """
    if scheduler is not None:
        with _cluster(scheduler) as pair:
            yield pair
        return
    num_threads = jobs or os.cpu_count() or 1
    pool = ThreadPoolExecutor(max_workers=num_threads)
    try:
        yield pool, lambda: num_threads
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextlib.contextmanager
def _cluster(scheduler: str) -> Iterator[tuple[Executor, Width]]:
    try:
        import distributed
    except ImportError:
        raise ValueError(
            "--scheduler needs Dask: pip install 'nncourse[cluster]' here and on every worker"
        ) from None
    connect: Any = distributed.Client
    try:
        client = connect(scheduler, timeout="20s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise ValueError(f"no Dask scheduler answers at {scheduler} ({error})") from None
    with client:
        # Twice as many as there are threads, so that a worker never waits for the network.
        yield (
            client.get_executor(pure=False),
            lambda: max(2 * sum(client.nthreads().values()), 1),
        )


def done_of(
    function: Callable[[Work], Result],
    work: Iterable[Work],
    executor: Executor,
    width: Width,
) -> Iterator[tuple[Work, Result | Exception]]:
    """Each piece of work with what ``function`` made of it, as they get done.

    No more than ``width()`` pieces are taken from ``work`` at a time, so that a large class does not
    lie in memory. An exception of ``function``, or of a worker that died, comes back as a value.
    """
    under_way: dict[Future[Result], Work] = {}
    waiting = iter(work)
    try:
        while True:
            while len(under_way) < width():
                try:
                    piece = next(waiting)
                except StopIteration:
                    break
                under_way[executor.submit(function, piece)] = piece
            if not under_way:
                return
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                error = future.exception()
                if error is not None and not isinstance(error, Exception):
                    raise error
                yield under_way.pop(future), future.result() if error is None else error
    finally:
        for future in under_way:
            future.cancel()
