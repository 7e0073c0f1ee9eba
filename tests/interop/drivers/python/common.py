"""The loop that each Python driver runs: the protocol of harness/drivers.py."""

import json
import sys
import threading

SECONDS = 60


def serve(driver):
    """Answers the commands on standard input with the methods of driver."""
    answers, sys.stdout = sys.stdout, sys.stderr
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = {"result": getattr(driver, command.pop("op"))(**command)}
        except Exception as failed:  # whatever it is, the test is to see it
            answer = {"error": f"{type(failed).__name__}: {failed}"}
        print(json.dumps(answer), file=answers, flush=True)


class Member:
    """A consumer with the thread that polls it; each subclass says how."""

    def __init__(self):
        self.lock = threading.Lock()
        self.records = []
        self.held = set()
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._loop, daemon=True)
        self.thread.start()

    def _loop(self):
        while not self.ended.is_set():
            with self.lock:
                self.poll()

    def poll(self):
        """Takes what there is within some 50 ms; keeps records and held up to date."""
        raise NotImplementedError

    def stop(self):
        self.ended.set()
        self.thread.join(SECONDS)


class Groups:
    """The commands on members, for a driver that makes them in make_member."""

    def __init__(self):
        self.members = {}

    def join(self, member, **options):
        self.members[member] = self.make_member(**options)
        return True

    def make_member(self, **options):
        raise NotImplementedError

    def assignment(self, member):
        return sorted(self.members[member].held)

    def received(self, member):
        return list(self.members[member].records)

    def commit(self, member):
        with self.members[member].lock:
            self.members[member].commit()
        return True

    def leave(self, member):
        one = self.members.pop(member)
        one.stop()
        one.close()
        return True
