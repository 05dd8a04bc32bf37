"""For gdb: prints `TYPE MEMBER OFFSET SIZE` for each "TYPE.MEMBER" in HANG_MEMBERS, or `TYPE MEMBER absent`.

    HANG_MEMBERS="partialobject.fn PyThreadState.interp" gdb -nx -batch -x member_offsets.py FILE

MEMBER may go into members and elements: "ceval.gil", "handlers[1].tripped".
"""

import os
import re

import gdb

# Types without a name of their own, and one whose name (`block`) other files use too: by way of something that has it.
BY_WAY_OF = {
    "block": lambda: gdb.lookup_type("dequeobject")["leftblock"].type.target(),
    "Handlers": lambda: gdb.parse_and_eval("Handlers").type.target().unqualified(),
    "wakeup": lambda: gdb.parse_and_eval("wakeup").type.unqualified(),
}


def find(name):
    if name in BY_WAY_OF:
        return BY_WAY_OF[name]()
    # A typedef without a body in some files (PyDictKeysObject), or a struct that only C knows as one.
    for spelling in (name, "struct " + name, "struct _" + name):
        try:
            found = gdb.lookup_type(spelling).strip_typedefs()
        except gdb.error:
            continue
        if found.code == gdb.TYPE_CODE_STRUCT and found.fields():
            return found
    raise KeyError(name)


def measure(ctype, member):
    offset = 0
    for part in re.findall(r"\w+|\[\d+\]", member):
        ctype = ctype.strip_typedefs()
        if part.startswith("["):
            ctype = ctype.target()
            offset += int(part[1:-1]) * ctype.sizeof
        else:
            field = ctype[part]
            offset += field.bitpos // 8
            ctype = field.type
    return offset, ctype.sizeof


for row in os.environ["HANG_MEMBERS"].split():
    name, member = row.split(".", 1)
    try:
        print(name, member, *measure(find(name), member))
    except (gdb.error, KeyError):
        print(name, member, "absent")
