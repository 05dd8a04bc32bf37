"""N3, look-alike of S5: SIGINT is blocked, because the program reads it from a signalfd. Twin of s5_blocked.py."""

import ctypes
import os
import select
import signal

import labkit

signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
mask = ctypes.c_ulong(1 << (signal.SIGINT - 1))
fd = ctypes.CDLL(None).signalfd(-1, ctypes.byref(mask), 0)
poller = select.poll()
poller.register(fd, select.POLLIN)
labkit.ready()
poller.poll()
os._exit(0)
