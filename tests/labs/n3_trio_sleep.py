"""N3: trio sleeps until a date. Twin of s1_trio_main.py, l1_trio_dropped_sender.py and the trio L3 labs."""

import labkit

trio = labkit.import_trio()


async def main():
    labkit.ready()
    await trio.sleep(1000)


trio.run(main)
