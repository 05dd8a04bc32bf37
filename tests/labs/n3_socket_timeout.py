"""N3: a client waits for an answer, with a timeout. Twin of b3_unaccepted.py."""

import socket

import labkit

server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname(), timeout=3600)
labkit.ready()
client.recv(1)
