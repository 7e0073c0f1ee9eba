"""Tests of how scenarios are read, printed and compared; no node is needed."""

import pathlib
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "interop")]

import messages  # noqa: E402
from harness import codec  # noqa: E402
from runner import differences  # noqa: E402
from script import Script  # noqa: E402
from values import Mistake, Struct, Variable, one_line, parse, pretty  # noqa: E402

TEXT = """\
# Shows something.

topic t partitions=2

# Asks.
> ListOffsets 7 {Topics: [{Name: t, Partitions: [
    {PartitionIndex: 0, Timestamp: -1}]}]}
  until Topics[0].Partitions[0].ErrorCode = NONE
  save $offset = Topics[0].Partitions[0].Offset
{Topics: []}

m>> Heartbeat 4 {GroupId: g}

m<<
{}
"""


def script(text):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "a.txt"
        path.write_text(text)
        return Script(path)


class Values(unittest.TestCase):
    def test_what_is_read_is_printed(self):
        for text in ("{}", "[]", "{A: 1, B: -2.5, C: [a, \"b c\", \"1\", null]}", "$t.id",
                     "batch{records: [a=1, =2, c], codec: gzip}", '{A: "true", B: true}',
                     '"\\n\\"{"', "[[1], {}, [{A: []}]]"):
            with self.subTest(text):
                self.assertEqual(one_line(parse(text)), text)

    def test_long_values_are_broken_and_read_again(self):
        value = Struct({"ErrorCode": "NONE", "Topics": [
            Struct({"Name": "x" * 40, "Numbers": list(range(30)), "Id": Variable("t")}, "kind")
            for _ in range(4)]})
        text = pretty(value)
        self.assertGreater(text.count("\n"), 4)
        self.assertTrue(all(len(line) <= 120 for line in text.splitlines()))
        self.assertEqual(parse(text), value)

    def test_mistakes(self):
        for text in ("", "{A}", "{A: 1", "[1 2]", "{A: 1, A: 2}", '"a', "1 2", "{A: }"):
            with self.subTest(text), self.assertRaises(Mistake):
                parse(text)


class Reading(unittest.TestCase):
    def test_statements(self):
        topic, request, send, receive = script(TEXT).statements
        self.assertEqual((topic.verb, topic.words), ("topic", ["t", "partitions=2"]))
        self.assertEqual((request.api, request.version, request.line), ("ListOffsets", 7, 6))
        self.assertEqual(request.until, ("Topics[0].Partitions[0].ErrorCode", "NONE"))
        self.assertEqual(request.saves, {"offset": "Topics[0].Partitions[0].Offset"})
        self.assertEqual(request.expected, ["{Topics: []}"])
        self.assertEqual((send.verb, send.connection, send.has_answer), ("send", "m", False))
        self.assertEqual((receive.verb, receive.connection), ("receive", "m"))

    def test_mistakes(self):
        for text in ("", "topic t\n", "# a\n\nnonsense\n", "# a\n\n> Fetch 4 {A: [1}\n\n",
                     "# a\n\n> Fetch 4\n  guess\n", "# a\n\nm>> Fetch 4\n{}\n"):
            with self.subTest(text), self.assertRaises(Mistake):
                script(text)

    def test_answers_are_written_and_the_rest_is_kept(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "a.txt"
            path.write_text(TEXT)
            Script(path).write({1: ["{Topics: [", "  1]}"], 3: ["closed"]})
            self.assertEqual(path.read_text(), TEXT.replace(
                "{Topics: []}", "{Topics: [\n  1]}").replace("\n{}\n", "\nclosed\n"))

    def test_differences(self):
        made = script(TEXT)
        self.assertEqual(differences(made, {1: ["{Topics: []}"], 3: ["{}"]}), [])
        lines = differences(made, {1: ["{Topics: []}"], 3: ["closed"]})
        self.assertIn("    -{}", lines)
        self.assertIn("    +closed", lines)
        self.assertIn(":14: m<<", lines[0])


class Messages(unittest.TestCase):
    def setUp(self):
        self.variables = messages.Variables()
        self.variables["t"] = "AAAAAAAAAAAAAAAAAAAAZA"

    def wire(self, api, version, text):
        section = messages.api(api, version).request
        fields = messages.to_wire(section, version, parse(text), self.variables)
        return codec.decode(section, version, codec.encode(section, version, fields))

    def test_structs_are_in_the_order_of_their_numbers(self):
        section = messages.api("ListOffsets", 7).response
        value = {"Topics": [{"Name": "t", "Partitions": [
            {"PartitionIndex": index, "Offset": 20 - index} for index in (10, 9, 0)]}]}
        raw = codec.decode(section, 7, codec.encode(section, 7, value))
        shown = messages.from_wire(section, 7, raw, self.variables)
        partitions = shown.fields["Topics"][0].fields["Partitions"]
        self.assertEqual([one.fields["PartitionIndex"] for one in partitions], [0, 9, 10])

    def test_requests(self):
        fields = self.wire("Metadata", 12, "{Topics: [{TopicId: $t, Name: null}]}")
        self.assertEqual(fields["Topics"], [{"TopicId": self.variables["t"], "Name": None}])

    def test_what_a_version_lacks_is_a_mistake(self):
        for api, version, text in (
                ("Metadata", 4, "{Topics: [{TopicId: $t}]}"), ("Metadata", 4, "{Topic: []}"),
                ("Metadata", 99, "{}"), ("Metadatas", 1, "{}"), ("Metadata", 12, "{Topics: [$u]}"),
                ("Metadata", 4, "{Topics: [{Name: 5}]}")):
            with self.subTest(text), self.assertRaises(Mistake):
                self.wire(api, version, text)

    def test_records(self):
        text = "[batch{base: 0, codec: gzip, records: [k=v, =w, x]}]"
        data = messages.batch(parse("batch{records: [k=v, =w, x], codec: gzip}"))
        shown = [messages.shown_batch(one, self.variables) for one in messages.batches.parse(data)]
        self.assertEqual(one_line(shown), text)
        with self.assertRaises(Mistake):
            messages.batch(parse("batch{record: []}"))

    def test_responses_leave_out_what_is_default(self):
        section = messages.api("Metadata", 12).response
        raw = codec.decode(section, 12, codec.encode(section, 12, {"Topics": [
            {"ErrorCode": 3, "Name": "b"}, {"TopicId": self.variables["t"], "Name": "a"}]}))
        self.assertEqual(
            one_line(messages.from_wire(section, 12, raw, self.variables)),
            "{Topics: [{Name: a, TopicId: $t}, {ErrorCode: UNKNOWN_TOPIC_OR_PARTITION, Name: b}]}")
        self.assertEqual(
            messages.shown_at(raw, "Topics[0].ErrorCode"), "UNKNOWN_TOPIC_OR_PARTITION")
        with self.assertRaises(Mistake):
            messages.at(raw, "Topics[2].Name")


if __name__ == "__main__":
    unittest.main()
