"""S6 in finalizers: each object's __del__ blocks, and a KeyboardInterrupt raised in there is printed and forgotten ("Exception
ignored in"), again and again. Must be said: S6 and the line in __del__. Twin: n3_time_sleep.py.
"""

import os
import time

import labkit


class Connection:
    def __del__(self):
        time.sleep(1_000_000)  # BLAME


labkit.ready(blame=os.getpid())
while True:
    Connection()
