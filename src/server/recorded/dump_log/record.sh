#!/bin/sh
# Writes NAME.txt for each line of cases.tsv: what Apache Kafka's DumpLogSegments prints.
#   record.sh JARS       JARS: a folder with kafka-tools, kafka_2.13 and all that they need
# Where the logs come from: offsets, transactions, share and metadata are of a node of Apache Kafka
# 4.3.1; remote and old were made with its classes, old being of magic 0 and 1.
here=$(cd "$(dirname "$0")" && pwd)
storage=$(cd "$here/../../../storage/testdata/apache-0" && pwd)
stdout=$(mktemp) stderr=$(mktemp)
grep -v '^#' "$here/cases.tsv" | while IFS="$(printf '\t')" read -r name arguments; do
    words=$(echo "$arguments" | sed "s|{here}|$here|g; s|{storage}|$storage|g")
    # shellcheck disable=SC2086
    java -cp "$1/*" org.apache.kafka.tools.DumpLogSegments $words >"$stdout" 2>"$stderr" </dev/null
    code=$?
    [ $code = 0 ] || : >"$stderr"  # a stack trace, which nobody else prints
    { cat "$stdout"; echo "=== stderr"; cat "$stderr"; echo "=== exit $code"; } |
        sed "s|$here|{here}|g; s|$storage|{storage}|g" >"$here/$name.txt"
done
rm -f "$stdout" "$stderr"
