"""N1 stopped-not-hung: the process stopped itself. READY comes before; whoever runs this waits for state T. Must be said:
N1, exit code 0. Twin: n3_time_sleep.py.
"""

import os
import signal

import labkit

labkit.ready(blame=os.getpid())
os.kill(os.getpid(), signal.SIGSTOP)
