"""Options, and the nodes that suites share."""

import itertools
import os
import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from harness import node as nodes  # noqa: E402
from harness import toolchains  # noqa: E402
from harness.cluster import Cluster  # noqa: E402
from harness.tools import Tools  # noqa: E402

CLUSTERS = itertools.count(1)


def pytest_addoption(parser):
    group = parser.getgroup("interop")
    group.addoption("--broker", choices=["apache", "millrace", "both"],
                    default=os.environ.get("MILLRACE_INTEROP_BROKER", "millrace"),
                    help="the node under test")
    group.addoption("--millrace", type=pathlib.Path, help="the executable to test")
    group.addoption("--full", action="store_true", help="the whole matrices")
    group.addoption("--kills", type=int, help="how often the crash suite kills the node")
    group.addoption("--megabytes", type=int, help="size of the real input")
    group.addoption("--record", action="store_true",
                    help="write expected/ anew from Apache's answers")
    group.addoption("--keep", action="store_true", help="keep the nodes' folders")


def pytest_configure(config):
    if config.getoption("--millrace"):
        start = pathlib.Path(os.environ.get("OLDPWD", "."))  # `run` has changed the folder
        nodes.MillraceNode.executable = (start / config.getoption("--millrace")).resolve()


def kinds_under_test(config):
    chosen = config.getoption("--broker")
    return ["apache", "millrace"] if chosen == "both" else [chosen]


def pytest_generate_tests(metafunc):
    if "kind" in metafunc.fixturenames:
        metafunc.parametrize("kind", kinds_under_test(metafunc.config), scope="session")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_call(item):
    """A toolchain that the machine lacks is a skip with its reason."""
    outcome = yield
    if outcome.excinfo and isinstance(outcome.excinfo[1], toolchains.Missing):
        outcome.force_exception(pytest.skip.Exception(str(outcome.excinfo[1])))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_setup(item):
    outcome = yield
    if outcome.excinfo and isinstance(outcome.excinfo[1], toolchains.Missing):
        outcome.force_exception(pytest.skip.Exception(str(outcome.excinfo[1])))


@pytest.fixture(scope="session")
def folder(request):
    """A folder for the whole run."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="millrace-interop-"))
    yield path
    if request.config.getoption("--keep"):
        print(f"kept: {path}")
    else:
        shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def start_node(folder):
    """start_node(kind, name, **properties): a started node; all are stopped at the end."""
    started = []

    def start(kind, name, **properties):
        made = nodes.make(kind, folder / f"{name}-{kind}-{len(started)}", **properties)
        started.append(made)
        return made.start()

    yield start
    for one in started:
        one.kill()


@pytest.fixture
def start_cluster(folder):
    """start_cluster(members, **options): a started cluster, which ends with the test."""
    started = []

    def start(members, **options):
        started.append(Cluster(folder / f"cluster-{next(CLUSTERS)}", members, **options))
        return started[-1].start()

    yield start
    for one in started:
        one.kill()


@pytest.fixture(scope="session")
def oracle(start_node):
    """An Apache node, for suites that compare answers."""
    return start_node("apache", "oracle")


@pytest.fixture(scope="session")
def node(kind, start_node):
    """The node under test, shared by the tests that leave it usable."""
    return start_node(kind, "shared")


@pytest.fixture(scope="session")
def tools(folder):
    """Runs Apache's command line tools."""
    one = Tools(folder / "tools.log")
    yield one
    one.close()
