"""Numba settings shared by every kernel, the kernel cache, and rows-in-parallel.

Kernels release the GIL, so one frame is split into bands of rows that run on a plain thread
pool.  This costs less to compile than `parallel=True`, needs no threading layer, lets kernels take
named tuples, and gives the same pixels for every number of threads.
"""

import functools
import math
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
from numba.extending import overload

from . import kernel_cache
from .manners import available_threads

MIN_BAND_ROWS, BANDS_PER_THREAD = 4, 12


def _can_cache() -> bool:
    """Point numba at the cache folder; say once when kernels cannot be kept."""
    if not kernel_cache.is_writable():
        place = kernel_cache.folder().parent
        print(f"renderer: {place} is not writable: kernels are compiled anew", file=sys.stderr)
        return False
    numba.config.CACHE_DIR = str(kernel_cache.folder())
    return True


_MATHS = {"fastmath": True, "error_model": "numpy"}
jit = numba.njit(nogil=True, cache=_can_cache(), **_MATHS)


def implements(hook: Callable, body_class: type) -> Callable[[Callable], Callable]:
    """Make the decorated function the version of `hook` for scenes whose body is `body_class`.

    The hook and the function must have the same parameters, one of them called `body`.  Numba
    compiles one specialised kernel for each body class, only when a scene first needs it.
    """

    def decorate(function: Callable) -> Callable:
        position = function.__code__.co_varnames.index("body")

        @functools.wraps(function)
        def choose(*argument_types: Any) -> Callable | None:
            body_type = argument_types[position]
            return function if getattr(body_type, "instance_class", None) is body_class else None

        overload(hook, jit_options=_MATHS)(choose)
        return function

    return decorate


class RowPool:
    """Run `kernel(first_row, last_row, *arguments)` over bands of rows on `threads` threads."""

    def __init__(self, threads: int | None = None) -> None:
        self.threads = threads or available_threads()
        self._pool = ThreadPoolExecutor(max(self.threads - 1, 1))

    def run(self, kernel: Callable, rows: int, *arguments: Any) -> None:
        """Return when all rows are done; the calling thread works too."""
        band = max(MIN_BAND_ROWS, math.ceil(rows / (self.threads * BANDS_PER_THREAD)))
        starts = iter(range(0, rows, band))  # shared: each thread takes the next band

        def work() -> None:
            for start in starts:
                kernel(start, min(start + band, rows), *arguments)

        jobs = [self._pool.submit(work) for _ in range(self.threads - 1)]
        work()
        for job in jobs:
            job.result()

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
