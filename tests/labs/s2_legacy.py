"""S2 subinterp-owns-main-thread: the main thread sleeps inside a legacy subinterpreter, where no signal handler may run.
Must be said: S2, step 5. Twin: n3_parked_subinterpreters.py (the same on threads of their own)."""

import os

import labkit

labkit.execute(
    labkit.create("legacy"),
    f"import os, time; os.write(1, b'READY blame={os.getpid()}\\n'); time.sleep(1_000_000)",
)
