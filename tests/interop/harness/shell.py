"""Both metadata shells on the same snapshots and directories."""

import re
import subprocess

from harness import node as nodes
from harness import toolchains

ATTEMPTS = 10
NOTHING_READ = "offset -1, epoch -1"


def _run(command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True,
                          timeout=120, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    # Apache's tools log to standard output.
    return "".join(line for line in done.stdout.splitlines(True)
                   if not re.match(r"\d{4}-\d\d-\d\dT\S+ \S+ (ERROR|WARN|INFO) ", line))


def apache_tree(snapshot, path="/image"):
    """What Apache's shell shows; it begins before it has read all, and has to be asked again."""
    for _ in range(ATTEMPTS):
        text = _run([*toolchains.java(), "org.apache.kafka.shell.MetadataShell",
                     "--snapshot", snapshot, "tree", path])
        if NOTHING_READ not in text:
            return text
    raise AssertionError(f"Apache's shell read nothing of {snapshot}:\n{text}")


def our_tree(snapshot, path="/image"):
    return _run([nodes.MillraceNode.executable, "metadata-shell",
                 "--snapshot", snapshot, "tree", path])


def directory_tree(directory, path="/image"):
    """What our shell shows of a log directory, without where its last record stands."""
    text = _run([nodes.MillraceNode.executable, "metadata-shell",
                 "--directory", directory, "tree", path])
    return re.sub(r"(?m)^(\s*provenance:\n)\s*offset .*$", r"\1", text)


def snapshots(node):
    """The snapshots of a node, the oldest first; without the one that formatting makes."""
    found = sorted((node.data / "__cluster_metadata-0").glob("*.checkpoint"))
    return [path for path in found if not path.name.startswith("0" * 20)]
