"""A process that waits for a shell, which waits for another program. What is to blame is at the end of the chain."""

import subprocess
import sys

subprocess.run(["sh", "-c", f"{' '.join(sys.argv[1:])}; true"])
