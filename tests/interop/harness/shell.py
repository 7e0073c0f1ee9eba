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
    return without_provenance(_run([nodes.MillraceNode.executable, "metadata-shell",
                                    "--directory", directory, "tree", path]))


def live_tree(*flags, path="/image"):
    """What our shell shows of a cluster that runs, without where its last record stands."""
    return without_provenance(_run([nodes.MillraceNode.executable, "metadata-shell", *flags,
                                    "tree", path]))


def live_refusal(*flags):
    """What it says of one that it cannot read."""
    done = subprocess.run([nodes.MillraceNode.executable, "metadata-shell", *flags, "ls", "/"],
                          capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1 and not done.stdout, done
    return done.stderr


class Conversation:
    """Our shell, asked again and again."""
    END = "cat: end: No such file or directory.\n"

    def __init__(self, *flags):
        self._shell = subprocess.Popen([nodes.MillraceNode.executable, "metadata-shell", *flags],
                                       stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line):
        self._shell.stdin.write(f"{line}\ncat end\n")
        self._shell.stdin.flush()
        answer = ""
        while not answer.endswith(self.END):
            read = self._shell.stdout.readline()
            assert read, f"it has ended after {answer}"
            answer += read
        return answer.removesuffix(self.END)

    def end(self):
        """Its exit code."""
        self._shell.stdin.close()
        code = self._shell.wait(30)
        self._shell.stdout.close()
        return code

    def kill(self):
        self._shell.kill()
        self._shell.wait()


def without_provenance(tree):
    return re.sub(r"(?m)^(\s*provenance:\n)\s*offset .*$", r"\1", tree)


def snapshots(node):
    """The snapshots of a node, the oldest first; without the one that formatting makes."""
    found = sorted((node.data / "__cluster_metadata-0").glob("*.checkpoint"))
    return [path for path in found if not path.name.startswith("0" * 20)]
