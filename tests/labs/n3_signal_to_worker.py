"""N3, twin of s3_other_thread.py: SIGUSR1 is directed to a worker, but a wakeup fd tells main, which handles it and
sleeps on."""

import os
import select
import signal
import socket
import threading
import time

import labkit

reader, writer = socket.socketpair()
reader.setblocking(False)
writer.setblocking(False)
signal.set_wakeup_fd(writer.fileno())
handled = []
signal.signal(signal.SIGUSR1, lambda *_: handled.append(1))
server = socket.create_server(("127.0.0.1", 0))
epoll = select.epoll()
epoll.register(reader, select.EPOLLIN)
epoll.register(server, select.EPOLLIN)


def worker():
    labkit.await_syscall(os.getpid(), labkit.EPOLL)
    signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)
    while not handled:
        time.sleep(0.001)
    labkit.await_syscall(os.getpid(), labkit.EPOLL)
    labkit.ready()
    time.sleep(1_000_000)


threading.Thread(target=worker, daemon=True).start()
while True:
    for fd, _ in epoll.poll():
        if fd == reader.fileno():
            reader.recv(4096)
