"""B2 without subprocess' frames: the main thread reads a child's output to the end, the child is a zombie, and an orphan
has the writing end. Must be said: B2.
"""

import subprocess

import labkit


def read_all():
    return child.stdout.read()  # BLAME


child = subprocess.Popen(["/bin/sh", "-c", "sleep 1000 & exit 0"], stdout=subprocess.PIPE)
labkit.await_zombie(child.pid)
labkit.await_sleeper()
labkit.ready()
read_all()
