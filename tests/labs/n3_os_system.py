"""N3, look-alike of S5: os.system() ignores SIGINT as long as the shell runs, so that a Ctrl-C of the terminal ends what
the shell runs. Here that sleeps. Twin of s5_inherited_ignore.py.
"""

import os

import labkit

labkit.ready()
os.system("exec sleep 1000000")
