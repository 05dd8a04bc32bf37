"""The end of a chain of processes: an asyncio loop that a task blocks (L3)."""

import asyncio
import threading

import labkit


def say_when_blocked(tid):
    labkit.await_syscall(tid, labkit.FUTEX)
    labkit.ready()


async def main():
    threading.Thread(target=say_when_blocked, args=(threading.get_native_id(),)).start()
    threading.Event().wait()


asyncio.run(main())
