"""G2 gilstate-wrong-interpreter (up to 3.11; 3.12 keeps the two in step): a subinterpreter's code calls PyGILState_Ensure, which
takes the main interpreter's thread state and waits for the GIL that this thread holds. Must be said: G2, step 5."""

import os

import labkit

labkit.execute(
    labkit.create("legacy"),
    f"import ctypes, os; os.write(1, b'READY blame={os.getpid()}\\n'); ctypes.pythonapi.PyGILState_Ensure()",
)
