"""A real S3 server, versitygw on a folder, which checks every signature; and a proxy before it that
refuses, delays and cuts."""

import contextlib
import http.client
import os
import pathlib
import re
import socket
import subprocess
import threading

from harness import processes, toolchains

ACCESS_KEY = "AKINTEROP"
SECRET_KEY = "interop/secret+key"
REGION = "eu-central-1"
BUCKET = "segments"
START_SECONDS = 30


class Server:
    """The server with its data in `folder`; the bucket BUCKET is there once it was started."""

    def __init__(self, folder, tls=False, domain=None):
        self.folder = pathlib.Path(folder)
        self.data = self.folder / "data"
        self.sidecar = self.folder / "sidecar"  # metadata; not every file system has attributes
        (self.data / BUCKET).mkdir(parents=True, exist_ok=True)
        self.sidecar.mkdir(exist_ok=True)
        self.port = processes.free_ports(1)[0]
        self.certificate = self._make_certificate() if tls else None
        self.domain = domain  # whose subdomains are buckets
        self.process = None

    @property
    def endpoint(self):
        return f"{'https' if self.certificate else 'http'}://127.0.0.1:{self.port}"

    def settings(self, **others):
        """A node's properties for this store; others: more of them, without rsm.config."""
        own = {
            "s3.bucket.name": BUCKET, "s3.region": REGION, "s3.endpoint.url": self.endpoint,
            "aws.access.key.id": ACCESS_KEY, "aws.secret.access.key": SECRET_KEY,
        }
        if self.certificate:
            own["s3.ca.file"] = self.certificate
        own |= {key.replace("__", "."): value for key, value in others.items()}
        return {"remote.log.storage.manager.class.name": "s3",
                **{f"rsm.config.{key}": value for key, value in own.items() if value is not None}}

    def _make_certificate(self):
        certificate = self.folder / "server.crt"
        if not certificate.exists():
            subprocess.run(
                [toolchains.need("openssl", "openssl"), "req", "-x509", "-newkey", "rsa:2048",
                 "-nodes", "-days", "2", "-subj", "/CN=interop", "-addext",
                 "subjectAltName=IP:127.0.0.1", "-keyout", self.folder / "server.key",
                 "-out", certificate], check=True, capture_output=True)
        return certificate

    def start(self):
        command = [*toolchains.s3_server(), "--port", f"127.0.0.1:{self.port}",
                   "--region", REGION, "--keep-alive"]
        if self.domain:
            command += ["--virtual-domain", self.domain]
        if self.certificate:
            command += ["--cert", self.certificate, "--key", self.folder / "server.key"]
        self.process = processes.Process(
            [*command, "posix", "--sidecar", self.sidecar, self.data],
            self.folder / "server.log",
            env={**os.environ, "ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY})
        processes.wait_until(self._listens, START_SECONDS, lambda: f"S3:\n{self.process.tail()}")
        return self

    def _listens(self):
        assert self.process.alive(), f"the S3 server ended:\n{self.process.tail()}"
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
            return True
        return False

    def kill(self):
        if self.process:
            self.process.kill()

    def objects(self):
        """The sizes of the bucket's objects, by key; uploads under way are not among them."""
        bucket = self.data / BUCKET
        return {str(path.relative_to(bucket)): path.stat().st_size
                for path in sorted(bucket.rglob("*"))
                if path.is_file() and not str(path.relative_to(bucket)).startswith(".sgwtmp")}

    def uploads(self):
        """How many multipart uploads are neither completed nor aborted."""
        multipart = self.data / BUCKET / ".sgwtmp" / "multipart"
        return sum(1 for path in multipart.glob("*/*") if path.is_dir())

    def requests(self):
        """(method, path with query, status) of each request that was answered."""
        text = (self.folder / "server.log").read_text(errors="replace")
        found = re.findall(
            r"\| vgw \| (\d+) \|[^|]*\|[^|]*\| (\w+) \| (\S+) \| [^|]*\| ?(\S*)", text)
        return [(method, path + (f"?{query}" if query else ""), int(status))
                for status, method, path, query in found]


class Proxy:
    """Passes requests on to a server, but for those that `fault(number, method, path)` has a
    word for.

    An int is answered as that status; ("cut", N) closes the connection after N bytes of the body
    came; ("lost", 0) passes it on and closes the connection in place of the answer; ("flip", N)
    changes byte N of the body on its way; ("wait", N) keeps it waiting for N seconds.
    """

    def __init__(self, server, fault):
        self.server = server
        self.fault = fault
        self.seen = []
        self.connections = 0
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def close(self):
        self.closing.set()
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client, client.makefile("rb") as incoming:
            # The server may be down, and the client may have gone: both are what tests want.
            with contextlib.suppress(OSError, http.client.HTTPException):
                while self._one(client, incoming):
                    pass

    def _one(self, client, incoming):
        """Whether the connection is kept."""
        line = incoming.readline().decode()
        if not line:
            return False
        method, path, _ = line.split(" ", 2)
        headers = http.client.parse_headers(incoming)
        with self.lock:
            self.seen.append((method, path))
            word = self.fault(len(self.seen) - 1, method, path)
        if headers.get("Expect") and not isinstance(word, int):
            client.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        if isinstance(word, int):
            client.sendall(f"HTTP/1.1 {word} No\r\nContent-Length: 0\r\n"
                           "Connection: close\r\n\r\n".encode())
            return False
        size = int(headers.get("Content-Length", 0))
        if word and word[0] == "cut":
            incoming.read(min(size, word[1]))
            return False
        if word and word[0] == "wait" and self.closing.wait(word[1]):
            return False
        body = bytearray(incoming.read(size))
        if word and word[0] == "flip":
            body[word[1]] ^= 1
        answer = self._pass_on(method, path, headers, bytes(body))
        if word and word[0] == "lost":
            return False
        client.sendall(answer)
        return True

    def _pass_on(self, method, path, headers, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=60)
        with contextlib.closing(connection):
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                if name.lower() != "expect":
                    connection.putheader(name, value)
            connection.endheaders(body)
            response = connection.getresponse()
            content = response.read()
            head = f"HTTP/1.1 {response.status} {response.reason}\r\n"
            for name, value in response.getheaders():
                if name.lower() not in ("connection", "transfer-encoding", "content-length"):
                    head += f"{name}: {value}\r\n"
            length = len(content) if method != "HEAD" else response.getheader("Content-Length", 0)
            return f"{head}Content-Length: {length}\r\n\r\n".encode() + content
