"""Apache's kafka-dump-log over every file of a node's directories."""

import re

WRONG = re.compile(r"isvalid: false|[Mm]ismatch|Found timestamp|Skipped|Exception"
                   r"|corrupt|Could not|invalid|out of order|Trailing")
# Records are missing within a segment; before its first one they are in another.
GAP = re.compile(r"^  \d+ is followed by \d+", re.M)
DECODERS = {"__cluster_metadata": "--cluster-metadata-decoder",
            "__consumer_offsets": "--offsets-decoder",
            "__transaction_state": "--transaction-log-decoder",
            "__share_group_state": "--share-group-state-decoder"}
# The last batch of a round of compaction stays when its records go, and in the index.
EMPTIED = re.compile(
    r"Found timestamp mismatch in :\n(  Index timestamp: \d+, log timestamp: -1\n?)+")


def flags_of(path):
    """Every way in which a file is dumped; none for files of other kinds."""
    topic = path.parent.name.rpartition("-")[0]
    if path.suffix == ".log":
        yield ("--deep-iteration", "--print-data-log")
        if topic in DECODERS and path.stat().st_size:
            yield ("--deep-iteration", DECODERS[topic])
    elif path.suffix in (".index", ".timeindex"):
        if path.with_suffix(".log").stat().st_size:
            yield ("--index-sanity-check",)
            yield ("--verify-index-only", "--max-message-size", str(64 << 20))
            yield ()
    elif path.suffix == ".checkpoint":
        yield ("--cluster-metadata-decoder",)
    elif path.suffix in (".snapshot", ".txnindex"):
        yield ()


def compacted(path):
    """Whether the log may have gaps."""
    return path.parent.name.startswith(("compacted", "__consumer_offsets", "__transaction_state"))


def files_of(node):
    """The files of partitions that the tool can read, in all log directories."""
    return [path for directory in node.directories for path in sorted(directory.glob("*/*"))
            if not path.parent.name.endswith(("-delete", "-stray"))
            and not path.name.startswith(".") and any(True for _ in flags_of(path))]


def check(tools, node):
    """Nothing is wrong with any file; the number of dumps."""
    count = 0
    for path in files_of(node):
        for flags in flags_of(path):
            run = tools.run("dump-log", *flags, "--files", path)
            text = run.out + run.err
            assert run.status == 0, f"{path} {flags}: {text[-1500:]}"
            # What records hold may say anything.
            judged = "\n".join(line for line in text.splitlines() if not line.startswith("|"))
            judged = judged.replace(str(path), "")
            if compacted(path):
                judged = EMPTIED.sub("", judged)
            wrong = WRONG.search(judged) or (not compacted(path) and GAP.search(judged))
            assert not wrong, (f"{path} {flags}: "
                               f"{judged[max(0, wrong.start() - 500):wrong.end() + 500]}")
            count += 1
    return count
