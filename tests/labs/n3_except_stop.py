"""Twin of s6_except_loop.py: handlers around the wait that take no KeyboardInterrupt, and one that ends the loop: Ctrl-C
works.
"""

import contextlib
import threading
import time

import labkit


class Worker:
    def __init__(self):
        self.running = True
        self.lock = threading.Lock()

    def step(self):
        try:
            with self.lock, contextlib.suppress(OSError):
                time.sleep(1_000_000)
        except Exception as error:
            print("failed:", error)
        finally:
            print("cleanup")

    def run(self):
        while self.running:
            try:
                self.step()
            except KeyboardInterrupt:
                print("stopping")
                self.running = False


labkit.ready()
Worker().run()
