"""Objects in every form in which CPython stores them. Prints READY and NAME=ADDRESS for each, then waits."""

import collections
import select
import socket
import time

keep = {}


class Inline:
    """Few attributes: inline values, never a dict object."""

    def __init__(self):
        self.first = 1
        self.second = "two"
        self.removed = None
        del self.removed


class Slots:
    __slots__ = ("x", "unset")

    def __init__(self):
        self.x = 77


class SlotsAndDict(Slots):
    def __init__(self):
        super().__init__()
        self.in_dict = 78


class Int(int):
    """Variable-sized, with a dict behind its digits."""


class Node:
    def __init__(self, next_node=None):
        self.next_node = next_node


def grown(cls, count):
    made = cls()
    for i in range(count):
        setattr(made, f"a{i}", i)
    return made


def combined_with_holes():
    made = {i: f"v{i}" for i in range(50)}
    for i in range(0, 50, 2):
        del made[i]
    return made


def str_keys_with_holes():
    made = {f"k{i}": i for i in range(50)}
    for i in range(0, 50, 2):
        del made[f"k{i}"]
    return made


def long_deque():
    made = collections.deque(range(1000, 1200))
    for _ in range(70):
        made.popleft()
    made.extendleft([5, 6])
    return made


class Text(str):
    pass


materialized = Inline()
materialized.__dict__["third"] = 3
replaced = Inline()
replaced.__dict__ = {"only": 9}
integer = Int(10**30)
integer.note = "noted"
partly_set = Inline()
del partly_set.first

left, right = socket.socketpair()
closed = socket.socket()
closed.close()
epoll = select.epoll()

keep.update(
    ascii="plain",
    empty="",
    latin1="caf\u00e9",
    ucs2="\u4f60\u597d",
    ucs4="smile \U0001f600",
    surrogate="\ud800",
    subclass=Text("sub\u00e9"),
    long_text="x" * 10_000,
    zero=0,
    small=7,
    negative=-12345,
    medium=2**40 + 1,
    min63=-(2**62),
    too_big=2**70,
    true=True,
    false=False,
    pi=3.25,
    none=None,
    list=[1, 2, 3],
    tuple=(4, 5),
    empty_tuple=(),
    set={11, 12, 13},
    frozenset=frozenset([21]),
    set_with_holes={i for i in range(100)} - {i for i in range(90)},
    deque=long_deque(),
    empty_deque=collections.deque(),
    dict=combined_with_holes(),
    str_dict=str_keys_with_holes(),
    empty_dict={},
    big_dict={f"key {i}": i for i in range(5000)},
    ordered=collections.OrderedDict(a=1, b=2),
    inline=Inline(),
    materialized=materialized,
    replaced=replaced,
    partly_set=partly_set,
    slots=Slots(),
    slots_and_dict=SlotsAndDict(),
    integer=integer,
    few=grown(Node, 10),
    many=grown(Node, 60),
    chain=Node(Node(Node())),
    module=time,
    function=grown,
    socket=left,
    closed_socket=closed,
    epoll=epoll,
)
fds = {"socket_fd": left.fileno(), "epoll_fd": epoll.fileno()}
print("READY", *(f"{name}={id(value)}" for name, value in keep.items()), *(f"{k}={v}" for k, v in fds.items()), flush=True)
time.sleep(1000)
