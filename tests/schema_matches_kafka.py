"""Compares schema/*.msg with the message definitions inside Apache Kafka's published jars.

schema_matches_kafka.py SCHEMA CACHE: the jars come from Maven Central into CACHE. Exit code 77 says
that the machine has no Maven.
"""

import csv
import json
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "schema/generate"))
from msg import Field, Message, is_empty, overlap, parse_all, parse_versions  # noqa: E402

VERSION = "4.3.1"
ARTIFACTS = ("kafka-clients kafka-metadata kafka-group-coordinator kafka-transaction-coordinator"
             " kafka-share-coordinator kafka-raft kafka-storage kafka-streams").split()
COMMENT = re.compile(r"(?:^|\s)//.*$|/\*[\s\S]*?\*/", re.MULTILINE)
NUMBERS = "int8 int16 uint16 uint32 int32 int64 float64".split()


def fetch_jars(cache: Path) -> list[Path]:
    jars = [cache / f"{name}-{VERSION}.jar" for name in ARTIFACTS]
    if all(jar.exists() for jar in jars):
        return jars
    if shutil.which("mvn") is None:
        print("skipped: no mvn to get Apache Kafka's jars with")
        sys.exit(77)
    cache.mkdir(parents=True, exist_ok=True)
    alone = ("<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion>"
             "</exclusions>")
    dependencies = "".join(
        f"<dependency><groupId>org.apache.kafka</groupId><artifactId>{name}</artifactId>"
        f"<version>{VERSION}</version>{alone}</dependency>" for name in ARTIFACTS
    )
    (cache / "pom.xml").write_text(
        "<project><modelVersion>4.0.0</modelVersion><groupId>millrace</groupId>"
        "<artifactId>schema-test</artifactId><version>1</version>"
        f"<dependencies>{dependencies}</dependencies></project>"
    )
    subprocess.run(
        ["mvn", "-q", "-B", "-f", cache / "pom.xml", "dependency:copy-dependencies",
         f"-DoutputDirectory={cache}"],
        check=True, timeout=300,
    )
    return jars


def read_definitions(jars: list[Path]) -> dict[str, dict]:
    found = {}
    for jar in jars:
        with zipfile.ZipFile(jar) as archive:
            for name in archive.namelist():
                if not name.endswith(".json"):
                    continue
                text = COMMENT.sub("", archive.read(name).decode())
                definition = json.loads(text)
                if "validVersions" in definition:
                    found[definition["name"]] = definition
    return found


def default_of(kind: str, value: object) -> object:
    """A default in one form for both sides: the JSON null is none."""
    if value is None:
        return {"bool": False, "string": ""}.get(kind, 0 if kind in NUMBERS else None)
    if value == "null":
        return "null"
    if kind in NUMBERS:
        return float(value) if kind == "float64" else int(str(value), 0)
    if kind == "bool":
        return value in (True, "true")
    return "" if value == '""' else value


def versions_of(field: dict) -> tuple[int, int]:
    return parse_versions(field.get("versions") or field["taggedVersions"])


def theirs(field: dict) -> dict:
    kind = field["type"]
    return {
        "name": field["name"],
        "type": kind,
        "versions": versions_of(field),
        "nullable": parse_versions(field.get("nullableVersions", "none")),
        "default": default_of(kind, field.get("default")),
        "tag": field.get("tag"),
        "tagged": parse_versions(field.get("taggedVersions", "none")),
        "ignorable": field.get("ignorable") in (True, "true"),
        "flexible":
            parse_versions(field["flexibleVersions"]) if "flexibleVersions" in field else None,
    }


def ours(field: Field) -> dict:
    kind = ("[]" if field.is_array else "") + field.type
    return {
        "name": field.name,
        "type": kind,
        "versions": field.versions,
        "nullable": field.nullable,
        "default": default_of(kind, field.default),
        "tag": field.tag,
        "tagged": field.tagged,
        "ignorable": field.ignorable,
        "flexible": field.flexible,
    }


class Comparison:
    def __init__(self) -> None:
        self.fields = 0
        self.differences: list[str] = []

    def same(self, where: str, our: object, their: object) -> None:
        if our != their:
            self.differences.append(f"{where}: schema has {our}, Apache has {their}")

    def message(self, message: Message, definition: dict) -> None:
        self.same(f"{message.name} versions", message.versions,
                  parse_versions(definition["validVersions"]))
        self.same(f"{message.name} flexible", message.flexible,
                  parse_versions(definition.get("flexibleVersions", "none")))
        if "apiKey" in definition:
            self.same(f"{message.name} key", message.file.key, definition["apiKey"])
        structs = {s["name"]: s["fields"] for s in definition.get("commonStructs", [])}
        self.struct(message.name, message, message.body.fields, definition["fields"], structs)

    def struct(self, where: str, message: Message, our: list[Field], their: list[dict],
               structs: dict[str, list[dict]]) -> None:
        alive = [f for f in their
                 if not is_empty(overlap(versions_of(f), message.versions))]
        self.same(f"{where} fields", [f.name for f in our], [f["name"] for f in alive])
        for field, definition in zip(our, alive):
            self.fields += 1
            name = f"{where}.{field.name}"
            self.same(name, ours(field), theirs(definition))
            if field.struct is not None:
                inner = definition.get("fields") or structs[field.type]
                self.struct(name, message, field.struct.fields, inner, structs)

    def api(self, row: dict[str, str], definition: dict) -> None:
        name = definition["name"]
        self.same(f"{name} listeners", sorted(row["listeners"].split(",")),
                  sorted(definition.get("listeners", [])) or ["none"])
        self.same(f"{name} latest version unstable", row["latest_unstable"] == "yes",
                  definition.get("latestVersionUnstable", False))
        self.same(f"{name} versions in apis.tsv", parse_versions(row["request_versions"]),
                  parse_versions(definition["validVersions"]))


def main(schema: Path, cache: Path) -> int:
    definitions = read_definitions(fetch_jars(cache))
    messages = {m.name: m for file in parse_all(schema) for m in file.messages}
    alive = {name for name, d in definitions.items() if d["validVersions"] != "none"}
    comparison = Comparison()
    comparison.same("messages", sorted(messages.keys() - alive), sorted(alive - messages.keys()))
    for name in sorted(messages.keys() & alive):
        comparison.message(messages[name], definitions[name])
    with (schema / "apis.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for row in rows:
        comparison.api(row, definitions[row["name"] + "Request"])
    print("\n".join(comparison.differences))
    print(f"{len(messages)} messages, {comparison.fields} fields and {len(rows)} APIs compared with"
          f" Apache Kafka {VERSION}: {len(comparison.differences)} differences")
    if not messages or not comparison.fields:
        return 1
    return 1 if comparison.differences else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()))
