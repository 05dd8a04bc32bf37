"""N3 idle-by-design: main sleeps until a date. Twin of S5, G3 and L3 labs."""

import time

import labkit

labkit.ready()
time.sleep(1_000_000)
