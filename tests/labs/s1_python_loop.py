"""S1 without native code, CPython 3.11 and 3.12 only: a pure-Python loop in a legacy subinterpreter never sees the drop
request, which the waiter sets in its own interpreter (SET_GIL_DROP_REQUEST(interp) in take_gil, Python/ceval_gil.c).
Must be said: S1, step 5, thread "hog". Twin: n2_legacy_subinterpreters.py (3.13, where the GIL does move).
"""

import labkit

reader, writer = labkit.trio_wakeup_pair()
labkit.start(labkit.create("legacy"), "python_loop", "hog")
labkit.epoll_for_ever(reader)
