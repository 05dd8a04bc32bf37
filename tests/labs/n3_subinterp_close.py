"""N3: main closes a subinterpreter and joins its thread, which sleeps until a date. Ctrl-C must wait until then, too. Twin
of i2_legacy.py.
"""

import labkit

labkit.close_with_thread("legacy", "sleep_until_a_date", "sleeper")
