"""N2: main runs a loop of one instruction: no frame, instruction or local ever moves. Must be said: N2, Ctrl-C works;
never G3. Twin: g3_main_regex.py (a C call instead).
"""

import labkit

labkit.ready()
while True: pass  # fmt: skip
