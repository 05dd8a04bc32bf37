"""A legacy and an isolated subinterpreter, each parked in a thread of the main interpreter. Prints READY, the native ids
of the two drivers, and waits."""

import os
import sys
import threading
import time

if sys.version_info >= (3, 13):
    import _interpreters as interpreters

    legacy, isolated = interpreters.create("legacy"), interpreters.create("isolated")
    run = interpreters.exec
else:
    import _xxsubinterpreters as interpreters

    legacy, isolated = interpreters.create(isolated=False), interpreters.create(isolated=True)
    run = interpreters.run_string

reader, writer = os.pipe()
SCRIPT = """
import os, time
def parked():
    os.write({writer}, b'x')
    time.sleep(1000)
parked()
"""
drivers = []
for name, interpreter in (("legacy-driver", legacy), ("isolated-driver", isolated)):
    drivers.append(threading.Thread(target=run, args=(interpreter, SCRIPT.format(writer=writer)), name=name, daemon=True))
    drivers[-1].start()
received = b""
while len(received) < 2:
    received += os.read(reader, 2)
# What follows their write is time.sleep, in clock_nanosleep (230).
for driver in drivers:
    while True:
        with open(f"/proc/self/task/{driver.native_id}/syscall") as file:
            if file.read().startswith("230 "):
                break
print("READY", f"legacy={int(legacy)}", f"isolated={int(isolated)}", *(f"{d.name}={d.native_id}" for d in drivers), flush=True)
time.sleep(1000)
