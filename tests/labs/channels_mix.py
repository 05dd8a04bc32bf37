"""Channels of every kind that a process can have by itself, orphaned and not. For `hang channels`; no hang is claimed."""

import asyncio
import multiprocessing
import queue
import threading

import labkit

full = queue.Queue(maxsize=2)


def feeder():
    for number in range(3):
        full.put(number)


def pump(taken, given):
    while True:
        given.put(taken.get())


def listener(end):
    end.recv()


async def producer(channel):
    await asyncio.sleep(1000)
    await channel.put(1)


async def consumer(channel):
    await channel.get()


async def lonely(channel):
    await channel.get()


def take(simple):
    simple.get()


def give(simple, never):
    never.wait()
    simple.put(1)


def threads():
    one, other = queue.Queue(), queue.Queue()
    starved, fed, never = queue.SimpleQueue(), queue.SimpleQueue(), threading.Event()
    ours, theirs = multiprocessing.Pipe()
    for name, function, arguments in (
        ("feeder", feeder, ()),
        ("ping", pump, (one, other)),
        ("pong", pump, (other, one)),
        ("listener", listener, (ours,)),
        ("starved", take, (starved,)),
        ("fed", take, (fed,)),
        ("giver", give, (fed, never)),
    ):
        thread = threading.Thread(target=function, args=arguments, name=name, daemon=True)
        thread.start()
        labkit.await_syscall(thread.native_id, labkit.FUTEX | labkit.READ)
    return theirs


def put_later(channel):
    asyncio.get_running_loop().call_later(1000, channel.put_nowait, 1)


async def main():
    shared, orphan, timed = asyncio.Queue(), asyncio.Queue(), asyncio.Queue()
    put_later(timed)
    async with asyncio.TaskGroup() as group:
        group.create_task(producer(shared), name="producer")
        group.create_task(consumer(shared), name="consumer")
        group.create_task(lonely(orphan), name="lonely")
        group.create_task(consumer(timed), name="timed")
        del orphan, timed
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        labkit.ready()


keep = threads()
asyncio.run(main())
