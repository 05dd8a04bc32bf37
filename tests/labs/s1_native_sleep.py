"""S1 without CPU use: the legacy subinterpreter's native call *sleeps* with the GIL held (ctypes.PyDLL). Must be said:
S1, step 5, thread "hog", although that thread uses no CPU. Twin: n3_parked_subinterpreters.py (sleeps with the GIL
released).
"""

import labkit

reader, writer = labkit.trio_wakeup_pair()
labkit.park_innocents(2)
labkit.start(labkit.create("legacy"), "native_sleep", "hog")
labkit.epoll_for_ever(reader)
