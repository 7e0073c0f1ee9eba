"""Writes docs/reference/{configs,metrics,errors}.md from the tables of schema/.

reference.py SCHEMA DOCS [--check]: with --check nothing is written, and the exit code is 1 where a
page differs from what would be.
"""

import sys
from pathlib import Path

import metrics
from table import read_table

MADE = "<!-- Made by schema/generate/reference.py; edit schema/{} instead. -->\n"


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def code(text: str) -> str:
    return f"`{cell(text)}`" if text else ""


def table(columns: list[str], rows: list[list[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def default_text(row: dict) -> str:
    return {"null": "none", "(required)": "required", '""': "empty"}.get(
        row["default"], code(row["default"])
    )


def without_effect(name: str, ignored: list[dict]) -> str:
    """Why a key has nothing to act on; empty where it has."""
    for row in ignored:
        if row["name"] == name or row["name"][-1] == "*" and name.startswith(row["name"][:-1]):
            what = "Only the default is taken" if row["how"] == "refused" else "No effect"
            return f"{what}: {row['why']}"
    return ""


def config_rows(rows: list[dict], mode: bool, ignored: list[dict] = ()) -> list[list[str]]:
    out = []
    for row in sorted(rows, key=lambda row: row["name"]):
        if "internal" in row["flags"].split():
            continue
        fields = [code(row["name"]), row["type"].lower(), default_text(row), code(row["valid"])]
        if mode:
            fields.append("dynamic only" if "dynamic-only" in row["flags"] else row["mode"])
        elif "broker_default" in row:
            names = (name.split("*")[0] for name in row["broker_default"].split(",") if name)
            fields.append(", ".join(map(code, names)))
        why = without_effect(row["name"], ignored)
        meaning = row["documentation"] + (f" *{why}.*" if why else "")
        out.append([*fields, cell(meaning)])
    return out


def configs_page(schema: Path) -> str:
    folder = schema / "config"
    columns = ["Key", "Type", "Default", "Values"]
    parts = [
        MADE.format("config"),
        "# Configs\n",
        "Names, defaults and meaning are Apache Kafka's. Values: `1..9` is a range with both ends, "
        "`0..` has no upper end, `set` is a list separated by commas. A wrong value stops the "
        "start; an unknown key is a warning.\n",
        "## Nodes\nIn the file of `millrace server`, or with `--override KEY=VALUE`. Keys that are "
        "not read-only can be changed with `kafka-configs --entity-type brokers` while the node "
        "runs: for one broker, or cluster-wide for all.\n",
        table([*columns, "Changes", "Meaning"],
              config_rows(read_table(folder / "broker_configs.tsv"), mode=True,
                          ignored=read_table(folder / "ignored_broker_configs.tsv"))),
        "## Nodes: Millrace's own\n",
        table([*columns, "Changes", "Meaning"],
              config_rows(read_table(folder / "own_configs.tsv"), mode=True)),
        "## Topics\nWhat is not set on a topic comes from the node's key in the fifth column.\n",
        table([*columns, "Node's key", "Meaning"],
              config_rows(read_table(folder / "topic_configs.tsv"), mode=False)),
        "## Groups\nFor groups of the consumer, share and streams protocols.\n",
        table([*columns, "Node's key", "Meaning"],
              config_rows(read_table(folder / "group_configs.tsv"), mode=False)),
        "## Client metrics subscriptions\n",
        table([*columns, "Meaning"],
              config_rows(read_table(folder / "client_metrics_configs.tsv"), mode=False)),
        "## Clients\nFor Millrace's client, and so for `--command-config` and its like of the "
        "tools. Keys of Java's client that have nothing to act on here are taken and ignored, with "
        "a warning where their value would have changed what is sent or read.\n",
        table([*columns, "Meaning"],
              config_rows(read_table(folder / "client_configs.tsv"), mode=False)),
        *(f"### {title}\n\n" + table([*columns, "Meaning"],
                                    config_rows(read_table(folder / f"{kind}_configs.tsv"),
                                                mode=False))
          for kind, title in (("producer", "Producers"), ("consumer", "Consumers"),
                              ("admin", "Admins"))),
        "## Quotas\nSet with `kafka-configs` on users, client ids and addresses.\n",
        table(["Entity", "Key", "Type", "Default"],
              [[cell(row["entity"]), code(row["name"]), row["type"].lower(), default_text(row)]
               for row in read_table(folder / "quota_configs.tsv") if "SCRAM" not in row["name"]]),
    ]
    return "\n".join(parts)


def metrics_page(schema: Path) -> str:
    attributes = {"counter": ["Value"], "gauge": ["Value"], "average": ["Value"],
                  "maximum": ["Value"], "meter": ["Count"],
                  "histogram": ["99thPercentile"], "timer": ["99thPercentile"]}
    rows = []
    for row in read_table(schema / "metrics/metrics.tsv"):
        name = metrics.family_of(row)
        if not metrics.is_whole_name(row):
            name += "_" + attributes[row["kind"]][0]
        labels = [label + ("?" if optional else "") for label, optional in metrics.labels_of(row)]
        constant = metrics.properties_of(row)[1].get("name", "")
        shown = ([f'name="{constant}"'] if constant else []) + labels
        rows.append([code(name + ("{" + ",".join(shown) + "}" if shown else "")), row["kind"],
                     cell(row["documentation"])])
    return "\n".join([
        MADE.format("metrics"),
        "# Metrics\n",
        "At `/metrics` of the addresses in `metrics.listeners`, named as Prometheus's JMX exporter "
        "names Apache Kafka's. What the running node does not count is not there. A label with `?` "
        "may be missing.\n",
        "A meter has `_Count`, `_MeanRate`, `_OneMinuteRate`, `_FiveMinuteRate` and "
        "`_FifteenMinuteRate` (a second); a histogram has `_Count`, `_Min`, `_Max`, `_Mean`, "
        "`_StdDev`, `_50thPercentile`, `_75thPercentile`, `_95thPercentile`, `_98thPercentile`, "
        "`_99thPercentile` and `_999thPercentile`; a timer has all of these.\n",
        table(["Metric", "Kind", "Meaning"], rows),
    ])


def errors_page(schema: Path) -> str:
    rows = [[row["code"], code(row["name"]), row["retriable"], cell(row["meaning"])]
            for row in read_table(schema / "errors.tsv")]
    return "\n".join([
        MADE.format("errors.tsv"),
        "# Errors\n",
        "The error codes of the protocol. A client may repeat a request that failed with a "
        "retriable one.\n",
        table(["Code", "Name", "Retriable", "Meaning"], rows),
    ])


def main(schema: Path, docs: Path, check: bool) -> int:
    pages = {"configs": configs_page, "metrics": metrics_page, "errors": errors_page}
    stale = []
    for name, page in pages.items():
        path = docs / "reference" / f"{name}.md"
        text = page(schema)
        if path.exists() and path.read_text() == text:
            continue
        if check:
            stale.append(str(path))
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
    if stale:
        print(f"not as schema/ says: {', '.join(stale)}; run schema/generate/reference.py "
              f"{schema} {docs}")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), "--check" in sys.argv[3:]))
