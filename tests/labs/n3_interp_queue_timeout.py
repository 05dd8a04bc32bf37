"""N3: main polls a queue whose producer was closed, but only until a date. Twin of i5_queue.py."""

from concurrent import interpreters

import labkit

queue = interpreters.create_queue()
producer = interpreters.create()
producer.prepare_main(queue=queue)
producer.exec("queue.put('first')")
assert queue.get() == "first"
producer.close()
labkit.ready()
queue.get(timeout=3600)
