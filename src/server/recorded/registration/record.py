#!/usr/bin/env python3
"""Records what a controller of Apache Kafka answers to a broker of Millrace that registers, lives a
while and shuts down: record.py EXECUTABLE FOLDER

Writes exchange.tsv beside itself: the port of the controller as the broker knows it, then a line a
request, in the order of the answers: API key, version, the request's body, and the answer behind
its correlation id. Runs in the Python of tests/interop/venv.
"""

import pathlib
import socket
import struct
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[3]
sys.path.insert(0, str(ROOT / "tests/interop"))

from harness import node as nodes  # noqa: E402
from harness import processes, schema  # noqa: E402
from harness.cluster import Cluster  # noqa: E402

CONTROLLER, BROKER = 1, 11
LIFE_SECONDS = 6


def read_frame(source):
    def exactly(count):
        data = b""
        while len(data) < count:
            piece = source.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data
    return exactly(struct.unpack(">i", exactly(4))[0])


def body_of(frame):
    """The key, the version, and what is behind the header."""
    key, version, _, length = struct.unpack_from(">hhih", frame)
    message = next(one for one in schema.apis().values() if one.key == key)
    end = 10 + max(length, 0)
    return key, version, frame[end + (version in message.request.flexible):]


class Proxy:
    """Between the broker and the controller."""

    def __init__(self, port, to):
        self.to = to
        self.exchanges = []
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            client, _ = self.listener.accept()
            try:
                server = socket.create_connection(("127.0.0.1", self.to))
            except ConnectionRefusedError:  # it has not started yet
                client.close()
                continue
            asked = {}
            for source, sink, note in ((client, server, self._note_request),
                                       (server, client, self._note_answer)):
                threading.Thread(target=self._pass_on, args=(source, sink, note, asked),
                                 daemon=True).start()

    @staticmethod
    def _pass_on(source, sink, note, asked):
        try:
            while True:
                frame = read_frame(source)
                note(frame, asked)
                sink.sendall(struct.pack(">i", len(frame)) + frame)
        except (OSError, EOFError):
            sink.close()

    @staticmethod
    def _note_request(frame, asked):
        asked[struct.unpack_from(">i", frame, 4)[0]] = body_of(frame)

    def _note_answer(self, frame, asked):
        self.exchanges.append((*asked.pop(struct.unpack_from(">i", frame)[0]), frame[4:]))


def main(executable, folder):
    nodes.MillraceNode.executable = pathlib.Path(executable).resolve()
    port = processes.free_ports(1)[0]
    cluster = Cluster(folder, {CONTROLLER: ("apache", "controller"),
                               BROKER: ("millrace", "broker")})
    controller, broker = cluster.members[CONTROLLER], cluster.members[BROKER]
    controller.properties["advertised.listeners"] = f"CONTROLLER://127.0.0.1:{port}"
    broker.properties["controller.quorum.voters"] = f"{CONTROLLER}@127.0.0.1:{port}"
    proxy = Proxy(port, controller.controller_port)
    try:
        cluster.start()
        time.sleep(LIFE_SECONDS)
        broker.stop()
    finally:
        cluster.kill()
    lines = [f"port\t{port}"]
    for key, version, request, answer in proxy.exchanges:
        line = f"{key}\t{version}\t{request.hex()}\t{answer.hex()}"
        if line != lines[-1]:
            lines.append(line)
    (HERE / "exchange.tsv").write_text("".join(line + "\n" for line in lines))
    print(f"{len(lines) - 1} exchanges")


if __name__ == "__main__":
    main(*sys.argv[1:])
