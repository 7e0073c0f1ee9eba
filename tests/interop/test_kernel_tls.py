"""TLS in the kernel: a node in a virtual machine whose kernel encrypts what it sends, and other
people's clients that read it from outside."""

import os
import re
import socket
import ssl
import subprocess

import pytest

from harness import certificates, guest, processes, toolchains, wire
from harness.certificates import keystore, truststore
from harness.processes import wait_until
from harness.tools import CLASSES

SECONDS = 90  # an emulated machine is ten times slower than its host
LISTENERS = {"TLSv1_3": 9093, "TLSv1_2": 9095}


@pytest.fixture(scope="module")
def authority(folder):
    return certificates.Authority(folder / "ca", "Interop CA")


@pytest.fixture(scope="module")
def issued(authority):
    return [authority.issue(name, "/O=Interop/CN=broker") for name in ("broker", "renewed")]


@pytest.fixture(scope="module")
def node(folder, authority, issued):
    """Has a listener for each version of TLS, and a second certificate at hand."""
    inside = [9092, *LISTENERS.values()]
    ports = dict(zip(inside, processes.free_ports(len(inside))))
    made = guest.GuestNode(folder / "guest", ports, [one.pem for one in issued])
    names = {9092: "PLAINTEXT", 9093: "SSL", 9095: "OLD"}
    made.properties |= {
        "log.dirs": "/node/data",
        "listeners": ",".join(f"{names[port]}://0.0.0.0:{port}" for port in inside)
                     + ",CONTROLLER://127.0.0.1:9094",
        "advertised.listeners": ",".join(f"{names[port]}://localhost:{ports[port]}"
                                         for port in inside),
        "controller.quorum.bootstrap.servers": "127.0.0.1:9094",
        "listener.security.protocol.map":
            "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,OLD:SSL",
        "listener.name.old.ssl.enabled.protocols": "TLSv1.2",
        **keystore(issued[0], "PEM"), "ssl.keystore.location": f"/node/{issued[0].pem.name}",
    }
    made.launch()
    try:
        yield made.wait_until_ready()
    finally:
        made.kill()


def run(command, stdin="", seconds=SECONDS):
    done = subprocess.run([str(word) for word in command], input=stdin, capture_output=True,
                          text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return done.stdout


def kcat(authority, node, port, *more):
    keys = ["-X", "security.protocol=ssl", "-X", f"ssl.ca.location={authority.pem}"]
    return [toolchains.need("kcat", "kcat"), "-b", f"localhost:{node.ports[port]}",
            *(keys if port != 9092 else []), *more]


def connect(authority, node, version):
    context = ssl.create_default_context(cafile=authority.pem)
    context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, version)
    raw = socket.create_connection(("localhost", node.ports[LISTENERS[version]]), SECONDS)
    return context.wrap_socket(raw, server_hostname="localhost", suppress_ragged_eofs=False)


def call_api_versions(stream):
    stream.sendall(wire.framed(wire.request("ApiVersions", 0, {}, correlation_id=77)))
    return stream.recv(1000)[4:8] == (77).to_bytes(4, "big")


@pytest.mark.parametrize("version", list(LISTENERS))
def test_what_is_read_is_encrypted_by_the_kernel(authority, node, version):
    """Records of a log, which go by sendfile, are read as they were written."""
    port = LISTENERS[version]
    before = node.tls_figures()["TlsTxSw"]
    lines = "".join(f"{i} {os.urandom(400).hex()}\n" for i in range(5000))
    run(kcat(authority, node, port, "-P", "-t", version), stdin=lines)
    assert run(kcat(authority, node, port, "-C", "-t", version, "-e", "-q")) == lines
    assert run(kcat(authority, node, 9092, "-C", "-t", version, "-e", "-q")) == lines
    wait_until(lambda: node.tls_figures()["TlsTxSw"] > before + 1, SECONDS,
               "connections are counted by the kernel")
    assert "the kernel encrypts what is sent" in node.since_start()


def test_java_reads_it(authority, node, folder):
    lines = "".join(f"line {i} {'x' * (i % 1000)}\n" for i in range(3000))
    run(kcat(authority, node, 9093, "-P", "-t", "java"), stdin=lines)
    config = folder / "java.properties"
    keys = {"security.protocol": "SSL", **truststore(authority, "PEM")}
    config.write_text("".join(f"{key}={value}\n" for key, value in keys.items()))
    assert run([*toolchains.java(), CLASSES["console-consumer"], "--bootstrap-server",
                f"localhost:{node.ports[9093]}", "--command-config", config, "--topic", "java",
                "--from-beginning", "--max-messages", "3000"]) == lines


@pytest.mark.parametrize("version", list(LISTENERS))
def test_the_end_is_told(authority, node, version):
    """A request of an unknown API ends the connection: by an alert, as records are."""
    with connect(authority, node, version) as stream:
        assert stream.version() == version.replace("_", ".")
        assert call_api_versions(stream)
        stream.sendall(wire.framed(bytes.fromhex("7fff00000000000000000000")))
        assert stream.recv(1000) == b""  # without an alert an SSLEOFError is raised


def test_certificates_are_renewed(authority, node, issued):
    def serial(stream):
        return int(stream.getpeercert()["serialNumber"], 16)

    with connect(authority, node, "TLSv1_3") as before:
        for listener in ("ssl", "old"):
            run([node.executable, "configs", "--bootstrap-server", f"localhost:{node.port}",
                 "--alter", "--entity-type", "brokers", "--entity-name", "1", "--add-config",
                 f"listener.name.{listener}.ssl.keystore.location=/node/{issued[1].pem.name}"])
        for version in LISTENERS:
            def is_renewed(version=version):
                with connect(authority, node, version) as stream:
                    return call_api_versions(stream) and serial(stream) != serial(before)
            wait_until(is_renewed, SECONDS, f"{version} has the new certificate")
        assert call_api_versions(before)


def test_no_connection_is_left_behind(node):
    def is_settled():
        figures = node.tls_figures()
        return figures["TlsCurrTxSw"] == 0 and figures["TlsTxSw"] > 0
    wait_until(is_settled, SECONDS, "all are closed")
    assert not re.search("Oops|BUG:|WARNING:", node.since_start())
