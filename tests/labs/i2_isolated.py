"""I2 in an isolated subinterpreter (not in 3.11, whose isolated ones have no threads). Must be said: I2, step 5, thread
"waiter". Twins: n2_subinterp_close.py, s2_isolated_wait.py.
"""

import labkit

labkit.close_with_thread("isolated", "wait", "waiter")
