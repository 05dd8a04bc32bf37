"""S7 through a queue: the handler puts a job while main is inside the queue's own mutex. Must be said: S7 and the handler's
line. Twin: n3_handler_waits.py.
"""

import os
import queue
import signal

import labkit


class Jobs(queue.Queue):
    def _get(self):  # the mutex is held here
        signal.raise_signal(signal.SIGUSR1)
        return super()._get()


def handler(number, frame):
    labkit.ready(blame=os.getpid())
    jobs.put("from the handler")  # BLAME


jobs = Jobs()
jobs.put("first")
signal.signal(signal.SIGUSR1, handler)
jobs.get()
