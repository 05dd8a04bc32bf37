"""S1 gil-hostage-signal-drop. A thread runs a catastrophic re.match in an abandoned legacy subinterpreter, whose GIL is
the main interpreter's; main sits in a loop of its own over a wakeup pair as small as trio's. Must be said: thread "hog"
of the legacy interpreter holds the GIL, Ctrl-C dies at step 5 (before any signal too), the parked interpreters are
innocent. Twin: n3_parked_subinterpreters.py (nobody holds the GIL), n3_own_gil_hog.py (the same hog, a GIL of its own).
"""

import labkit

reader, writer = labkit.trio_wakeup_pair()
labkit.park_innocents(3)
labkit.start(labkit.create("legacy"), "regex", "hog")
labkit.epoll_for_ever(reader)
