"""B2: subprocess.run() reads to the end of a pipe; its shell has ended, and what it left in the background has the writing
end. Must be said: B2, the line that runs it. Twin: n3_communicate_slow.py.
"""

import subprocess

import labkit


def run():
    subprocess.run(["/bin/sh", "-c", "sleep 1000 & echo done"], stdout=subprocess.PIPE)  # BLAME


labkit.ready_when_child_ended()
run()
