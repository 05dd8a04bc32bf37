"""G3 gil-hog-native-call: a plain thread of the main interpreter runs a catastrophic re.match; main is in a loop. Must be
said: G3 (no subinterpreter is involved), step 5, thread "hog". Twin: n2_spinning_threads.py (the GIL moves).
"""

import threading

import hogs
import labkit

reader, writer = labkit.trio_wakeup_pair()
threading.Thread(target=hogs.regex, name="hog", daemon=True).start()
labkit.epoll_for_ever(reader)
