"""N3: main polls a queue that a subinterpreter will fill, which is alive and sleeps on a thread of its own. Twin of the I5
labs.
"""

import threading
from concurrent import interpreters

import labkit

queue = interpreters.create_queue()
producer = interpreters.create()
producer.prepare_main(queue=queue)
code = "import time; queue.put('first'); time.sleep(3600); queue.put('second')"
thread = threading.Thread(target=producer.exec, args=(code,), name="producer", daemon=True)
thread.start()
assert queue.get() == "first"
labkit.await_syscall(thread.native_id, labkit.NANOSLEEP)
labkit.ready()
queue.get()
