"""N2: main closes a subinterpreter and joins its thread, which computes something that ends. Ctrl-C must wait, too. Twin
of i2_legacy.py.
"""

import labkit

labkit.close_with_thread("legacy", "count", "counter")
