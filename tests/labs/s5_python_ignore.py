"""S5: the program itself called signal.signal(SIGINT, SIG_IGN). Must be said: S5, step 1. Twin: n3_time_sleep.py."""

import os
import signal
import time

import labkit

signal.signal(signal.SIGINT, signal.SIG_IGN)
labkit.ready(blame=os.getpid())
time.sleep(1_000_000)
