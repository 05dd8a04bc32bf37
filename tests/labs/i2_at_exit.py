"""I2 at the very end: nobody closed the subinterpreter, so that finalization does (since 3.14), and joins its thread. Must be
said: I2, step 5, thread "waiter". Twin: i3_event.py (a thread of the main interpreter).
"""

import labkit

interpreter = labkit.create("legacy")
labkit.execute(
    interpreter, f"import sys; sys.path.insert(0, {labkit.HERE!r}); import hogs; hogs.leave('wait', 'waiter')"
)
