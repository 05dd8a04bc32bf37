"""S3 tripped-but-main-parked: SIGINT is directed to a worker, whose C handler trips the flag; main sleeps in epoll and is
not told. The next SIGINT goes to main, and is one too many then. Must be said: S3. Twins: n3_signal_to_worker.py (with a
wakeup fd), n3_worker_pool.py (nothing is tripped)."""

import os
import select
import signal
import threading
import time

import labkit


def worker():
    labkit.await_syscall(os.getpid(), labkit.EPOLL)
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)
    labkit.ready(blame=os.getpid())
    time.sleep(1_000_000)


threading.Thread(target=worker, daemon=True).start()
select.epoll().poll()
