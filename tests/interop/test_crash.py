"""kill -9 under load: what was acknowledged with acks=all is there, once, in order."""

import os
import random

from harness.load import PARTITIONS, SECONDS, Load, check
from harness.processes import wait_until

TOPIC = "crash"
SEED = int(os.environ.get("MILLRACE_INTEROP_SEED", "7"))
KILLS = {"apache": 3, "millrace": 10}
FULL_KILLS = 100


def test_kill_under_load(kind, start_node, request):
    kills = request.config.getoption("--kills") or (
        FULL_KILLS if request.config.getoption("--full") else KILLS[kind])
    print(f"seed {SEED}, {kills} kills")
    node = start_node(kind, "crash", log__segment__bytes=4 << 20)
    with node.connect() as connection:
        connection.call("CreateTopics", 4, {"timeoutMs": 30000, "Topics": [
            {"Name": TOPIC, "NumPartitions": PARTITIONS, "ReplicationFactor": 1}]})
    chance = random.Random(SEED)
    load = Load(node.bootstrap, TOPIC, SEED)
    try:
        for _ in range(kills):
            goal = load.count() + chance.randrange(1, 20_000)
            wait_until(lambda: load.count() >= goal, SECONDS,  # noqa: B023: used at once
                       lambda: f"{goal} records; {load.count()} {load.errors[:3]} {node.tail()}")
            node.kill()
            node.start()
    finally:
        load.enough.set()
    load.finish()
    check(node, load)
