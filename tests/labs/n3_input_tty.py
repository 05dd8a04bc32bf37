"""N3: input() at a terminal waits for a human. The process started here plays the terminal; READY names the one to look
at. Twin of l1_asyncio_pipe.py.
"""

import os
import pty

stdout = os.dup(1)
pid, master = pty.fork()
if pid == 0:
    os.write(stdout, f"READY pid={os.getpid()}\n".encode())
    os.close(stdout)
    input("name? ")
else:
    os.close(stdout)
    try:
        while os.read(master, 4096):
            pass
    except OSError:  # EIO: the terminal's other end was closed
        os.waitpid(pid, 0)
