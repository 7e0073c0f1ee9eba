"""The S3 store of tiered storage against a real S3 server that checks signatures: what a store
promises, wrong settings, and a server or a network that fails in the middle."""

import os
import random
import shutil
import subprocess

import pytest

from harness import s3
from harness.node import MillraceNode

PART = 5 << 20  # the least that S3 takes
ATTEMPTS = 5
SECONDS = 120
SEED = int(os.environ.get("MILLRACE_INTEROP_SEED", "7"))


@pytest.fixture(scope="module")
def server(folder):
    started = s3.Server(folder / "s3").start()
    yield started
    started.kill()


@pytest.fixture
def fresh_server(folder, request):
    started = s3.Server(folder / request.node.name).start()
    yield started
    started.kill()


@pytest.fixture
def proxy_of():
    """proxy_of(server, fault): a proxy before the server; all are closed at the end."""
    made = []

    def start(*arguments):
        made.append(s3.Proxy(*arguments))
        return made[-1]

    yield start
    for one in made:
        one.close()


class Store:
    """The store of a node with these properties; each call is a process."""

    def __init__(self, folder, properties, environment=None):
        self.folder = folder
        self.file = folder / "store.properties"
        self.file.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        kept = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
        self.environment = {**kept, "HOME": str(folder), **(environment or {})}

    def begin(self, *words):
        tool = MillraceNode.executable.parent / "tests" / "interop" / "object_store_tool"
        return subprocess.Popen([tool, self.file, *map(str, words)], env=self.environment,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def call(self, *words):
        with self.begin(*words) as running:
            try:
                out, err = running.communicate(timeout=SECONDS)
            except subprocess.TimeoutExpired:
                running.kill()
                raise
        return subprocess.CompletedProcess(running.args, running.returncode, out, err)

    def ok(self, *words):
        done = self.call(*words)
        assert done.returncode == 0, done.stdout[-3000:].decode() + done.stderr.decode()
        return done.stdout

    def error(self, *words):
        done = self.call(*words)
        assert done.returncode == 1, done.stdout[-300:]
        text = done.stderr.decode().strip()
        assert s3.SECRET_KEY not in text
        return text

    def put(self, key, content):
        path = self.folder / "content"
        path.write_bytes(content)
        return self.call("put", key, path)

    def whole(self, key):
        return self.ok("get", key, 0, 1 << 40)

    def keys(self, prefix=""):
        return self.ok("list", prefix).decode().split()


def content(size):
    return random.Random(SEED + size).randbytes(size)


def first(count, word):
    """A fault for the first `count` requests."""
    return lambda number, method, path: word if number < count else None


def test_promises(server, tmp_path):
    store = Store(tmp_path, server.settings())
    store.ok("promises", SEED)
    assert server.objects() == {}


def test_promises_below_a_prefix(server, tmp_path):
    others = Store(tmp_path, server.settings())
    assert others.put("kafka/onetwo/x", b"x").returncode == 0
    store = Store(tmp_path, server.settings(key__prefix="kafka/one"))
    store.ok("promises", SEED)
    assert store.put("t/a", b"x").returncode == 0
    assert server.objects() == {"kafka/one/t/a": 1, "kafka/onetwo/x": 1}
    store.ok("remove", "t/a")
    Store(tmp_path, server.settings()).ok("remove", "kafka/onetwo/x")


def test_promises_over_tls(folder, tmp_path):
    secure = s3.Server(folder / "s3-tls", tls=True).start()
    try:
        store = Store(tmp_path, secure.settings())
        store.ok("promises", SEED)
        whole = content(2 * PART + 1)
        assert store.put("t/big", whole).returncode == 0
        assert store.whole("t/big") == whole
        error = Store(tmp_path, secure.settings(s3__ca__file=None)).error("list")
        assert "certificate" in error and "at attempt 1" in error
    finally:
        secure.kill()


def test_promises_with_the_bucket_in_the_host(folder, tmp_path, proxy_of):
    """*.localhost is this machine by itself."""
    virtual = s3.Server(folder / "s3-virtual", domain="localhost").start()
    try:
        proxy = proxy_of(virtual, lambda number, method, path: None)
        store = Store(tmp_path, virtual.settings(
            s3__endpoint__url=f"http://localhost:{proxy.port}",
            s3__path__style__access__enabled="false"))
        store.ok("promises", SEED)
        assert not any(s3.BUCKET in path for _, path in proxy.seen)
    finally:
        virtual.kill()


def test_connections_are_kept(server, tmp_path, proxy_of):
    proxy = proxy_of(server, lambda number, method, path: None)
    Store(tmp_path, server.settings(s3__endpoint__url=proxy.endpoint)).ok("promises", SEED)
    assert len(proxy.seen) > 50 and proxy.connections == 1


def test_many_threads_at_once(server, tmp_path):
    store = Store(tmp_path, server.settings(s3__multipart__upload__part__size=PART))
    store.ok("threads", SEED)
    assert store.keys("threads-") == [] and server.uploads() == 0


@pytest.mark.parametrize("size", [0, 1, PART, PART + 1, 3 * PART])
def test_sizes(server, tmp_path, size):
    store = Store(tmp_path, server.settings(s3__multipart__upload__part__size=PART))
    whole = content(size)
    before = len(server.requests())
    done = store.put("t/a", whole)
    assert done.returncode == 0, done.stderr
    parts = sum("partNumber=" in path for _, path, _ in server.requests()[before:])
    assert parts == (0 if size <= PART else -(-size // PART))
    assert store.whole("t/a") == whole
    assert server.uploads() == 0
    store.ok("remove", "t/a")


def test_a_listing_of_several_pages(server, tmp_path):
    store = Store(tmp_path, server.settings())
    wanted = [f"many/{number:04}" for number in range(2_100)]
    (server.data / s3.BUCKET / "many").mkdir()
    for key in wanted:
        (server.data / s3.BUCKET / key).write_bytes(b"")
    assert store.keys("many/") == wanted
    assert sum("continuation-token=" in path for _, path, _ in server.requests()) == 2
    assert store.keys("many/20") == wanted[2_000:]
    shutil.rmtree(server.data / s3.BUCKET / "many")


@pytest.mark.parametrize("setting, value, said, advice", [
    ("aws.secret.access.key", "wrong", "HTTP 403 SignatureDoesNotMatch",
     "correct aws.secret.access.key"),
    # This server's word for S3's InvalidAccessKeyId.
    ("aws.access.key.id", "WRONG", "HTTP 404 XAdminUserNotFound", "check the settings"),
    ("s3.bucket.name", "none", "HTTP 404 NoSuchBucket", "create the bucket"),
    ("s3.region", "us-west-9", "HTTP 400 AuthorizationHeaderMalformed", "correct s3.region"),
])
def test_wrong_settings_are_named(server, tmp_path, setting, value, said, advice):
    store = Store(tmp_path, server.settings(**{setting: value}))
    (tmp_path / "content").write_bytes(content(PART + 1))
    for words in [("list",), ("get", "t/a", 0, 1), ("remove", "t/a"),
                  ("put", "t/a", tmp_path / "content")]:
        error = store.error(*words)
        # A server that refuses before it has read all may close under the first attempt.
        attempts = ("at attempt 1", "at attempt 2") if words[0] == "put" else ("at attempt 1",)
        assert said in error and advice in error, error
        assert any(attempt in error for attempt in attempts), error
        if setting != "s3.bucket.name":
            assert s3.BUCKET in error


def test_credentials_of_the_environment_and_of_a_file(server, tmp_path):
    bare = server.settings(aws__access__key__id=None, aws__secret__access__key=None)
    keys = {"AWS_ACCESS_KEY_ID": s3.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": s3.SECRET_KEY}
    Store(tmp_path, bare, keys).ok("list")
    store = Store(tmp_path, bare)
    assert f"{tmp_path}/.aws/credentials" in store.error("list")
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        f"[default]\naws_access_key_id = {s3.ACCESS_KEY}\naws_secret_access_key = wrong\n"
        f"[tier]\naws_access_key_id = {s3.ACCESS_KEY}\naws_secret_access_key = {s3.SECRET_KEY}\n")
    assert "SignatureDoesNotMatch" in store.error("list")
    Store(tmp_path, bare | {"rsm.config.aws.profile": "tier"}).ok("list")


def test_nobody_listens(server, tmp_path):
    port = s3.processes.free_ports(1)[0]
    store = Store(tmp_path, server.settings(s3__endpoint__url=f"http://127.0.0.1:{port}"))
    error = store.error("list")
    assert f"at attempt {ATTEMPTS}" in error and "check s3.endpoint.url" in error, error


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_that_is_busy_for_a_while(server, tmp_path, proxy_of, status):
    for words in [("list",), ("get", "t/a", 0, 10), ("put", "t/a", tmp_path / "content"),
                  ("remove", "t/a")]:
        (tmp_path / "content").write_bytes(b"x")
        Store(tmp_path, server.settings()).ok("put", "t/a", tmp_path / "content")
        proxy = proxy_of(server, first(2, status))
        Store(tmp_path, server.settings(s3__endpoint__url=proxy.endpoint)).ok(*words)
        assert len(proxy.seen) == 3


def test_a_server_that_stays_busy(server, tmp_path, proxy_of):
    proxy = proxy_of(server, lambda number, method, path: 503)
    store = Store(tmp_path, server.settings(s3__endpoint__url=proxy.endpoint))
    error = store.error("get", "t/a", 0, 1)
    assert "HTTP 503" in error and f"at attempt {ATTEMPTS}" in error
    assert len(proxy.seen) == ATTEMPTS


def test_what_will_not_pass_is_not_tried_again(server, tmp_path, proxy_of):
    proxy = proxy_of(server, lambda number, method, path: 403)
    store = Store(tmp_path, server.settings(s3__endpoint__url=proxy.endpoint))
    assert "HTTP 403" in store.error("list")
    assert len(proxy.seen) == 1


@pytest.mark.parametrize("fault, step", [
    (fault, step) for fault in [("lost", 0), ("cut", 0), ("cut", 1 << 20), ("flip", 77)]
    for step in range(fault[0] == "flip", 5)])  # the first request has no body to flip a bit of
def test_an_upload_of_which_one_request_goes_wrong(server, tmp_path, proxy_of, fault, step):
    """Begin, three parts, completion: each goes wrong once."""
    proxy = proxy_of(server, lambda number, method, path: fault if number == step else None)
    store = Store(tmp_path, server.settings(
        s3__endpoint__url=proxy.endpoint, s3__multipart__upload__part__size=PART))
    whole = content(2 * PART + 12345)
    done = store.put("t/a", whole)
    assert done.returncode == 0, done.stderr
    assert store.whole("t/a") == whole
    store.ok("remove", "t/a")
    # Of a beginning whose answer was lost nobody knows: that is for the bucket's rule.
    assert server.uploads() == (1 if fault[0] == "lost" and step == 0 else 0)
    _abort_all(server)


def _abort_all(server):
    for path in (server.data / s3.BUCKET / ".sgwtmp" / "multipart").glob("*/*"):
        shutil.rmtree(path)


def test_a_garbled_body_is_refused(server, tmp_path, proxy_of):
    proxy = proxy_of(server, lambda number, method, path: ("flip", 3) if method == "PUT" else None)
    store = Store(tmp_path, server.settings(s3__endpoint__url=proxy.endpoint))
    done = store.put("t/garbled", b"0123456789")
    assert done.returncode == 1 and b"HTTP 400" in done.stderr, done.stderr
    assert len(proxy.seen) == ATTEMPTS
    assert store.keys("t/garbled") == []


def test_a_failed_upload_is_aborted(server, tmp_path, proxy_of):
    proxy = proxy_of(server,
                     lambda number, method, path: 403 if "partNumber=3" in path else None)
    store = Store(tmp_path, server.settings(
        s3__endpoint__url=proxy.endpoint, s3__multipart__upload__part__size=PART))
    done = store.put("t/aborted", content(3 * PART))
    assert done.returncode == 1 and b"part 3 of the object t/aborted" in done.stderr
    assert proxy.seen[-1][0] == "DELETE"
    assert server.uploads() == 0
    assert store.keys("t/aborted") == []


def test_an_answer_that_does_not_come(server, tmp_path, proxy_of):
    proxy = proxy_of(server, first(1, ("wait", 30)))
    store = Store(tmp_path, server.settings(
        s3__endpoint__url=proxy.endpoint, s3__api__call__attempt__timeout=1000))
    store.ok("list")
    assert len(proxy.seen) == 2


def test_a_node_that_stops_in_the_middle_of_an_upload(server, tmp_path, proxy_of):
    def fault(number, method, path):
        if "partNumber=2" not in path:
            return None
        running.terminate()
        return ("wait", SECONDS)

    proxy = proxy_of(server, fault)
    store = Store(tmp_path, server.settings(
        s3__endpoint__url=proxy.endpoint, s3__multipart__upload__part__size=PART))
    (tmp_path / "content").write_bytes(content(3 * PART))
    running = store.begin("put", "t/stopped", tmp_path / "content")
    _, error = running.communicate(timeout=20)
    assert running.returncode == 1 and b"the node stops" in error, error
    assert proxy.seen[-1][0] == "DELETE"
    assert server.uploads() == 0


def test_a_server_that_is_killed_in_the_middle_of_an_upload(fresh_server, tmp_path, proxy_of):
    def fault(number, method, path):
        if "partNumber=2" in path:
            fresh_server.kill()
        return None

    proxy = proxy_of(fresh_server, fault)
    store = Store(tmp_path, fresh_server.settings(
        s3__endpoint__url=proxy.endpoint, s3__multipart__upload__part__size=PART))
    whole = content(3 * PART)
    done = store.put("t/killed", whole)
    assert done.returncode == 1, done.stdout
    assert b"part 2 of the object t/killed" in done.stderr
    assert b"check s3.endpoint.url" in done.stderr
    assert fresh_server.objects() == {}

    fresh_server.start()
    again = Store(tmp_path, fresh_server.settings(s3__multipart__upload__part__size=PART))
    assert again.keys() == []
    assert again.put("t/killed", whole).returncode == 0
    assert again.whole("t/killed") == whole
