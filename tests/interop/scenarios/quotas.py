"""Quotas of users, client ids and addresses: setting and telling them; what they do is test_quotas.

The bounds are so high that no other scenario feels them.
"""

import math

from harness import wire
from scenarios import scenario

EXACT, DEFAULT, ANY = 0, 1, 2
USER, CLIENT, ADDRESS = "user", "client-id", "ip"
MUCH = 1e9


def entity(*parts):
    return [{"EntityType": kind, "EntityName": name} for kind, name in parts]


def entry(parts, **quotas):
    """Sets each quota, or removes it where it is None."""
    return {"Entity": entity(*parts), "Ops": [
        {"Key": key, "Value": value or 0.0, "Remove": value is None}
        for key, value in quotas.items()]}


def asked(*components, strict=False):
    return {"Components": [{"EntityType": kind, "MatchType": how, "Match": name}
                           for kind, how, name in components], "Strict": strict}


@scenario("AlterClientQuotas")
def refusals(t):
    a = (USER, "quota-refused")
    cases = {
        "no entity": entry([], producer_byte_rate=MUCH),
        "unknown type": entry([("group", "g")], producer_byte_rate=MUCH),
        "empty name": entry([(USER, "")], producer_byte_rate=MUCH),
        "address and user": entry([(ADDRESS, "10.0.0.1"), a], connection_creation_rate=MUCH),
        "no address": entry([(ADDRESS, "no address")], connection_creation_rate=MUCH),
        "key of users for an address": entry([(ADDRESS, "10.0.0.1")], producer_byte_rate=MUCH),
        "key of addresses for a user": entry([a], connection_creation_rate=MUCH),
        "unknown key": entry([a], produced=MUCH),
        "unknown key removed": entry([a], produced=None),
        "zero": entry([a], producer_byte_rate=0.0),
        "negative": entry([a], request_percentage=-0.5),
        "fraction of a byte": entry([a], consumer_byte_rate=1.5),
        "too large": entry([a], consumer_byte_rate=1e19),
        "too many connections": entry([(ADDRESS, "10.0.0.1")], connection_creation_rate=3e9),
        "infinite": entry([a], request_percentage=math.inf),
        "good and bad": entry([a], producer_byte_rate=MUCH, consumer_byte_rate=-1.0),
        "nothing": entry([a]),
        "not there": entry([a], producer_byte_rate=None),
        "type twice": entry([a, (USER, "quota-refused-b")], producer_byte_rate=None),
    }
    for version in t.versions("AlterClientQuotas"):
        for label, one in cases.items():
            t.call(label, "AlterClientQuotas", version, {"Entries": [one]})
        t.call("no entries", "AlterClientQuotas", version, {"Entries": []})
        t.call("entity twice", "AlterClientQuotas", version, {"Entries": [
            entry([a], producer_byte_rate=None), entry([a], consumer_byte_rate=None)]})
    t.settle()
    t.call("what stays", "DescribeClientQuotas", 1, asked((USER, EXACT, a[1])))


@scenario("AlterClientQuotas")
def changes(t):
    user, client = (USER, "quota-u"), (CLIENT, "quota-c")
    entities = {
        "user": [user], "client": [client], "user and client": [user, client],
        "client and user": [client, (USER, "quota-v")],
        "user and default": [user, (CLIENT, None)], "default and client": [(USER, None), client],
        "address": [(ADDRESS, "192.0.2.7")], "long address": [(ADDRESS, "2001:db8:0::7")],
    }

    def told(label):
        t.settle()
        for kind, name in ((USER, "quota-u"), (CLIENT, "quota-c"), (ADDRESS, "192.0.2.7")):
            t.call(f"{label}: {kind}", "DescribeClientQuotas", 1, asked((kind, EXACT, name)))
        t.call(f"{label}: both", "DescribeClientQuotas", 1,
               asked((USER, ANY, None), (CLIENT, EXACT, "quota-c")))

    for version in t.versions("AlterClientQuotas"):
        def alter(label, entries, validate_only=False):
            t.call(label, "AlterClientQuotas", version,
                   {"Entries": entries, "ValidateOnly": validate_only})

        def quotas(parts, value):
            keys = (["connection_creation_rate"] if parts[0][0] == ADDRESS else
                    ["producer_byte_rate", "request_percentage", "controller_mutation_rate"])
            return entry(parts, **dict.fromkeys(keys, value))

        alter("only validated", [quotas(parts, MUCH) for parts in entities.values()], True)
        told("none yet")
        for label, parts in entities.items():
            alter(label, [quotas(parts, MUCH)])
        told("set")
        alter("all again", [quotas(parts, MUCH + 1) for parts in entities.values()])
        alter("one of them", [entry([user], request_percentage=None, consumer_byte_rate=MUCH)])
        told("changed")
        alter("none of them", [
            entry(parts, producer_byte_rate=None, consumer_byte_rate=None, request_percentage=None,
                  controller_mutation_rate=None, connection_creation_rate=None)
            for parts in entities.values()])
        told("gone")


@scenario("AlterClientQuotas")
def at_a_controller(t):
    """Asked without a broker between."""
    with wire.Connection(t.node.controller_port, host=t.node.host) as connection:
        for version in t.versions("AlterClientQuotas"):
            for value in (MUCH, -1.0, None):
                t.note(f"v{version} {value}", connection.call("AlterClientQuotas", version, {
                    "Entries": [entry([(USER, "quota-direct")], producer_byte_rate=value)]}))
                t.settle()
                t.call(f"after {value}", "DescribeClientQuotas", 1,
                       asked((USER, EXACT, "quota-direct")))


@scenario("DescribeClientQuotas")
def filters(t):
    made = [[(USER, "quota-f")], [(USER, "quota-f"), (CLIENT, "quota-g")],
            [(USER, "quota-f"), (CLIENT, None)], [(CLIENT, "quota-g")],
            [(ADDRESS, "198.51.100.7")]]

    def set_all(value):
        t.call("set", "AlterClientQuotas", 1, {"Entries": [
            entry(parts, **{"connection_creation_rate" if parts[0][0] == ADDRESS
                            else "consumer_byte_rate": value}) for parts in made]})
        t.settle()

    set_all(MUCH)
    f, g = (USER, EXACT, "quota-f"), (CLIENT, EXACT, "quota-g")
    any_client, no_client = (CLIENT, ANY, None), (CLIENT, DEFAULT, None)
    cases = {
        "user": [f], "client": [g], "both": [f, g], "any client": [f, any_client],
        "default client": [f, no_client], "address": [(ADDRESS, EXACT, "198.51.100.7")],
        "default address": [(ADDRESS, DEFAULT, None)], "nobody": [(USER, EXACT, "quota-none")],
        "no name": [(USER, EXACT, None)], "default with a name": [(USER, DEFAULT, "x")],
        "any with a name": [(USER, ANY, "x")], "unknown match": [(USER, 3, None)],
        "negative match": [(USER, -1, None)], "type twice": [f, (USER, ANY, None)],
        "no type": [("", ANY, None)], "unknown type": [("group", ANY, None)],
        "address and user": [(ADDRESS, ANY, None), f], "empty name": [(USER, EXACT, "")],
    }
    for version in t.versions("DescribeClientQuotas"):
        for strict in (False, True):
            for label, components in cases.items():
                t.call(f"{label}, strict {strict}", "DescribeClientQuotas", version,
                       asked(*components, strict=strict))
        t.call("strict, nothing", "DescribeClientQuotas", version, asked(strict=True))
    set_all(None)
