"""I1 abandoned-subinterp-run, a bystander: main could not stop a legacy subinterpreter, which sleeps on its driver thread, gave
it up, and serves. Must be said: N3, and the abandoned one listed. Twin: i2_legacy.py (main waits for it).
"""

import socket

import labkit

interpreter = labkit.create("legacy")
driver = labkit.start(interpreter, "park", "driver")
labkit.await_syscall(driver.native_id, labkit.NANOSLEEP)
try:
    labkit.destroy(interpreter)
except Exception as refusal:  # a RuntimeError, or since 3.13 an InterpreterError, which is none
    assert "running" in str(refusal), refusal
else:
    raise AssertionError("a running interpreter was destroyed")
server = socket.create_server(("127.0.0.1", 0))
labkit.ready()
server.accept()
