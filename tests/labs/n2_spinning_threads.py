"""N2 slow-not-stuck: 25 threads compute in pure Python and main waits for its turn; the GIL moves. Must be said: N2, never
G3 or S1. Twin: g3_regex_thread.py.
"""

import threading
import time

import hogs
import labkit

for number in range(25):
    threading.Thread(target=hogs.spin, name=f"spin-{number}", daemon=True).start()
labkit.ready()
while True:
    time.sleep(0.01)
