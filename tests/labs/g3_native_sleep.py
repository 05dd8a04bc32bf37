"""G3 without CPU use: a plain thread sleeps in a native call with the GIL held; main is in a loop and a legacy
subinterpreter is parked, innocent. Must be said: G3, step 5, thread "hog", interpreter 0. Twin: s1_native_sleep.py (the
same call in a subinterpreter).
"""

import threading

import hogs
import labkit

reader, writer = labkit.trio_wakeup_pair()
labkit.park_innocents(1)
threading.Thread(target=hogs.native_sleep, name="hog", daemon=True).start()
labkit.epoll_for_ever(reader)
