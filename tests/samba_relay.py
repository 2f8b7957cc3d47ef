"""Passes connections into the network namespace of this process: `samba_relay.py FD:PORT …`.

The listening sockets were made outside and are inherited, so clients outside reach servers on loopback inside.
"""

import contextlib
import socket
import sys
import threading


def pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def serve(listener: socket.socket, port: int) -> None:
    while True:
        client, _ = listener.accept()
        try:
            server = socket.create_connection(("127.0.0.1", port))
        except OSError:
            client.close()
            continue
        for pair in ((client, server), (server, client)):
            threading.Thread(target=pump, args=pair, daemon=True).start()


def main() -> None:
    threads = []
    for argument in sys.argv[1:]:
        number, _, port = argument.partition(":")
        listener = socket.socket(fileno=int(number))
        threads.append(threading.Thread(target=serve, args=(listener, int(port))))
    for thread in threads:
        thread.start()


if __name__ == "__main__":
    main()
