"""S3: main blocks SIGINT and a worker does not, so that every one goes to the worker, and main sleeps on. Must be said: S3
once one was sent; Ctrl-C dies at step 5. Twin: n3_worker_pool.py (the other way round, as it should be)."""

import os
import signal
import threading
import time

import labkit

worker = threading.Thread(target=time.sleep, args=(1_000_000,), daemon=True)
worker.start()
labkit.await_syscall(worker.native_id, labkit.NANOSLEEP)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
labkit.ready(blame=os.getpid())
time.sleep(1_000_000)
