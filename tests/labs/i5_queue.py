"""I5 interp-queue-orphan-poll: main polls a queue that a subinterpreter should fill, and that was closed. It is never told so.
Must be said: I5 and the line. Twins: n3_interp_queue_producer.py (alive), n3_interp_queue_timeout.py (a date).
"""

import os
from concurrent import interpreters

import labkit

queue = interpreters.create_queue()
producer = interpreters.create()
producer.prepare_main(queue=queue)
producer.exec("queue.put('first')")
assert queue.get() == "first"
producer.close()
labkit.ready(blame=os.getpid())
queue.get()  # BLAME
