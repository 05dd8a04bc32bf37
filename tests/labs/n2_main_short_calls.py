"""N2: main makes one C call of some 20 ms after the other, and nobody else wants the GIL: nearly always it is seen inside
such a call, which keeps the GIL. Must be said: N2, Ctrl-C works; never G3. Twin: g3_main_regex.py (one endless call).
"""

import labkit

numbers = list(range(2_000_000))
labkit.ready()
while True:
    sum(numbers)
