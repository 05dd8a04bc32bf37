"""Stacks of every kind, each in a thread that stands still. What they are is CPython's own word (sys._current_frames).

Prints, for each thread, `STACK NATIVE-ID NAME function:line|...` (innermost first), then READY with what else is to be
compared, and waits.
"""

import asyncio
import os
import sys
import threading
import time

never, _ = os.pipe()
code_parks = set()


def park():
    os.read(never, 1)


def recursive(depth):
    if depth == 0:
        return park()
    return recursive(
        depth
        - 1
    )


def generator():
    yield 1
    yield from inner_generator()


def inner_generator():
    yield 2
    park()


async def coroutine():
    await inner_coroutine()


async def inner_coroutine():
    with open(os.devnull):
        try:
            raise ValueError
        except ValueError:
            park()


class Meta(type):
    def __call__(cls, *arguments):
        return super().__call__(*arguments)


class Made(metaclass=Meta):
    def __init__(self):
        park()


class Plain:
    def __init__(self):
        park()


def make_plain():
    # After warming up, __init__ is entered without C between (CALL_NO_KW_ALLOC_AND_ENTER_INIT in 3.13).
    for i in range(100):
        Warm(i)
    return Warm(-1)


class Warm:
    def __init__(self, i):
        self.i = i
        if i < 0:
            park()


def called_from_c():
    sorted([3, 1, 2], key=lambda _: park())


def comprehension():
    return [park() for _ in range(1)]


def use_coroutine():
    asyncio.run(coroutine())


def use_generator():
    for _ in generator():
        pass


def closure():
    outer_cell = ["cell"]
    unbound_later = 1
    del unbound_later
    text = "h\u00e9"
    ints = 12345678

    def inside(argument):
        free = outer_cell
        park()
        return free, argument

    return inside("argument"), text, ints


def unusual_names():
    exec(compile("\n" * 70000 + "def f\u00e9():\n  park()\nf\u00e9()", "<far \u00e9>", "exec"), {"park": park})


targets = {
    "recursive": lambda: recursive(40),
    "generator": use_generator,
    "coroutine": use_coroutine,
    "metaclass": Made,
    "plain-init": Plain,
    "warm-init": make_plain,
    "from-c": called_from_c,
    "comprehension": comprehension,
    "closure": closure,
    "th\u00e9-far": unusual_names,
    "deep": lambda: recursive(900),
}
threads = [threading.Thread(target=target, name=name, daemon=name != "recursive") for name, target in targets.items()]
for thread in threads:
    thread.start()


def stack(thread):
    """Waits until the thread stands in park, then tells its stack."""
    while True:
        frame = sys._current_frames().get(thread.ident)
        if frame is not None and frame.f_code is park.__code__:
            with open(f"/proc/self/task/{thread.native_id}/syscall") as file:
                if file.read().startswith("0 "):
                    break
        time.sleep(0.001)
    found = []
    while frame is not None:
        found.append(f"{frame.f_code.co_qualname}:{frame.f_lineno}")
        frame = frame.f_back
    return "|".join(found)


for thread in threads:
    print("STACK", thread.native_id, thread.name, stack(thread))

addresses = {}
for frame in sys._current_frames().values():
    while frame is not None:
        if frame.f_code.co_qualname == "closure.<locals>.inside":
            addresses.update({f"inside.{name}": id(value) for name, value in frame.f_locals.items()})
        if frame.f_code.co_qualname == "closure":
            addresses.update({f"closure.{name}": id(value) for name, value in frame.f_locals.items()})
        frame = frame.f_back
print("READY", *(f"{name}={value}" for name, value in addresses.items()), flush=True)
time.sleep(1000)
