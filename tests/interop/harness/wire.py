"""A connection that sends raw requests, and reads what comes back."""

import itertools
import socket
import struct
import time

from harness import codec, schema

CLIENT_ID = "interop"
API_VERSIONS = 18


class Closed(Exception):
    """The node closed the connection."""


def header(api, version, correlation_id, client_id=CLIENT_ID):
    """The bytes of a request header; api is a number, or a name of the schema."""
    key, flexible = api, False
    if isinstance(api, str):
        message = schema.apis()[api]
        key, flexible = message.key, version in message.request.flexible
    data = struct.pack(">hhi", key, version, correlation_id)
    if client_id is None:
        data += struct.pack(">h", -1)
    else:
        encoded = client_id.encode()
        data += struct.pack(">h", len(encoded)) + encoded
    return data + (b"\0" if flexible else b"")


def request(api, version, fields, correlation_id=1, client_id=CLIENT_ID):
    """A whole request without its size."""
    body = codec.encode(schema.apis()[api].request, version, fields)
    return header(api, version, correlation_id, client_id) + body


def framed(data):
    return struct.pack(">i", len(data)) + data


class Connection:
    """One TCP connection; not to be shared by threads."""

    def __init__(self, port, host="127.0.0.1", timeout=30, client_id=CLIENT_ID):
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ids = itertools.count(1)
        self.timeout = timeout
        self.client_id = client_id

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send_bytes(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as gone:
            raise Closed from gone

    def send(self, api, version, fields):
        """Sends a request; its correlation id."""
        correlation_id = next(self.ids)
        self.send_bytes(framed(request(
            api, version, fields, correlation_id, self.client_id)))
        return correlation_id

    def _take(self, count, deadline):
        data = bytearray()
        while len(data) < count:
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                piece = self.socket.recv(min(count - len(data), 1 << 20))
            except ConnectionResetError as reset:
                raise Closed from reset
            if not piece:
                raise Closed
            data += piece
        return bytes(data)

    def frame(self, timeout=None):
        """The next response without its size; TimeoutError when none comes."""
        deadline = time.monotonic() + (timeout or self.timeout)
        (size,) = struct.unpack(">i", self._take(4, deadline))
        return self._take(size, deadline)

    def receive(self, api, version, correlation_id, timeout=None):
        """The decoded body of the response to a request."""
        message = schema.apis()[api]
        reader = codec.Reader(self.frame(timeout))
        got = reader.fixed("int32")
        if got != correlation_id:
            raise codec.Malformed(f"correlation id {got}, not {correlation_id}")
        if version in message.response.flexible and message.key != API_VERSIONS:
            if reader.uvarint():
                raise codec.Malformed("a tag in the response header")
        return codec.decode(message.response, version, reader.data[reader.position:])

    def call(self, api, version, fields=None, timeout=None):
        """Sends a request and reads its response."""
        return self.receive(api, version, self.send(api, version, fields or {}), timeout)


def api_versions(connection):
    """Name -> (first, last) of what the node advertises."""
    names = {message.key: name for name, message in schema.apis().items()}
    answer = connection.call("ApiVersions", 3, {
        "ClientSoftwareName": "interop", "ClientSoftwareVersion": "1"})
    return {
        names[api["ApiKey"]]: (api["MinVersion"], api["MaxVersion"]) for api in answer["ApiKeys"]
    }
