"""SCRAM credentials, ACLs and delegation tokens of a node that has no authorizer."""

from scenarios import scenario

SHA256, SHA512 = 1, 2
ANY, MATCH, LITERAL = 1, 2, 3
TOPIC_RESOURCE, CLUSTER_RESOURCE = 2, 4
READ, DENY, ALLOW = 3, 2, 3


@scenario("AlterUserScramCredentials")
def scram_credentials(t):
    def alter(label, deletions=(), upsertions=()):
        t.call(label, "AlterUserScramCredentials", 0, {
            "Deletions": [{"Name": name, "Mechanism": kind} for name, kind in deletions],
            "Upsertions": [{
                "Name": name, "Mechanism": kind, "Iterations": iterations, "Salt": b"salt",
                "SaltedPassword": salted} for name, kind, iterations, salted in upsertions]})
        t.settle()

    def describe(label, *users):
        t.call(label, "DescribeUserScramCredentials", 0, {
            "Users": [{"Name": user} for user in users] if users else None})

    describe("nobody", "scram-a")
    alter("nothing")
    alter("one", (), [("scram-a", SHA256, 4096, b"x")])
    alter("another mechanism", (), [("scram-a", SHA512, 16384, b"x")])
    alter("two", (), [("scram-b", SHA256, 5000, b"x"), ("scram-c", SHA512, 4096, b"y")])
    describe("all")
    describe("some", "scram-a", "scram-unknown")
    describe("twice", "scram-a", "scram-b", "scram-a")
    describe("no name", "")
    alter("too few", (), [("scram-a", SHA256, 4095, b"x")])
    alter("too many", (), [("scram-a", SHA256, 16385, b"x")])
    alter("no name", [("", SHA256)], [])
    alter("no name set", (), [("", SHA256, 4096, b"x")])
    alter("unknown mechanism", [("scram-a", 9)], [])
    alter("unknown mechanism set", (), [("scram-a", 0, 4096, b"x")])
    alter("no password", (), [("scram-d", SHA256, 4096, b"")])
    alter("not there", [("scram-a", SHA256), ("scram-unknown", SHA256)])
    describe("one gone", "scram-a")
    alter("twice", [("scram-b", SHA256)], [("scram-b", SHA512, 4096, b"x")])
    alter("twice set", (), [("scram-e", SHA256, 4096, b"x"), ("scram-e", SHA512, 4096, b"x")])
    describe("as before", "scram-b", "scram-e")
    alter("all gone", [("scram-a", SHA512), ("scram-b", SHA256), ("scram-c", SHA512)])
    describe("all in the end")


@scenario("DescribeAcls")
def acls_without_authorizer(t):
    def filtered(kind=ANY, pattern=ANY, operation=ANY, permission=ANY, name=None):
        return {"ResourceTypeFilter": kind, "ResourceNameFilter": name,
                "PatternTypeFilter": pattern, "PrincipalFilter": None, "HostFilter": None,
                "Operation": operation, "PermissionType": permission}

    def made(kind=TOPIC_RESOURCE, pattern=LITERAL, operation=READ, permission=ALLOW, name="t"):
        return {"ResourceType": kind, "ResourceName": name, "ResourcePatternType": pattern,
                "Principal": "User:a", "Host": "*", "Operation": operation,
                "PermissionType": permission}

    for version in t.versions("DescribeAcls"):
        t.call("any", "DescribeAcls", version, filtered())
        t.call("one", "DescribeAcls", version, filtered(TOPIC_RESOURCE, MATCH, READ, DENY, "t"))
        t.call("unknown type", "DescribeAcls", version, filtered(kind=0))
        t.call("type of the future", "DescribeAcls", version, filtered(kind=8))
        t.call("unknown operation", "DescribeAcls", version, filtered(operation=99))
        t.call("unknown permission", "DescribeAcls", version, filtered(permission=4))
        t.call("unknown pattern", "DescribeAcls", version, filtered(pattern=0))
    for version in t.versions("CreateAcls"):
        t.call("two", "CreateAcls", version, {"Creations": [
            made(), made(kind=CLUSTER_RESOURCE, name="kafka-cluster")]})
        t.call("none", "CreateAcls", version, {"Creations": []})
        t.call("unknown", "CreateAcls", version, {"Creations": [made(), made(operation=0)]})
    for version in t.versions("DeleteAcls"):
        t.call("two", "DeleteAcls", version, {"Filters": [filtered(), filtered(kind=3)]})
        t.call("none", "DeleteAcls", version, {"Filters": []})
        t.call("unknown", "DeleteAcls", version, {"Filters": [filtered(permission=0)]})


@scenario("CreateDelegationToken")
def tokens_of_nobody(t):
    for version in t.versions("CreateDelegationToken"):
        fields = {"Renewers": [{"PrincipalType": "User", "PrincipalName": "r"}],
                  "MaxLifetimeMs": 1000}
        t.call("own", "CreateDelegationToken", version, fields)
        if version >= 3:
            t.call("another's", "CreateDelegationToken", version, {
                **fields, "OwnerPrincipalType": "User", "OwnerPrincipalName": "o"})
    for version in t.versions("RenewDelegationToken"):
        t.call("", "RenewDelegationToken", version, {"Hmac": b"hmac", "RenewPeriodMs": 1000})
    for version in t.versions("ExpireDelegationToken"):
        t.call("", "ExpireDelegationToken", version, {"Hmac": b"hmac", "ExpiryTimePeriodMs": 1})
    for version in t.versions("DescribeDelegationToken"):
        t.call("all", "DescribeDelegationToken", version, {"Owners": None})
        t.call("none", "DescribeDelegationToken", version, {"Owners": []})
        t.call("some", "DescribeDelegationToken", version, {"Owners": [
            {"PrincipalType": "User", "PrincipalName": "r"}]})
