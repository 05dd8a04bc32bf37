"""I2 subinterp-close-join: main closes a legacy subinterpreter and joins its thread, which waits for good; no signal handler
may run meanwhile. Must be said: I2, step 5, thread "waiter". Twins: n2_subinterp_close.py, n3_subinterp_close.py (the
thread will end), s2_legacy.py (nobody closes anything).
"""

import labkit

labkit.close_with_thread("legacy", "wait", "waiter")
