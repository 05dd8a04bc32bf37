"""S1 without any loop or wakeup fd: main sleeps in time.sleep, a legacy subinterpreter's re.match keeps the GIL. Must be
said: S1, step 5, thread "hog". Twin: n3_time_sleep.py.
"""

import time

import labkit

labkit.start(labkit.create("legacy"), "regex", "hog", "sleep")
time.sleep(1_000_000)
