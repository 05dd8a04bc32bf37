"""L5 unwoken-loop: main hands a callback to the loop of another thread with call_soon, which does not wake it."""
import asyncio
import threading

import labkit

loop = asyncio.new_event_loop()
started = threading.Event()
tid = []


def serve():
    tid.append(threading.get_native_id())
    asyncio.set_event_loop(loop)
    loop.call_soon(started.set)
    loop.run_forever()


threading.Thread(target=serve, name="loop", daemon=True).start()
started.wait()
labkit.await_syscall(tid[0], labkit.EPOLL)
done = threading.Event()


def answer():  # BLAME
    done.set()


loop.call_soon(answer)
labkit.ready(blame=tid[0])
done.wait()
