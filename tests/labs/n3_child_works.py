"""N3: the parent waits for a child that computes. Twin of p6_cat.py."""

import os
import subprocess
import sys

import labkit

child = subprocess.Popen(
    [sys.executable, "-c", "import os; os.write(1, b'x')\nwhile True: pass"],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
)
os.read(child.stdout.fileno(), 1)
labkit.ready()
child.wait()
