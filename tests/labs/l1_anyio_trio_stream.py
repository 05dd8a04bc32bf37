"""l1_anyio_stream.py on trio."""

import anyio

import l1_anyio_stream

anyio.run(l1_anyio_stream.main, backend="trio")
