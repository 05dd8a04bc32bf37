"""Not hung, 3.13 and later: a legacy subinterpreter runs a loop of one instruction while main sleeps until a date. Nobody
asks for the GIL that they share, and who asks gets it. Must be said: N3 or N2, or nothing; never S1. Twin:
s1_python_loop.py (3.11, 3.12, where the loop does not hear of it) and s1_sleeping_main.py.
"""

import time

import labkit

labkit.start(labkit.create("legacy"), "python_loop", "spinner", "sleep")
time.sleep(1_000_000)
