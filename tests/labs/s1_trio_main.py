"""S1 with trio, as in the field: main sleeps in trio.run, whose wakeup socketpair takes six bytes, while the "hog"
thread's legacy subinterpreter keeps the shared GIL in a native call. Must be said: S1, step 5; after eight SIGINTs the
wakeup fd is full. Twin: n3_trio_sleep.py.
"""

import labkit

trio = labkit.import_trio()


async def main():
    labkit.start(labkit.create("legacy"), "regex", "hog")
    await trio.sleep_forever()


labkit.park_innocents(2)
trio.run(main)
