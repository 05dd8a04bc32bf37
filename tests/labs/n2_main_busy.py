"""N2: main computes in pure Python. Must be said: N2, Ctrl-C works. Twin: g3_main_regex.py (native, GIL held)."""

import labkit


def step(n):
    return (n * 1103515245 + 12345) % 2**31


labkit.ready()
value = 1
while True:
    value = step(value)
