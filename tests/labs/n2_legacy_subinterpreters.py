"""N2 on 3.13: five legacy subinterpreters and main compute in pure Python; they share the GIL but do let it go, so that
main is slow, not stuck. Must be said: N2, never S1. Twin: s1_python_loop.py (3.11, 3.12) and s1_trio_pair.py.
"""

import hogs
import labkit

for number in range(5):
    labkit.start(labkit.create("legacy"), "spin", f"spin-{number}")
labkit.ready()
hogs.spin()
