"""N3: communicate() with a child that is alive and takes its time. Twin of b2_run_background.py."""

import subprocess
import sys

import labkit

child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"], stdout=subprocess.PIPE)
labkit.await_syscall(child.pid, labkit.NANOSLEEP, process=child.pid)
labkit.ready()
child.communicate()
