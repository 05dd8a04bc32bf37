"""N2 slow-not-stuck: 25 threads and main compute in pure Python; the GIL moves. Must be said: N2, never G3 or S1.
Twin: g3_regex_thread.py.
"""

import threading

import hogs
import labkit

for number in range(25):
    threading.Thread(target=hogs.spin, name=f"spin-{number}", daemon=True).start()
labkit.ready()
hogs.spin()
