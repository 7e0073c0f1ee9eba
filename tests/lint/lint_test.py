#!/usr/bin/env python3
"""Each rule is shown code that breaks it, and code close to that which does not."""

import unittest
from pathlib import Path

import lint
import rooms
import rules
from source import Source, functions, parameters

# rule: (path, what breaks it), then (path, what keeps it)
BAD = {
    "max-lines": [("src/a/a.cc", "\n" * 501)],
    "max-columns": [("src/a/a.cc", "x" * 101), ("dev", "x" * 101), ("tests/a.py", "x" * 101)],
    "max-function": [
        ("src/a/a.cc", "int f() {\n" + "g();\n" * 70 + "}\n"),
        ("src/a/a.cc", "namespace {\nA::A(int a) : a_{a} {\n" + "g();\n" * 70 + "}\n}\n"),
        ("src/a/a.h", "class A {\n  auto f() -> int override {\n" + "g();\n" * 70 + "}\n};\n"),
        ("src/a/a_test.cc", "TEST(A, b) {\n" + "if (a) { b(); }\n" * 70 + "}\n"),
    ],
    "max-parameters": [
        ("src/a/a.h", "class A : public B<C> {\n  public:\n    A(int a, M<a, b> b, int c, int d,\n"
                      "      int e, int f, int g, std::function<int(int, int)> h);\n};\n"),
        ("src/a/a.h", "struct A {\n    explicit A(int, int, int, int, int, int, int, int) {}\n};"),
    ],
    "clear-names": [
        ("src/a/a.h", "class LogManager {};"), ("src/a/a.h", "struct FetchContext;"),
        ("src/a/a.h", "using Helper = int;"), ("src/a/file_utils.h", ""),
        ("src/a/log_manager.cc", ""), ("src/a/log_manager_test.cc", ""),
    ],
    "pragma-once": [("src/a/a.h", "#include <map>\n#pragma once\n"), ("src/a/a.h", "")],
    "own-header-first": [
        ("src/a/a.cc", '#include <map>\n#include "a/a.h"\n'), ("src/a/a.cc", "int a;\n"),
        ("src/a/a.cc", '// #include "a/a.h"\n#include "a/b.h"\n'),
    ],
    "todo-with-reason": [
        ("src/a/a.cc", "// TODO: faster"), ("src/a/a.cc", "// FIXME because it is wrong"),
        ("schema/a.py", "# XXX"),
    ],
    "outside-world": [
        ("src/a/a.cc", "auto now = std::chrono::steady_clock::now();"),
        ("src/a/a.cc", "using namespace std::chrono; auto t = system_clock::now();"),
        ("src/a/a.cc", "std::thread t(f);"), ("apps/cli/a.cc", "std::mutex m;"),
        ("src/a/a.cc", "std::lock_guard lock(m);"), ("src/a/a.cc", "std::condition_variable c;"),
        ("src/a/a.cc", "std::random_device r;"), ("src/a/a.cc", "int n = rand();"),
        ("src/a/a.cc", "auto t = time(nullptr);"), ("src/a/a.cc", "auto t = std::time(nullptr);"),
        ("src/a/a.cc", "gettimeofday(&now, nullptr);"), ("src/a/a.cc", "int s = socket(2, 1, 0);"),
        ("src/a/a.cc", "int f = ::open(path, 0);"), ("src/a/a.cc", "return ::write(1, p, n);"),
        ("src/a/a.cc", "return pread(1, p, n, 0);"), ("src/a/a.cc", "#include <thread>\n"),
        ("src/a/a.cc", "#include <sys/socket.h>\n"), ("src/a/a.h", "#include <fstream>\n"),
        ("src/a/a.cc", "#include <boost/asio/io_context.hpp>\n"),
        ("src/a/a_test.cc", "std::thread t(f);"),
        ("src/env/sim/a.cc", "auto t = steady_clock::now();"),
    ],
    "nothing-detached": [("src/a/a.cc", "thread.detach();"), ("apps/a.cc", "task->detach();")],
    "unordered-iteration": [
        ("src/a/a.cc", "std::unordered_map<int, std::vector<int>> by_id_;\n"
                       "void f() { for (auto& [id, one] : by_id_) write(one); }"),
        ("src/a/a.cc", "void f(const boost::unordered_flat_set<int>& ids) {\n"
                       "    for (int id : ids) write(id);\n}"),
        ("src/a/a.cc", "std::unordered_set<int> s;\nauto i = s.begin();"),
    ],
    "no-machine": [
        ("docs/a.md", "run it in /work/main/build"), ("tests/a.py", "'/root/.m2'"),
        ("dev", "cd /home/ann/kafka"), ("a.md", "https://repo.corp.internal/simple"),
        ("a.md", "http://10.0.0.7:8081/maven"), ("a.md", "https://nexus.example.org/pypi"),
    ],
}
GOOD = {
    "max-lines": [("src/a/a.cc", "\n" * 500), ("src/a/recorded/a.tsv", "\n" * 900)],
    "max-columns": [("src/a/a.cc", "x" * 100), ("schema/api/A.msg", "x" * 120),
                    ("src/a/recorded/Record.java", "x" * 120)],
    "max-function": [
        ("src/a/a.cc", "int f() {\n" + "g();\n" * 68 + "}\n"),
        ("src/a/a.cc", "namespace a {\n" + "int f() { return 1; }\n" * 90 + "}\n"),
        ("src/a/a.cc", "constexpr Row rows[] = {\n" + "    {f(1), 2},\n" * 90 + "};\n"),
        ("src/a/a.h", "class A {\n" + "    int f() const { return 1; }\n" * 90 + "};\n"),
    ],
    "max-parameters": [
        ("src/a/a.h", "class A {\n    A(int, int, int, int, int, int, M<int, int>);\n"
                      "    void f() { A(1, 2, 3, 4, 5, 6, 7, 8); }\n};\n"),
    ],
    "clear-names": [
        ("src/a/a.h", "class GroupCoordinator {};"), ("src/a/a.cc", "ssl::Context* context;"),
        ("src/a/group.h", "// LogManager is Apache's class LogManager."),
    ],
    "pragma-once": [("src/a/a.h", "// What it is.\n\n#pragma once\n"), ("src/a/a.cc", "int a;")],
    "own-header-first": [("src/a/a.cc", '// On a.\n#include "a/a.h"\n\n#include <map>\n')],
    "todo-with-reason": [("src/a/a.cc", "// TODO: faster, once fetches are batched")],
    "outside-world": [
        ("src/env/posix/a.cc", "#include <thread>\nstd::thread t; int f = ::open(path, 0);"),
        ("src/a/a.cc", "co_await disk.open(path); file->write(bytes); clock.time();"),
        ("src/a/a.cc", "// std::thread is Apache's way: time(nullptr)"),
        ("src/a/a.cc", 'say("rand()"); deadline_time(3); x.time(4);'),
        ("src/a/a.h", "Timestamp time() const;\nstd::chrono::milliseconds patience;"),
        ("src/a/a_test.cc", "#include <fstream>\n"), ("tests/fuzz/a.cc", "steady_clock::now();"),
    ],
    "nothing-detached": [("src/a/a.cc", "auto slice = detach(buffer); // .detach()")],
    "unordered-iteration": [
        ("src/a/a.cc", "std::unordered_map<int, int> m;\nstd::vector<int> v;\n"
                       "void f() { m.find(1); m.erase(2); for (int i : v) g(i); }"),
    ],
    "no-machine": [("docs/a.md", "https://kafka.apache.org/ and build/work/x, network/root")],
}


def run(rule: str, path: str, text: str) -> list[int]:
    siblings = frozenset({"a.h", "a.cc"})
    return [line for line, _ in rules.RULES[rule](Source(Path(path), text, siblings))]


def tree(**texts: str) -> dict[Path, Source]:
    return {Path(name): Source(Path(name), text) for name, text in texts.items()}


class Rules(unittest.TestCase):
    def test_every_rule_has_samples(self):
        self.assertEqual(BAD.keys(), rules.RULES.keys())
        self.assertEqual(GOOD.keys(), rules.RULES.keys())

    def test_bad_is_found(self):
        for rule, samples in BAD.items():
            for path, text in samples:
                with self.subTest(rule=rule, path=path, text=text[:80]):
                    self.assertTrue(run(rule, path, text))

    def test_good_is_left_alone(self):
        for rule, samples in GOOD.items():
            for path, text in samples:
                with self.subTest(rule=rule, path=path, text=text[:80]):
                    self.assertEqual(run(rule, path, text), [])

    def test_the_line_is_named(self):
        self.assertEqual(run("outside-world", "src/a/a.cc", "/* a\nb */\n\nstd::mutex m;"), [4])
        self.assertEqual(run("max-function", "src/a/a.cc", "\nint f() {\n" + "g();\n" * 70 + "}"),
                         [2])

    def test_members_of_the_header_are_known(self):
        header = Source(Path("src/a/a.h"), "std::unordered_map<int, int> by_id_;")
        source = Source(Path("src/a/a.cc"), "for (auto& one : by_id_) f(one);", header=header)
        self.assertTrue(list(rules.RULES["unordered-iteration"](source)))


class Reading(unittest.TestCase):
    def test_functions(self):
        code = Source(Path("a.cc"), """
template <typename T>
Task<Result<T>> Log::append(Slice bytes) {
    auto each = [&](int i) { return i; };
    if (a) {
        b();
    }
}
class A {
    bool operator==(const A& other) const { return true; }
    int a = 1;
    int b{2};
};
// int commented() {
""").code
        self.assertEqual([(one.name, one.line, one.length) for one in functions(code)],
                         [("append", 3, 6), ("operator==", 10, 1)])

    def test_parameters(self):
        self.assertEqual([parameters(text) for text in
                          ("", "int a", "M<a, b> c, f(int, int) d", "int a = g(1, 2), int b")],
                         [0, 1, 2, 2])

    def test_literals_are_blanked(self):
        source = Source(Path("a.cc"), "a(\"//{\", '\"', R\"(\n})\"); 1'000'000; // b\nc")
        self.assertEqual(source.code, "a(\"\", ' ', \"\"\n); 1'000'000; \nc")


class Rooms(unittest.TestCase):
    LISTS = "# room(x)\nroom(log USES base)\nroom(broker FOLDERS handlers USES log)\n"

    def found(self, check, **texts):
        made = tree(**{"src/CMakeLists.txt": self.LISTS, **texts})
        return [(path.as_posix(), line) for path, line, _ in check(made)]

    def test_rooms(self):
        made = rooms.rooms(tree(**{"src/CMakeLists.txt": self.LISTS,
                                   "apps/CMakeLists.txt": "room(cli ROOT apps USES log)"}))
        self.assertEqual({path.as_posix(): [one.as_posix() for one in inner]
                          for path, inner in made.items()},
                         {"src/log": [], "src/broker": ["src/broker/handlers"], "apps/cli": []})

    def test_readmes(self):
        readme = "# log\n\n| file | what |\n|---|---|\n| `segment`, index.h | a |\n"
        files = {"src/log/segment.cc": "", "src/log/segment_test.cc": "", "src/log/index.h": ""}
        check = rooms.readmes
        self.assertEqual(self.found(check, **files), [("src/log/README.md", 1)])
        self.assertEqual(self.found(check, **files, **{"src/log/README.md": readme}), [])
        self.assertEqual(  # a file that it does not tell of
            self.found(check, **files, **{"src/log/README.md": readme, "src/log/new.h": ""}),
            [("src/log/README.md", 1)])
        self.assertEqual(  # one that has gone
            self.found(check, **files, **{"src/log/README.md": readme + "| old.h | b |\n"}),
            [("src/log/README.md", 6)])
        self.assertEqual(  # a folder
            self.found(check, **{"src/broker/handlers/fetch.cc": "",
                                 "src/broker/README.md": "# broker\n| handlers/ | one a file |\n"}),
            [])

    def test_tests_are_named_after_sources(self):
        check = rooms.tests_named_after_sources
        readme = {"src/log/README.md": "`apache_test.cc` compares files"}
        files = {"src/log/index.h": "", "src/log/index_test.cc": "", "src/log/log_fuzz.cc": "",
                 "src/log/apache_test.cc": ""}
        self.assertEqual(self.found(check, **files, **readme), [])
        self.assertEqual(self.found(check, **files), [("src/log/apache_test.cc", 1)])
        self.assertEqual(self.found(check, **{"src/log/log_benchmark.cc": ""}), [])
        self.assertEqual(self.found(check, **{"src/log/indx_benchmark.cc": ""}),
                         [("src/log/indx_benchmark.cc", 1)])


class Exceptions(unittest.TestCase):
    FOUND = [(Path("src/a.cc"), 3, "max-lines", "long")]
    LISTED = Path("exceptions.tsv")

    def left(self, exceptions, only=()):
        return [(path.as_posix(), rule) for path, _, rule, _ in
                lint.without_exceptions(self.FOUND, exceptions, self.LISTED, list(only))]

    def test_exceptions(self):
        self.assertEqual(self.left({}), [("src/a.cc", "max-lines")])
        self.assertEqual(self.left({("max-lines", "src/a.cc"): "why"}), [])
        self.assertEqual(self.left({("max-columns", "src/a.cc"): "why"}),
                         [("src/a.cc", "max-lines"), ("exceptions.tsv", "max-columns")])


if __name__ == "__main__":
    unittest.main()
