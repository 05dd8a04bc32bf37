"""N1 stopped-not-hung: main sleeps, and another process sends SIGSTOP. READY comes before; whoever runs this waits for
state T. Must be said: N1, exit code 0. Twin: n3_time_sleep.py.
"""

import os
import signal
import time

import labkit

patient = os.getpid()
if os.fork() == 0:
    labkit.await_syscall(patient, labkit.NANOSLEEP, process=patient)
    labkit.ready(pid=patient)
    os.kill(patient, signal.SIGSTOP)
    os._exit(0)
time.sleep(1_000_000)
