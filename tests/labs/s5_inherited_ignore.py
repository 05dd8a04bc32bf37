"""S5 sigint-ignored-or-blocked: the program inherited an ignored SIGINT (`sh -c 'python x.py &'`), which CPython leaves
alone. Must be said: S5, step 1. Twin: n3_time_sleep.py.
"""

import os
import signal
import sys
import time

import labkit

if len(sys.argv) == 1:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.execv(sys.executable, [sys.executable, __file__, "ignored"])
assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
labkit.ready(blame=os.getpid())
time.sleep(1_000_000)
