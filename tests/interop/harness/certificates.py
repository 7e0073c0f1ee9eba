"""Authorities and certificates, made by openssl, in the stores that Kafka takes."""

import itertools
import pathlib
import subprocess

from harness import toolchains

PASSWORD = "store-secret"
_serials = itertools.count(1000)


def _run(*arguments):
    done = subprocess.run([str(one) for one in arguments], capture_output=True, text=True,
                          check=False, timeout=60)
    assert done.returncode == 0, f"{arguments}: {done.stderr}"


class Certificate:
    """A private key and its certificate with that of its authority, in each format."""

    def __init__(self, stem):
        self.key = pathlib.Path(f"{stem}.key")
        self.certificate = pathlib.Path(f"{stem}.crt")
        self.pem = pathlib.Path(f"{stem}.pem")  # key, certificate, authority
        self.p12 = pathlib.Path(f"{stem}.p12")
        self.jks = pathlib.Path(f"{stem}.jks")

    def store(self, kind):
        return {"PEM": self.pem, "PKCS12": self.p12, "JKS": self.jks}[kind]


class Authority:
    """Signs certificates; its own is in `pem`, `p12` and `jks`."""

    def __init__(self, folder, name):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.key = self.folder / "ca.key"
        self.pem, self.jks = self.folder / "ca.pem", self.folder / "ca.jks"
        self.p12 = self.folder / "ca.p12"
        _run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", self.key, "-out", self.pem, "-days", "30",
             "-subj", f"/CN={name}")
        for path, kind in ((self.jks, "JKS"), (self.p12, "PKCS12")):
            _run(toolchains.need("keytool", "default-jre-headless"), "-importcert", "-noprompt",
                 "-alias", "ca", "-file", self.pem, "-keystore", path, "-storetype", kind,
                 "-storepass", PASSWORD)

    def truststore(self, kind):
        return {"PEM": self.pem, "PKCS12": self.p12, "JKS": self.jks}[kind]

    def issue(self, name, subject, hosts="DNS:localhost,IP:127.0.0.1", expired=False):
        """A new key with its certificate, in all formats; the same name again replaces them."""
        made = Certificate(self.folder / name)
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extensions.write_text(f"basicConstraints=CA:FALSE\nsubjectAltName={hosts}\n")
        _run("openssl", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", made.key,
             "-out", request, "-subj", subject)
        # "-days -1" ends a day before it begins.
        _run("openssl", "x509", "-req", "-in", request, "-CA", self.pem, "-CAkey", self.key,
             "-set_serial", next(_serials), "-days", -1 if expired else 30, "-extfile", extensions,
             "-out", made.certificate)
        made.pem.write_text("".join(
            path.read_text() for path in (made.key, made.certificate, self.pem)))
        made.p12.unlink(missing_ok=True)
        _run("openssl", "pkcs12", "-export", "-in", made.certificate, "-inkey", made.key,
             "-certfile", self.pem, "-name", "own", "-passout", f"pass:{PASSWORD}",
             "-out", made.p12)
        made.jks.unlink(missing_ok=True)
        _run("keytool", "-importkeystore", "-noprompt", "-srckeystore", made.p12,
             "-srcstorepass", PASSWORD, "-destkeystore", made.jks, "-deststoretype", "JKS",
             "-deststorepass", PASSWORD, "-destkeypass", PASSWORD)
        return made


def keystore(certificate, kind):
    """ssl.* keys that show this certificate."""
    keys = {"ssl.keystore.type": kind, "ssl.keystore.location": certificate.store(kind)}
    if kind != "PEM":
        keys |= {"ssl.keystore.password": PASSWORD, "ssl.key.password": PASSWORD}
    return keys


def truststore(authority, kind):
    """ssl.* keys that trust this authority."""
    keys = {"ssl.truststore.type": kind, "ssl.truststore.location": authority.truststore(kind)}
    return keys if kind == "PEM" else {**keys, "ssl.truststore.password": PASSWORD}
