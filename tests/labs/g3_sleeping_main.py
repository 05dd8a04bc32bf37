"""G3: a plain thread's re.match keeps the GIL while main is in time.sleep. Must be said: G3, step 5, thread "hog"; not
"main sleeps until a date": at that date it cannot go on. Twin: n3_time_sleep.py.
"""

import threading
import time

import hogs

threading.Thread(target=hogs.regex, args=("sleep",), name="hog", daemon=True).start()
time.sleep(1_000_000)
