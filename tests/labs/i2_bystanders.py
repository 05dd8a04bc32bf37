"""I2 among innocents: subinterpreters that sleep on threads of their own, and the one that main closes. Must be said: I2,
step 5, thread "waiter". Twin: n3_parked_subinterpreters.py (the innocents only).
"""

import labkit

labkit.park_innocents(2, "legacy")
labkit.park_innocents(2, "isolated")
labkit.close_with_thread("legacy", "wait", "waiter")
