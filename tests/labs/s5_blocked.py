"""S5: SIGINT is blocked in every thread, so that it stays pending for ever. Must be said: S5, step 2. Twin: the signal
blocked in a worker only, which is good practice (n3_worker_pool.py).
"""

import os
import signal
import threading
import time

import labkit

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
worker = threading.Thread(target=time.sleep, args=(1_000_000,), daemon=True)  # inherits the mask
worker.start()
labkit.await_syscall(worker.native_id, labkit.NANOSLEEP)
labkit.ready(blame=os.getpid())
time.sleep(1_000_000)
