"""I3 by concurrent.futures, which joins its workers at exit, before the other threads: one waits for a job that nobody will
send any more. Must be said: I3, thread "worker_0" and its line. Twin: n3_worker_pool.py (the script has not ended).
"""

import concurrent.futures.thread
import queue
import threading

import labkit


def drain():
    while True:
        jobs.get()  # BLAME


jobs = queue.Queue()
pool = concurrent.futures.ThreadPoolExecutor(1, thread_name_prefix="worker")
worker = pool.submit(threading.get_native_id).result()
pool.submit(drain)
threading._register_atexit(lambda: labkit.ready(blame=worker))  # called before concurrent.futures' own, the last first
