"""L4 self-wait: both workers of a pool wait for jobs that stand in the same pool's queue."""
import concurrent.futures
import threading

import labkit

pool = concurrent.futures.ThreadPoolExecutor(2, thread_name_prefix="crawl")
both = threading.Barrier(2)
workers = {}
submitted = threading.Barrier(2)


def leaf(n):
    return n


def crawl(n):
    workers[n] = threading.get_native_id()
    both.wait()
    inner = pool.submit(leaf, n)
    submitted.wait()
    labkit.ready(blame=workers[0], other=workers[1]) if n == 0 else None
    return inner.result()  # BLAME


print(list(pool.map(crawl, range(2))))
