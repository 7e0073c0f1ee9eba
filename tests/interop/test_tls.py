"""TLS: other people's clients on a node's listener of protocol SSL, our tools on Apache's, and what
becomes of certificates that are wrong, late or replaced."""

import re
import socket
import ssl
import subprocess
import threading

import pytest

from harness import certificates, node as nodes, processes, toolchains, wire
from harness.certificates import keystore, truststore
from harness.processes import wait_until
from harness.tools import CLASSES

SECONDS = 60
FORMATS = ["PEM", "PKCS12", "JKS"]


class Pki:
    """Who takes part: an authority and another one, a broker, clients."""

    def __init__(self, folder):
        self.folder = folder
        self.authority = certificates.Authority(folder / "ca", "Interop CA")
        self.other = certificates.Authority(folder / "other", "Other CA")
        self.broker = self.authority.issue("broker", "/O=Interop/CN=broker")
        self.client = self.authority.issue("client", "/O=Interop/CN=client")
        self.stranger = self.other.issue("stranger", "/O=Interop/CN=stranger")
        self.expired = self.authority.issue("expired", "/O=Interop/CN=broker", expired=True)


@pytest.fixture(scope="module")
def pki(folder):
    return Pki(folder / "pki")


def make_node(kind, folder, **properties):
    """A formatted node with a listener of protocol SSL beside the others."""
    made = nodes.KINDS[kind](folder)
    made.tls_port, = processes.free_ports(1)
    listeners = (f"PLAINTEXT://{made.bootstrap},SSL://localhost:{made.tls_port},"
                 f"CONTROLLER://127.0.0.1:{made.controller_port}")
    made.properties |= {
        "listeners": listeners, "advertised.listeners": listeners,
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL",
        **properties}
    made.tls_bootstrap = f"localhost:{made.tls_port}"
    return made


@pytest.fixture(scope="module")
def start_tls_node(folder):
    started = []

    def start(kind, name, **properties):
        made = make_node(kind, folder / f"tls-{name}-{kind}-{len(started)}", **properties)
        started.append(made)
        return made.format().start()

    yield start
    for one in started:
        one.kill()


@pytest.fixture(scope="module")
def tls_node(kind, start_tls_node, pki):
    """Wants a certificate of every client."""
    return start_tls_node(kind, "mutual", **keystore(pki.broker, "PEM"),
                          **truststore(pki.authority, "PEM"), **{"ssl.client.auth": "required"})


def properties_file(path, **properties):
    path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
    return path


def client_file(pki, kind, path, certificate=None, authority=None):
    keys = {"security.protocol": "SSL", **truststore(authority or pki.authority, kind)}
    if certificate:
        keys |= keystore(certificate, kind)
    return properties_file(path, **keys)


def run(command, stdin="", seconds=SECONDS):
    done = subprocess.run([str(word) for word in command], input=stdin, capture_output=True,
                          text=True, timeout=seconds, check=False)
    return done.returncode, done.stdout, done.stderr


def tool(maker, name):
    if maker == "millrace":
        return [nodes.MillraceNode.executable, name]
    return [*toolchains.java(), CLASSES[name]]


def kcat(pki, bootstrap, *more, certificate=None):
    command = [toolchains.need("kcat", "kcat"), "-b", bootstrap, "-X", "security.protocol=ssl",
               "-X", f"ssl.ca.location={pki.authority.pem}"]
    if certificate:
        command += ["-X", f"ssl.certificate.location={certificate.certificate}",
                    "-X", f"ssl.key.location={certificate.key}"]
    return [*command, *more]


def context(pki, certificate=None, version=None):
    made = ssl.create_default_context(cafile=pki.authority.pem)
    if certificate:
        made.load_cert_chain(certificate.pem)
    if version:
        made.minimum_version = made.maximum_version = version
    return made


def shown_serial(pki, node, certificate=None):
    """The serial number of the certificate that the node shows a new client."""
    with socket.create_connection(("localhost", node.tls_port), 10) as raw:
        with context(pki, certificate).wrap_socket(raw, server_hostname="localhost") as wrapped:
            return int(wrapped.getpeercert()["serialNumber"], 16)


def serial_of(certificate):
    _, out, _ = run(["openssl", "x509", "-in", certificate.certificate, "-noout", "-serial"])
    return int(out.strip().split("=")[1], 16)


def call_api_versions(stream):
    stream.sendall(wire.framed(wire.request("ApiVersions", 0, {}, correlation_id=77)))
    return stream.recv(1000)[4:8] == (77).to_bytes(4, "big")


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_each_version_of_tls_is_spoken(pki, tls_node, version):
    wanted = context(pki, pki.client, getattr(ssl.TLSVersion, version))
    with socket.create_connection(("localhost", tls_node.tls_port), 10) as raw:
        with wanted.wrap_socket(raw, server_hostname="localhost") as wrapped:
            assert wrapped.version() == version.replace("_", ".")
            assert call_api_versions(wrapped)


@pytest.mark.parametrize("maker", ["java", "millrace"])
@pytest.mark.parametrize("store", FORMATS)
def test_tools_and_console_clients(pki, tls_node, folder, maker, store):
    """Each maker's tools with stores of each format; the other side reads what was written."""
    config = client_file(pki, store, folder / f"client-{store}.properties", pki.client)
    topic = f"tls-{maker}-{store}"
    reach = ["--bootstrap-server", tls_node.tls_bootstrap]
    status, out, err = run([*tool(maker, "topics"), *reach, "--command-config", config,
                            "--create", "--topic", topic])
    assert status == 0, out + err
    lines = "".join(f"line {i} {'x' * (i % 1000)}\n" for i in range(5000))
    status, out, err = run([*tool(maker, "console-producer"), *reach, "--command-config", config,
                            "--topic", topic], stdin=lines)
    assert status == 0 and "ERROR" not in out + err, out + err
    status, out, err = run([*tool(maker, "console-consumer"), *reach, "--command-config", config,
                            "--topic", topic, "--from-beginning", "--max-messages", 5000])
    assert status == 0 and out == lines, err
    status, out, err = run(kcat(pki, tls_node.tls_bootstrap, "-C", "-t", topic, "-e", "-q",
                                certificate=pki.client))
    assert status == 0 and out == lines, err


def test_kcat_writes_what_plaintext_reads(pki, tls_node):
    lines = "".join(f"value {i} {'y' * 3000}\n" for i in range(2000))
    status, _, err = run(kcat(pki, tls_node.tls_bootstrap, "-P", "-t", "tls-kcat",
                              "-X", "acks=all", certificate=pki.client), stdin=lines)
    assert status == 0, err
    status, out, err = run([toolchains.need("kcat", "kcat"), "-b", tls_node.bootstrap, "-C", "-t",
                            "tls-kcat", "-e", "-q"])
    assert status == 0 and out == lines, err


@pytest.mark.parametrize("who", ["nobody", "stranger"])
def test_clients_that_are_not_known_are_refused(pki, tls_node, who):
    """TLS 1.3 tells a client after its side of the handshake, at its first read."""
    certificate = pki.stranger if who == "stranger" else None
    with socket.create_connection(("localhost", tls_node.tls_port), 10) as raw:
        with pytest.raises((ssl.SSLError, OSError)):
            with context(pki, certificate).wrap_socket(raw, server_hostname="localhost") as stream:
                if not call_api_versions(stream):
                    raise OSError("closed")


@pytest.mark.parametrize("maker", ["java", "millrace"])
def test_tools_say_why_a_handshake_failed(pki, tls_node, folder, maker):
    config = client_file(pki, "PEM", folder / f"other-{maker}.properties", pki.client,
                         authority=pki.other)
    status, out, err = run([*tool(maker, "topics"), "--bootstrap-server", tls_node.tls_bootstrap,
                            "--command-config", config, "--list"])
    assert status != 0
    assert re.search("SSL handshake failed|certificate is not accepted", out + err), out + err


def test_plaintext_on_the_listener_for_tls_is_closed(tls_node):
    with socket.create_connection(("localhost", tls_node.tls_port), 10) as raw:
        raw.sendall(wire.framed(wire.request("ApiVersions", 0, {}, correlation_id=77)))
        raw.settimeout(10)
        rest = b""
        try:
            while piece := raw.recv(1000):
                rest += piece
        except ConnectionResetError:
            pass
        assert not rest or rest[0] == 0x15  # an alert, at most


def test_tls_on_the_plaintext_listener_is_closed(pki, tls_node):
    with socket.create_connection(("localhost", tls_node.port), 10) as raw:
        with pytest.raises(OSError):
            context(pki).wrap_socket(raw, server_hostname="localhost")


def test_failures_are_counted(pki, start_tls_node, kind):
    if kind == "apache":
        pytest.skip("its metrics are in JMX")
    port, = processes.free_ports(1)
    node = start_tls_node(kind, "counted", **keystore(pki.broker, "PEM"),
                          **{"metrics.listeners": f"127.0.0.1:{port}"})
    test_plaintext_on_the_listener_for_tls_is_closed(node)
    shown_serial(pki, node)

    def counted():
        _, out, _ = run(["curl", "-s", f"http://127.0.0.1:{port}/metrics"])
        sums = {}
        for name, labels, value in re.findall(
                r"kafka_server_socket_server_metrics_(\w+)_authentication_total\{(.*?)\} (\S+)",
                out):
            if 'listener="SSL"' in labels:
                sums[name] = sums.get(name, 0) + float(value)
        return sums == {"failed": 1, "successful": 1}

    wait_until(counted, SECONDS, "one failed and one successful authentication")


def alter(node, tools, *configs):
    return tools.run("configs", "--bootstrap-server", node.bootstrap, "--alter", "--entity-type",
                     "brokers", "--entity-name", nodes.NODE_ID, "--add-config", ",".join(configs))


@pytest.mark.parametrize("store", FORMATS)
def test_renewed_certificates_are_taken_under_load(pki, start_tls_node, tools, kind, store):
    """Kafka's way: the file is written anew, and its location set to what it was."""
    broker = pki.authority.issue(f"renewed-{kind}-{store}", "/O=Interop/CN=renewed")
    node = start_tls_node(kind, "renew", **{
        f"listener.name.ssl.{key}": value
        for key, value in (keystore(broker, store) | truststore(pki.authority, store)).items()})
    first = serial_of(broker)
    assert shown_serial(pki, node) == first

    topic, stop = "renewed", threading.Event()
    producer = subprocess.Popen(
        [str(one) for one in kcat(pki, node.tls_bootstrap, "-P", "-t", topic, "-X", "acks=all")],
        stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    sent = 0

    def send():
        nonlocal sent
        while not stop.is_set():
            producer.stdin.write(f"{sent}\n")
            sent += 1
        producer.stdin.close()
    writer = threading.Thread(target=send)
    writer.start()
    try:
        location = f"listener.name.ssl.ssl.keystore.location={broker.store(store)}"
        pki.authority.issue(broker.key.stem, "/O=Interop/CN=renewed")
        done = alter(node, tools, location)
        assert done.status == 0, done.out + done.err
        wait_until(lambda: shown_serial(pki, node) == serial_of(broker) != first, SECONDS,
                   "the new certificate is shown")
        # What is no store is refused, and what was there stays.
        broken = pki.folder / f"broken-{kind}-{store}"
        broken.write_text("no store")
        done = alter(node, tools, f"listener.name.ssl.ssl.keystore.location={broken}")
        assert "error" in (done.out + done.err).lower()
        assert shown_serial(pki, node) == serial_of(broker)
        # Nor is a certificate of another name.
        renamed = pki.authority.issue(f"renamed-{kind}-{store}", "/O=Interop/CN=elsewhere")
        done = alter(node, tools,
                     f"listener.name.ssl.ssl.keystore.location={renamed.store(store)}")
        assert "error" in (done.out + done.err).lower()
        assert shown_serial(pki, node) == serial_of(broker)
    finally:
        stop.set()
        writer.join()
    assert producer.wait(SECONDS) == 0, producer.stderr.read()
    status, out, err = run(kcat(pki, node.tls_bootstrap, "-C", "-t", topic, "-e", "-q"))
    assert status == 0 and out == "".join(f"{i}\n" for i in range(sent)), err


def test_files_that_are_written_anew_are_taken_without_a_word(pki, start_tls_node, kind):
    if kind == "apache":
        pytest.skip("it looks at its files when its configs are altered")
    broker = pki.authority.issue("watched", "/O=Interop/CN=watched")
    node = start_tls_node(kind, "watched", **keystore(broker, "PKCS12"))
    assert shown_serial(pki, node) == serial_of(broker)
    pki.authority.issue("watched", "/O=Interop/CN=watched")
    wait_until(lambda: shown_serial(pki, node) == serial_of(broker), SECONDS,
               "the new certificate is shown")
    broker.p12.write_text("no store")
    wait_until(lambda: "watched.p12" in node.since_start(), SECONDS, "the refusal is logged")
    assert shown_serial(pki, node) == serial_of(broker)


STARTS = {
    "wrong password": lambda pki: {**keystore(pki.broker, "PKCS12"),
                                   "ssl.keystore.password": "wrong-secret"},
    "wrong password of a JKS store": lambda pki: {**keystore(pki.broker, "JKS"),
                                                  "ssl.keystore.password": "wrong-secret"},
    "missing file": lambda pki: {**keystore(pki.broker, "PKCS12"),
                                 "ssl.keystore.location": pki.folder / "missing.p12"},
    "not a store": lambda pki: {**keystore(pki.broker, "JKS"),
                                "ssl.keystore.location": pki.broker.pem},
    "wrong key password": lambda pki: {**keystore(pki.broker, "JKS"),
                                       "ssl.key.password": "wrong-secret"},
    "truststore with a wrong password": lambda pki: {
        **keystore(pki.broker, "PEM"), **truststore(pki.authority, "JKS"),
        "ssl.truststore.password": "wrong-secret"},
    "expired": lambda pki: keystore(pki.expired, "PEM"),
}


@pytest.mark.parametrize("case", list(STARTS))
def test_what_cannot_be_used_stops_the_start(pki, folder, kind, case):
    """With the file, and the reason, in the last words."""
    if kind == "apache" and case == "expired":
        pytest.skip("Apache starts, and every client fails")
    properties = STARTS[case](pki)
    node = make_node(kind, folder / f"start-{kind}-{case.replace(' ', '-')}", **properties)
    with pytest.raises(AssertionError) as failure:
        node.format().start()
    node.kill()
    assert "ended with" in str(failure.value)
    if kind == "apache":
        return
    key = "ssl.truststore.location" if "truststore" in case else "ssl.keystore.location"
    reason = {"missing file": "cannot be read", "not a store": "neither a JKS nor a PKCS12 store",
              "expired": "expired on"}.get(case, "password")
    last = node.since_start().strip().splitlines()[-1]
    assert f"{key}={properties[key]}" in last and reason in last, node.since_start()
