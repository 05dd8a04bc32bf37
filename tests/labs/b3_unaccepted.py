"""B3: a client reads from a connection that its server never accepted. Must be said: B3. Twin: n3_socket_timeout.py."""

import socket

import labkit


def ask():
    client.recv(1)  # BLAME


server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname())
labkit.ready()
ask()
