"""hang in GDB: `source hang_gdb.py`, then `hang classify`, `hang threads`, `hang help`.

`source` runs a file among the names of __main__, where the user's own are: so what there is to it is in
hang_gdb_host.py, a module of its own, beside this file.
"""


def _load_hang(folder):
    import sys

    sys.path.insert(0, folder)
    try:
        sys.modules.pop("hang_gdb_host", None)  # sourced again
        __import__("hang_gdb_host")
    finally:
        sys.path.remove(folder)


try:
    _load_hang(__import__("os").path.dirname(__import__("os").path.abspath(__file__)))
finally:
    del _load_hang
