"""Suspended coroutines and generators of every kind, by address: READY NAME=ADDRESS ..."""

import types


class Future:
    """What a coroutine waits for in the end."""

    def __await__(self):
        yield self


@types.coroutine
def through_generator(future):
    yield from future.__await__()


future = Future()


async def innermost():
    await through_generator(future)


async def middle():
    async with Manager():
        await innermost()


class Manager:
    async def __aenter__(self):
        return self

    async def __aexit__(self, *details):
        pass


async def outermost():
    await middle()


async def numbers():
    for number in [1, 2, 3]:
        yield number
        await innermost()


async def iterating():
    async for _ in numbers():
        pass


def inner_loop():
    for number in [7, 8, 9]:
        yield number


def plain_yield():
    for number in inner_loop():
        yield number


def delegating():
    yield from inner_loop()


made = {"outermost": outermost(), "iterating": iterating(), "plain_yield": plain_yield(), "delegating": delegating()}
for suspended in made.values():
    suspended.send(None)
made["created"] = outermost()
finished = inner_loop()
list(finished)
made["finished"] = finished
made["future"] = future
print("READY", *(f"{name}={id(value)}" for name, value in made.items()), flush=True)
try:
    while True:
        import time

        time.sleep(1000)
finally:
    made["created"].close()
