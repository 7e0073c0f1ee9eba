"""Runs a scenario on a node of its own."""

import difflib

import messages
from harness import node as nodes
from harness import wire
from harness.processes import wait_until
from values import Mistake, Variable, pretty

PATIENCE = 30
NOT_READY = {"COORDINATOR_LOAD_IN_PROGRESS", "COORDINATOR_NOT_AVAILABLE", "NOT_COORDINATOR"}


class Run:
    """One scenario on one node; ends the node with the `with` block."""

    def __init__(self, script, kind, folder):
        self.script, self.kind, self.folder = script, kind, folder
        self.variables = messages.Variables()
        self.connections = {}
        self.sent = {}  # connection -> (api, version, correlation id)
        self.node = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._disconnect()
        if self.node:
            self.node.kill()

    def answers(self):
        """The lines of each answer, by the statement's index."""
        found = {}
        statements = self.script.statements
        properties = {}
        if statements and statements[0].verb == "node":
            properties = settings(statements[0].words)
        self.node = nodes.make(self.kind, self.folder, **properties)
        self._start()
        for index, statement in enumerate(statements):
            try:
                lines = getattr(self, "_" + statement.verb)(statement)
            except (Mistake, AssertionError, OSError) as error:
                where = f"{self.script.path}:{statement.line}"
                raise Mistake(f"{where}: {type(error).__name__}: {error}") from error
            if statement.has_answer:
                found[index] = lines
        return found

    def _start(self):
        self.node.start()
        self.variables["port"] = self.node.port
        self.variables["data"] = str(self.node.data)

    def _disconnect(self):
        for connection in self.connections.values():
            connection.close()
        self.connections = {}

    def _connection(self, name):
        if name not in self.connections:
            self.connections[name] = self.node.connect()
        return self.connections[name]

    # --- Statements ---

    def _node(self, statement):
        if statement is not self.script.statements[0]:
            raise Mistake("node comes first")

    def _restart(self, _):
        self._disconnect()
        status = self.node.stop()
        if status not in (0, 143):  # what a virtual machine gives for SIGTERM
            raise Mistake(f"the node ended with {status}: {self.node.tail()}")
        self._start()

    def _kill(self, _):
        self._disconnect()
        self.node.kill()
        self._start()

    def _topic(self, statement):
        """topic NAME [partitions=N] [config=value...]: made, and led; $NAME is its id."""
        name, *words = statement.words
        configs = settings(words)
        count = int(configs.pop("partitions", 1))
        connection = self._connection("")
        answer = connection.call("CreateTopics", 7, {"timeoutMs": PATIENCE * 1000, "Topics": [{
            "Name": name, "NumPartitions": count, "ReplicationFactor": 1,
            "Configs": [{"Name": key, "Value": value} for key, value in configs.items()]}]})
        made = answer["Topics"][0]
        if made["ErrorCode"]:
            raise Mistake(f"{messages.ERRORS[made['ErrorCode']]}: {made['ErrorMessage']}")
        self.variables[name] = made["TopicId"]

        def is_led():
            offsets = connection.call("ListOffsets", 7, {"ReplicaId": -1, "Topics": [{
                "Name": name, "Partitions": [
                    {"PartitionIndex": i, "Timestamp": -2} for i in range(count)]}]})
            return not any(one["ErrorCode"] for one in offsets["Topics"][0]["Partitions"])

        wait_until(is_led, PATIENCE, f"a leader of every partition of {name}")

    def _coordinator(self, statement):
        """coordinator group|transaction|share KEY: waits until the node coordinates it."""
        kind, key = statement.words
        connection = self._connection("")
        number = ("group", "transaction", "share").index(kind)

        def is_ready():
            found = connection.call("FindCoordinator", 4, {
                "KeyType": number, "CoordinatorKeys": [key]})["Coordinators"][0]
            if found["ErrorCode"] or kind != "group":
                return not found["ErrorCode"]
            group = connection.call("DescribeGroups", 5, {"Groups": [key]})["Groups"][0]
            return messages.ERRORS[group["ErrorCode"]] not in NOT_READY

        wait_until(is_ready, PATIENCE, f"the coordinator of {kind} {key}")

    def _send(self, statement):
        message = messages.api(statement.api, statement.version)
        fields = messages.to_wire(
            message.request, statement.version, statement.fields, self.variables)
        correlation_id = self._connection(statement.connection).send(
            statement.api, statement.version, fields)
        self.sent[statement.connection] = (statement.api, statement.version, correlation_id)

    def _receive(self, statement):
        if statement.connection not in self.sent:
            raise Mistake(f"nothing was sent on {statement.connection}")
        api, version, correlation_id = self.sent.pop(statement.connection)
        raw = self._connection(statement.connection).receive(api, version, correlation_id, PATIENCE)
        return self._shown(statement, api, version, raw)

    def _request(self, statement):
        def ask():
            self._send(statement)
            return self._connection(statement.connection).receive(
                *self.sent.pop(statement.connection), PATIENCE)

        try:
            raw = ask()
            if statement.until:
                path, wanted = statement.until
                last = {"raw": raw}

                def is_so():
                    if messages.shown_at(last["raw"], path) == wanted:
                        return True
                    last["raw"] = ask()
                    return False

                wait_until(is_so, PATIENCE, lambda: f"{path} = {wanted} in {last['raw']}")
                raw = last["raw"]
        except wire.Closed:
            self.connections.pop(statement.connection).close()
            return ["closed"]
        return self._shown(statement, statement.api, statement.version, raw)

    def _shown(self, statement, api, version, raw):
        for name, path in statement.saves.items():
            self.variables[name] = messages.at(raw, path)
        section = messages.api(api, version).response
        return pretty(messages.from_wire(section, version, raw, self.variables)).splitlines()


def settings(words):
    """name=value words as a dict."""
    pairs = [word.partition("=") for word in words]
    for name, equals, _ in pairs:
        if not equals:
            raise Mistake(f"{name}: name=value is wanted")
    return {name: value for name, _, value in pairs}


def differences(script, answers):
    """The lines that tell where answers are not the expected ones."""
    lines = []
    for index, got in answers.items():
        statement = script.statements[index]
        if got != statement.expected:
            lines.append(f"{script.path}:{statement.line}: {script.lines[statement.line - 1]}")
            lines += [f"    {line}" for line in difflib.unified_diff(
                statement.expected, got, "expected", "got", lineterm="", n=2)]
    return lines
