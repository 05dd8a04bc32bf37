"""P6 of multiprocessing: the parent joins a worker that waits for the next item, and nobody sends one. Must be said: P6;
one Ctrl-C is not enough, because the exit joins the worker again.
"""

import multiprocessing

import labkit


def work(inbox):
    while inbox.recv() is not None:
        pass


def join(worker):
    worker.join()  # BLAME


if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    theirs, ours = context.Pipe(duplex=False)
    worker = context.Process(target=work, args=(theirs,))
    worker.start()
    labkit.await_syscall(worker.pid, labkit.READ, process=worker.pid)
    labkit.ready()
    join(worker)
