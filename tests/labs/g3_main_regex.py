"""G3 where main itself is the hog: re.match polls for signals (Modules/_sre/sre_lib.h, MAYBE_CHECK_SIGNALS), so Ctrl-C
works, and other threads starve. Must be said: G3, main thread, never "no" for Ctrl-C. Twin: n2_main_busy.py.
"""

import os
import threading
import time

import hogs

threading.Thread(target=time.sleep, args=(1_000_000,), name="other", daemon=True).start()
hogs.ready(blame=os.getpid())
hogs.ENDLESS.match(hogs.TEXT)  # BLAME
