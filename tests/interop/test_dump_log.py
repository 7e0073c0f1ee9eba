"""`millrace dump-log` prints, byte for byte, what Apache's kafka-dump-log prints: of every kind of
file that a node writes, with every flag, and of the same files after damage.

Apache's tool tells a broken file by a stack trace, ours in a sentence: where it ends with an error
only the exit status and what came before it on stdout are compared, and of a batch that broke while
it was read not how many records came before. Why a record was skipped each says in its own words.
"""

import os
import random
import re
import shutil
import subprocess

import pytest

from harness import dump, toolchains
from harness import node as nodes
from harness.population import Population

SEED = int(os.environ.get("MILLRACE_INTEROP_SEED", "7"))
RECORDED = toolchains.ROOT / "src" / "server" / "recorded" / "dump_log"
LOG_FLAGS = [
    (), ("--deep-iteration",), ("--print-data-log",),
    ("--print-data-log", "--skip-record-metadata"), ("--max-bytes", "5000"),
    ("--deep-iteration", "--max-bytes", "1"), ("--max-message-size", "500", "--deep-iteration"),
    ("--print-data-log", "--key-decoder-class", "org.apache.kafka.tools.api.LongDecoder"),
    ("--print-data-log", "--value-decoder-class", "org.apache.kafka.tools.api.StringDecoder"),
    ("--offsets-decoder",), ("--transaction-log-decoder",), ("--cluster-metadata-decoder",),
    ("--share-group-state-decoder",), ("--remote-log-metadata-decoder",),
    ("--cluster-metadata-decoder", "--skip-record-metadata")]
INDEX_FLAGS = [(), ("--index-sanity-check",), ("--verify-index-only",),
               ("--verify-index-only", "--max-message-size", "300")]
FLAGS = {".log": LOG_FLAGS, ".checkpoint": LOG_FLAGS[:4] + [("--cluster-metadata-decoder",)],
         ".index": INDEX_FLAGS, ".timeindex": INDEX_FLAGS, ".snapshot": [()], ".txnindex": [()]}
DAMAGES = 6


@pytest.fixture(scope="module", params=["stop", "kill"])
def written(request, folder):
    """A directory with every kind of file, of a node that has stopped or was killed."""
    chosen = request.config.getoption("--broker")
    kind = "apache" if chosen == "apache" else "millrace"
    node = nodes.make(kind, folder / f"dump-log-{request.param}", **{
        "offsets.topic.num.partitions": 2,
        "metadata.log.max.record.bytes.between.snapshots": 3000})
    try:
        node.start()
        Population(SEED).add(node, 0)
        getattr(node, request.param)()
        yield node
    finally:
        node.kill()


def ours(path, flags):
    return subprocess.run(
        [nodes.MillraceNode.executable, "dump-log", *flags, "--files", str(path)],
        capture_output=True, check=False, timeout=60)


def without_reasons(text):
    return re.sub(r"(Error at (?:offset )?\d+, skipping\.) .*", r"\1", text)


def without_last_records(text):
    return re.sub(r"(\|[^\n]*\n?)+\Z", "", text)


def differs(tools, path, flags, broken=False):
    """What is wrong with our output, or nothing."""
    mine = ours(path, flags)  # first: Apache's tool cuts an index to whole entries when it closes
    theirs = tools.run("dump-log", *flags, "--files", path)
    if b"magic -" in mine.stderr:
        return None  # Apache reads a negative magic as an old one
    theirs.out = without_reasons(theirs.out)
    out = without_reasons(mine.stdout.decode(errors="replace"))
    if broken and theirs.status:
        theirs.out, out = without_last_records(theirs.out), without_last_records(out)
        # Apache's tool breaks in the line of a batch whose codec is unknown.
        unfinished = len(theirs.out) - theirs.out.rfind("\n") - 1
        if unfinished:
            last = out.rstrip("\n").rfind("\n") + 1
            out = out[:last + unfinished]
    if theirs.status != mine.returncode:
        return (f"exit {mine.returncode}, not {theirs.status}: {mine.stderr.decode()[-300:]!r}, "
                f"theirs {theirs.err[:600]!r}")
    if out != theirs.out:
        at = next((i for i, pair in enumerate(zip(out, theirs.out)) if pair[0] != pair[1]),
                  min(len(out), len(theirs.out)))
        return (f"stdout at {at}: {out[max(0, at - 100):at + 200]!r}, "
                f"not {theirs.out[at:at + 200]!r}")
    told = mine.stderr.decode(errors="replace")
    if path.suffix != ".snapshot" and mine.returncode == 0 and told != theirs.err:
        return f"stderr: {told[:600]!r}, not {theirs.err[:600]!r}"
    return None


def chosen_files(node, source):
    """At most three files of a kind and topic."""
    by_kind = {}
    for path in dump.files_of(node):
        topic = re.sub(r"-\d+$", "", path.parent.name)
        by_kind.setdefault((topic, path.suffix), []).append(path)
    return [path for paths in by_kind.values() for path in source.sample(paths, min(3, len(paths)))]


def test_prints_what_apache_prints(written, tools):
    source = random.Random(SEED)
    wrong, runs = [], 0
    for path in chosen_files(written, source):
        for flags in FLAGS[path.suffix]:
            told = differs(tools, path, flags)
            runs += 1
            if told:
                wrong.append(f"{path.parent.name}/{path.name} {' '.join(flags)}: {told}")
    assert not wrong, f"{len(wrong)} of {runs} differ:\n" + "\n".join(wrong[:15])
    assert runs > 200


def damaged(data, source):
    """The bytes with one thing wrong, and what."""
    data = bytearray(data)
    at = source.randrange(len(data))
    kind = source.choice(["bit", "byte", "cut", "zeros", "more", "int"])
    if kind == "bit":
        data[at] ^= 1 << source.randrange(8)
    elif kind == "byte":
        data[at] = source.randrange(256)
    elif kind == "cut":
        del data[at:]
    elif kind == "zeros":
        data[at:at + 16] = bytes(len(data[at:at + 16]))
    elif kind == "more":
        data += source.randbytes(source.randrange(1, 40))
    else:
        value = source.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", bytes(4), b"\0\0\0\1"])
        data[at:at + 4] = value[:len(data[at:at + 4])]
    return bytes(data), f"{kind} at {at} of {len(data)}"


def test_tells_damage_as_apache_does(written, tools, folder):
    """Each damaged file lies beside the whole files of its segment."""
    source = random.Random(SEED)
    place = folder / "damaged"
    wrong, runs = [], 0
    for path in chosen_files(written, source):
        if not 0 < path.stat().st_size < 200_000 and path.suffix in (".log", ".checkpoint"):
            continue
        whole = path.read_bytes()[:200_000]
        for _ in range(DAMAGES if whole else 0):
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir()
            for beside in path.parent.glob(path.stem + ".*"):
                shutil.copy(beside, place)
            target = place / path.name
            target.chmod(0o600)
            data, what = damaged(whole, source)
            target.write_bytes(data)
            checked = [target]
            if path.suffix == ".log":
                checked += [one for one in (target.with_suffix(".index"),
                                            target.with_suffix(".timeindex")) if one.exists()]
            for one in checked:
                flags = source.choice(FLAGS[one.suffix])
                told = differs(tools, one, flags, broken=True)
                runs += 1
                if told:
                    wrong.append(f"{path.parent.name}/{path.name} {what}, {one.suffix} "
                                 f"{' '.join(flags)}: {told}")
    assert not wrong, f"{len(wrong)} of {runs} differ:\n" + "\n".join(wrong[:20])
    assert runs > 100


@pytest.mark.parametrize("name", ["offsets", "transactions", "share", "metadata", "remote", "old"])
def test_recorded_files_are_told_alike(name, tools, folder):
    """Logs of kinds that no node of ours writes yet, whole and damaged; those of magic 0 and 1,
    which nobody writes, only whole."""
    source = random.Random(SEED)
    place = folder / f"recorded-{name}"
    wrong = []
    for path in sorted((RECORDED / name).iterdir()):
        whole = path.read_bytes()
        for turn in range(1 if name == "old" else 10):
            place.mkdir(exist_ok=True)
            data, what = damaged(whole, source) if turn else (whole, "whole")
            (place / path.name).write_bytes(data)
            for flags in LOG_FLAGS if path.suffix == ".log" and not turn else [
                    ("--print-data-log",), (f"--{name}-decoder",) if name == "offsets" else ()]:
                told = differs(tools, place / path.name, flags, broken=turn > 0)
                if told:
                    wrong.append(f"{path.name} {what} {' '.join(flags)}: {told}")
    assert not wrong, f"{len(wrong)} differ:\n" + "\n".join(wrong[:20])
