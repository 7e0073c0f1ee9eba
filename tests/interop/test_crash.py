"""kill -9 under load: what was acknowledged with acks=all is there, once, in order."""

import os
import random

from harness.load import begin, check

TOPIC = "crash"
SEED = int(os.environ.get("MILLRACE_INTEROP_SEED", "7"))
KILLS = {"apache": 3, "millrace": 10}
FULL_KILLS = 100


def test_kill_under_load(kind, start_node, request):
    kills = request.config.getoption("--kills") or (
        FULL_KILLS if request.config.getoption("--full") else KILLS[kind])
    print(f"seed {SEED}, {kills} kills")
    node = start_node(kind, "crash", log__segment__bytes=4 << 20)
    chance = random.Random(SEED)
    load = begin(node, TOPIC, SEED)
    try:
        for _ in range(kills):
            load.wait_for(chance.randrange(1, 20_000), node)
            node.kill()
            node.start()
    finally:
        load.enough.set()
    load.finish()
    check(node, load)
