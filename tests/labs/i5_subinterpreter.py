"""I5 in a subinterpreter that owns the main thread: it polls a queue whose producer was closed, and no signal handler may run.
Must be said: I5, step 5, and the line. Twin: n3_interp_queue_producer.py.
"""

import os
from concurrent import interpreters

import labkit

queue = interpreters.create_queue()
consumer, producer = interpreters.create(), interpreters.create()
for interpreter in consumer, producer:
    interpreter.prepare_main(queue=queue)
producer.exec("queue.put('first')")
consumer.exec(f"import sys; sys.path.insert(0, {labkit.HERE!r}); import hogs; assert queue.get() == 'first'")
producer.close()
labkit.ready(blame=os.getpid())
consumer.exec("hogs.consume(queue)")
