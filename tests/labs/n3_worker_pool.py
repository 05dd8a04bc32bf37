"""N3: idle pool workers (SIGINT blocked in them, which is good practice) and main in accept. Twin of s5_blocked.py."""

import concurrent.futures
import signal
import socket
import threading

import labkit

pool = concurrent.futures.ThreadPoolExecutor(4)
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
barrier = threading.Barrier(4)
assert len([job.result() for job in [pool.submit(barrier.wait) for _ in range(4)]]) == 4
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
server = socket.create_server(("127.0.0.1", 0))
labkit.ready()
server.accept()
