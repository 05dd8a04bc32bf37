"""The end of a chain of processes: a program that waits for a `sleep`. Nothing hangs."""

import subprocess

import labkit

child = subprocess.Popen(["sleep", "1000"])
labkit.await_sleeper()
labkit.ready()
child.wait()
