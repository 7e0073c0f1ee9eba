"""Nodes with tiered storage: Apache's on the store that its own tests use, ours on a directory."""

import os
import shutil

from harness import node as nodes
from harness import toolchains

# So that a test sees within seconds what takes minutes otherwise.
FAST = {
    "remote.log.storage.system.enable": "true",
    "remote.log.manager.task.interval.ms": 500,
    "remote.log.metadata.manager.listener.name": "PLAINTEXT",
    "remote.fetch.max.wait.ms": 5000,
    "rlmm.config.remote.log.metadata.topic.replication.factor": 1,
    "rlmm.config.remote.log.metadata.topic.num.partitions": 3,
    "log.retention.check.interval.ms": 500,
    "log.initial.task.delay.ms": 500,
    "log.segment.delete.delay.ms": 100,
}


def store_of(kind, folder):
    """The properties that make a node of a kind keep segments below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "apache":
        return {
            "remote.log.storage.manager.class.name":
                "org.apache.kafka.server.log.remote.storage.LocalTieredStorage",
            "remote.log.storage.manager.class.path": f"{toolchains.kafka_test_jars()}/*",
            "rsm.config.dir": folder,
        }
    return {
        "remote.log.storage.manager.class.name": "directory",
        "rsm.config.directory.path": folder,
    }


def with_store(properties, store):
    """Properties of a node with another store in the place of its own."""
    kept = {key: value for key, value in properties.items()
            if not key.startswith(("rsm.config.", "remote.log.storage.manager."))}
    return {**kept, **store}


def make(kind, folder, store=None, several=False):
    """A formatted node with tiered storage, not yet started; with several log directories."""
    shutil.rmtree(folder, ignore_errors=True)
    properties = {**FAST, **(store or store_of(kind, folder / "store"))}
    if several:
        data = folder / "node" / "data"
        properties |= {"log.dirs": f"{data}/a,{data}/b", "metadata.log.dir": f"{data}/meta"}
    return nodes.make(kind, folder / "node", **properties)


def segments(folder):
    """Segments below a store's folder, which may lose folders meanwhile."""
    return sorted(name for _, _, names in os.walk(folder) for name in names
                  if name.endswith(".log"))
