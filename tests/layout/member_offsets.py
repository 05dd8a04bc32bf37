"""For gdb: prints `TYPE MEMBER OFFSET SIZE` for each "TYPE.MEMBER" in HANG_MEMBERS, or `TYPE MEMBER absent`.

    HANG_MEMBERS="partialobject.fn dequeobject.leftblock" gdb -nx -batch -x member_offsets.py FILE
"""

import os

import gdb

# Types without a name of their own, and one whose name (`block`) other files use too: by way of something that has it.
BY_WAY_OF = {
    "block": lambda: gdb.lookup_type("dequeobject")["leftblock"].type.target(),
    "Handlers": lambda: gdb.parse_and_eval("Handlers").type.target().unqualified(),
    "wakeup": lambda: gdb.parse_and_eval("wakeup").type.unqualified(),
}


def find(name):
    return BY_WAY_OF[name]() if name in BY_WAY_OF else gdb.lookup_type(name).strip_typedefs()


for row in os.environ["HANG_MEMBERS"].split():
    name, member = row.split(".")
    try:
        field = find(name)[member]
        print(name, member, field.bitpos // 8, field.type.sizeof)
    except (gdb.error, KeyError):
        print(name, member, "absent")
