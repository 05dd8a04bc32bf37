"""A worker of multiprocessing waits for its next item; its parent lives and waits for a human. The worker is looked at: no
hang is named.
"""

import multiprocessing
import os

import labkit


def work(inbox):
    while inbox.recv() is not None:
        pass


if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    theirs, ours = context.Pipe(duplex=False)
    worker = context.Process(target=work, args=(theirs,))
    worker.start()
    labkit.await_syscall(worker.pid, labkit.READ, process=worker.pid)
    main, terminal = os.openpty()
    labkit.ready(pid=worker.pid)
    os.read(terminal, 1)
