"""I4 by a queue: a __del__ says goodbye to a daemon thread and waits for its answer, and the thread froze when it woke up to
give one. Holds on 3.15 too, where a lock refuses to be waited for at finalization. Must be said: I4 and the line in
__del__. Twins: i3_event.py, n3_exit_server.py.
"""

import os
import queue
import threading

import hogs
import labkit


class Client:
    def __init__(self):
        self.asked, self.answered = queue.SimpleQueue(), queue.SimpleQueue()
        self.daemon = threading.Thread(target=hogs.answer, args=(self.asked, self.answered), name="daemon", daemon=True)
        self.daemon.start()
        self.asked.put("hello")
        assert self.answered.get() == "hello"

    def __del__(self):
        self.asked.put("goodbye")
        labkit.await_frozen(self.daemon.native_id)
        labkit.ready(blame=os.getpid())
        self.answered.get()  # BLAME


client = Client()
