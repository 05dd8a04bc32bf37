"""I2 on a worker thread: it makes and closes the subinterpreter, and main joins the worker, where Ctrl-C gets through. Must
be said: I2, thread "waiter". Twin: n3_parked_subinterpreters.py.
"""

import threading

import labkit

closer = threading.Thread(
    target=labkit.close_with_thread, args=("legacy", "wait", "waiter"), name="closer", daemon=True
)
closer.start()
closer.join()
