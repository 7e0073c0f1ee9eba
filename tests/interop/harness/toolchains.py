"""Installs what the suites need besides Python into a folder under build/.

Each function is called where its product is needed, does its work once, and raises Missing
with a reason where the machine lacks the language.
"""

import contextlib
import fcntl
import functools
import hashlib
import os
import pathlib
import re
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parents[1]
ROOT = HERE.parents[1]
CACHE = pathlib.Path(os.environ.get("MILLRACE_INTEROP_CACHE", ROOT / "build" / "interop"))
DRIVERS = HERE / "drivers"
INSTALL_SECONDS = 900
# Of a JVM that starts soon, and of the one that kafka-server-start.sh starts.
QUICK_JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")
DELIVERED_JVM = ("-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20",
                 "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent",
                 "-XX:MaxInlineLevel=15", "-Djava.awt.headless=true")


class Missing(Exception):
    """The machine lacks what a suite needs; the text says what."""


def need(program, package):
    """The path of a program of the machine."""
    found = shutil.which(program)
    if not found:
        raise Missing(f"no {program} on this machine (Debian: {package})")
    return found


@contextlib.contextmanager
def _made_once(name, *inputs):
    """Yields the folder `name`, and whether it has to be made from the input files."""
    folder = CACHE / name
    folder.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in inputs)).hexdigest()
    stamp = CACHE / (name + ".stamp")
    with open(CACHE / (name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stale = not stamp.exists() or stamp.read_text() != digest
        yield folder, stale
        if stale:
            stamp.write_text(digest)


def _run(arguments, **options):
    done = subprocess.run(
        [str(argument) for argument in arguments], capture_output=True, text=True,
        timeout=INSTALL_SECONDS, check=False, **options)
    if done.returncode:
        raise RuntimeError(
            f"{' '.join(map(str, arguments))} failed:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")


@functools.cache
def kafka_jars():
    """The folder with Apache Kafka's jars and all that they need."""
    need("java", "default-jre-headless")
    maven = need("mvn", "maven")
    pom = DRIVERS / "java" / "pom.xml"
    with _made_once("jars", pom) as (folder, stale):
        if stale:
            shutil.rmtree(folder)
            _run([maven, "-q", "-B", "-ntp", "-f", pom, "dependency:copy-dependencies",
                  "-DincludeScope=runtime", f"-DoutputDirectory={folder}"])
    return folder


@functools.cache
def kafka_test_jars():
    """The folder with Apache Kafka's jars of tests, which have a store for tiered storage."""
    maven = need("mvn", "maven")
    pom = DRIVERS / "java" / "tiered.xml"
    with _made_once("test-jars", pom) as (folder, stale):
        if stale:
            _run([maven, "-q", "-B", "-ntp", "-f", pom, "dependency:copy-dependencies",
                  "-DexcludeTransitive=true", f"-DoutputDirectory={folder}"])
    return folder


@functools.cache
def java_classes():
    """The folder with the compiled programs of drivers/java."""
    compiler = need("javac", "default-jdk-headless")
    sources = sorted((DRIVERS / "java").glob("*.java"))
    jars = kafka_jars()
    with _made_once("classes", *sources) as (folder, stale):
        if stale:
            _run([compiler, "-nowarn", "-cp", f"{jars}/*", "-d", folder, *sources])
    return folder


def java(heap="256m", jvm=QUICK_JVM):
    """The start of a command line that runs a class of Apache's, or of drivers/java."""
    path = f"{java_classes()}:{kafka_jars()}/*"
    return [need("java", "default-jre-headless"), f"-Xmx{heap}", *jvm, "-Dfile.encoding=UTF-8",
            f"-Dlog4j2.configurationFile={DRIVERS / 'java' / 'log4j2.xml'}", "-cp", path]


def _need_go(compiler, source):
    wanted = re.search(r"^go (\d+)\.(\d+)", (source / "go.mod").read_text(), re.M)
    version = subprocess.check_output([compiler, "env", "GOVERSION"], text=True)
    have = re.match(r"go(\d+)\.(\d+)", version)
    if not have or tuple(map(int, have.groups())) < tuple(map(int, wanted.groups())):
        raise Missing(f"{version.strip()} is older than the {wanted[0]} of {source.name}/go.mod")


@functools.cache
def go_driver():
    """The Go driver, compiled."""
    compiler = need("go", "golang-go")
    source = DRIVERS / "go"
    inputs = [source / "main.go", source / "go.mod", source / "go.sum"]
    _need_go(compiler, source)
    with _made_once("go", *inputs) as (folder, stale):
        if stale:
            _run([compiler, "build", "-o", folder / "driver", "."], cwd=source)
    return [folder / "driver"]


@functools.cache
def s3_server():
    """versitygw, an S3 server on a folder, compiled."""
    compiler = need("go", "golang-go")
    source = DRIVERS / "s3"
    inputs = [source / "go.mod", source / "go.sum"]
    _need_go(compiler, source)
    with _made_once("s3", *inputs) as (folder, stale):
        if stale:
            _run([compiler, "build", "-o", folder / "versitygw",
                  "github.com/versity/versitygw/cmd/versitygw"], cwd=source)
    return [folder / "versitygw"]


@functools.cache
def javascript_driver():
    """The command that runs the JavaScript driver, with its packages beside it."""
    node, npm = need("node", "nodejs"), need("npm", "npm")
    source = DRIVERS / "javascript"
    inputs = [source / "package.json", source / "driver.js"]
    with _made_once("javascript", *inputs) as (folder, stale):
        if stale:
            for path in inputs:
                shutil.copy(path, folder)
            _run([npm, "install", "--no-audit", "--no-fund", "--no-package-lock", "--silent"],
                 cwd=folder)
    return [node, folder / "driver.js"]


@functools.cache
def rust_driver():
    """The Rust driver, compiled."""
    cargo = need("cargo", "cargo")
    source = DRIVERS / "rust"
    inputs = [source / "Cargo.toml", source / "src" / "main.rs"]
    with _made_once("rust", *inputs) as (folder, stale):
        if stale:
            shutil.copytree(source, folder / "source", dirs_exist_ok=True)
            _run([cargo, "build", "--quiet", "--jobs", "2",
                  "--manifest-path", folder / "source" / "Cargo.toml",
                  "--target-dir", folder / "target"])
    return [folder / "target" / "debug" / "interop-driver"]
