"""N3, look-alike of S5: SIGINT is blocked in every thread, because one takes it with sigwait(), and what the program does
then is its own affair (here it ends). Twin of s5_blocked.py.
"""

import os
import signal
import threading

import labkit

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})


def watch():
    signal.sigwait({signal.SIGINT, signal.SIGTERM})
    os._exit(0)


watcher = threading.Thread(target=watch, name="watcher")
watcher.start()
labkit.await_syscall(watcher.native_id, {128})  # rt_sigtimedwait
labkit.ready()
threading.Event().wait()
