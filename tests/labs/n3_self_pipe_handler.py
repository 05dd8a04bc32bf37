"""N3, or undetermined: the main thread waits for a byte that its own signal handler writes. Twin of b2_own_copy.py."""

import os
import signal

import labkit

reader, writer = os.pipe()
signal.signal(signal.SIGUSR1, lambda *_: os.write(writer, b"x"))
labkit.ready()
os.read(reader, 1)
