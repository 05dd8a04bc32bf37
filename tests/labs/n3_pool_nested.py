"""N3 twin of L4: a job waits for a job of its own pool, and a worker is there that runs it, until a timer ends it."""
import concurrent.futures
import time

import labkit

pool = concurrent.futures.ThreadPoolExecutor(2)


def leaf():
    labkit.ready()
    time.sleep(3600)


def outer():
    return pool.submit(leaf).result()


pool.submit(outer).result()
