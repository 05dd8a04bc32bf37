"""I3 exit-joins-nondaemon: the script has ended, and the interpreter joins a thread that waits for good. Must be said: I3,
thread "waiter" and its line. Twins: n3_exit_server.py (the thread serves), i2_legacy.py (the thread of a subinterpreter).
"""

import threading

import labkit


def wait():
    threading.Event().wait()  # BLAME


waiter = threading.Thread(target=wait, name="waiter")
waiter.start()
threading._register_atexit(lambda: labkit.ready(blame=waiter.native_id))
