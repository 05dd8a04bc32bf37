"""N3: the parent waits for a child that sleeps and will then go on. Twin of b1_popen_wait.py."""

import subprocess
import sys

import labkit

child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"], stdout=subprocess.PIPE)
labkit.await_syscall(child.pid, labkit.NANOSLEEP, process=child.pid)
labkit.ready()
child.wait()
