"""Several nodes, Apache's and ours, that are one cluster."""

import base64
import pathlib

from harness import node as nodes
from harness import processes, wire

METADATA = "__cluster_metadata-0"
# Elections are of the quorum's own making; nobody need wait for its defaults here.
QUICK = {
    "broker.session.timeout.ms": 6000,
    "broker.heartbeat.interval.ms": 500,
}


def _directory_id(each):
    return base64.urlsafe_b64encode(bytes([7] * 15 + [each])).decode().rstrip("=")


class Cluster:
    """`members`: id -> (kind, roles). The voters are the controllers, or those of them that
    `voters` names; they are in controller.quorum.voters or, `dynamic`, in the log. Each member is
    a machine of `network`, or all are this one."""

    def __init__(self, folder, members, dynamic=False, voters=None, network=None, **properties):
        hosts = {each: network.host(each) if network else "127.0.0.1" for each in members}
        ports = {each: processes.free_ports(2) for each in members}
        addresses = {each: f"{hosts[each]}:{ports[each][1]}"
                     for each, (_, roles) in members.items() if "controller" in roles}
        initial = addresses if voters is None else voters
        voters = ",".join(f"{each}@{addresses[each]}" for each in initial)
        self.members = {}
        for each, (kind, roles) in members.items():
            node = nodes.KINDS[kind](pathlib.Path(folder) / f"{each}-{kind}", ports=ports[each])
            if network:
                node.host, node.prefix = hosts[each], network.prefix(each)
            listeners = []
            if "broker" in roles:
                listeners.append(f"PLAINTEXT://{hosts[each]}:{ports[each][0]}")
            if "controller" in roles:
                listeners.append(f"CONTROLLER://{hosts[each]}:{ports[each][1]}")
            node.properties.update({
                "process.roles": roles,
                "node.id": each,
                "listeners": ",".join(listeners),
                "advertised.listeners": ",".join(listeners),
                **({} if dynamic else {"controller.quorum.voters": voters}),
                "controller.quorum.bootstrap.servers": ",".join(addresses.values()),
                **QUICK, **properties,
            })
            node.format_flags = self._format_flags(voters, dynamic and "controller" in roles,
                                                   each in initial)
            if "broker" not in roles:
                node.ready = self.listens(node)
            node.format()
            self.members[each] = node

    @staticmethod
    def _format_flags(voters, dynamic, votes):
        if not dynamic:
            return ()
        if not votes:
            return ("--no-initial-controllers",)
        named = (f"{voter}:{_directory_id(int(voter.partition('@')[0]))}"
                 for voter in voters.split(","))
        return ("--initial-controllers", ",".join(named))

    @staticmethod
    def listens(node):
        """Whether a controller's listener answers."""
        def ready():
            try:
                with wire.Connection(node.controller_port, host=node.host, timeout=5) as connection:
                    return connection.call("ApiVersions", 3, {
                        "ClientSoftwareName": "interop", "ClientSoftwareVersion": "1"})
            except (OSError, wire.Closed):
                return False
        return ready

    def _with(self, role):
        return {each: node for each, node in self.members.items()
                if role in node.properties["process.roles"]}

    @property
    def controllers(self):
        return self._with("controller")

    @property
    def brokers(self):
        return self._with("broker")

    @property
    def bootstrap(self):
        return ",".join(node.bootstrap for node in self.brokers.values())

    def start(self):
        """Starts all at once: none is ready before a majority of the controllers is there."""
        for node in self.members.values():
            node.launch()
        for node in self.members.values():
            node.wait_until_ready()
        return self

    def kill(self):
        for node in self.members.values():
            node.kill()

    def describe_quorum(self):
        """What DescribeQuorum says of the metadata log, by whichever broker answers."""
        answer = self._describe()
        return answer["Topics"][0]["Partitions"][0] if answer else None

    def describe_nodes(self):
        """The ports of the voters, by id."""
        answer = self._describe()
        return {one["NodeId"]: one["Listeners"][0]["Port"]
                for one in answer["Nodes"]} if answer else {}

    def _describe(self):
        for node in self.brokers.values():
            try:
                with node.connect(timeout=10) as connection:
                    answer = connection.call("DescribeQuorum", 2, {"Topics": [{
                        "TopicName": "__cluster_metadata",
                        "Partitions": [{"PartitionIndex": 0}]}]})
            except (OSError, wire.Closed):
                continue
            if answer["ErrorCode"] == 0 and answer["Topics"][0]["Partitions"][0]["LeaderId"] >= 0:
                return answer
        return None

    def voters(self):
        """The ids of the voters, in order; none while nobody tells."""
        found = self.describe_quorum()
        return sorted(one["ReplicaId"] for one in found["CurrentVoters"]) if found else []

    def leader(self):
        found = self.describe_quorum()
        return found["LeaderId"] if found else None

    def metadata_log(self, each):
        """The bytes of a controller's metadata log, from its first segment on."""
        folder = self.members[each].data / METADATA
        return b"".join(path.read_bytes() for path in sorted(folder.glob("*.log")))
