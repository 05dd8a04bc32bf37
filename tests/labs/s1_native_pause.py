"""S1 without CPU use: the legacy subinterpreter is in pause(2) with the GIL held; the C handler runs on the main thread,
so that no signal ends the pause. Must be said: S1, step 5, thread "hog". Twin: n3_parked_subinterpreters.py.
"""

import labkit

reader, writer = labkit.trio_wakeup_pair()
labkit.start(labkit.create("legacy"), "native_pause", "hog")
labkit.epoll_for_ever(reader)
