#include "cli/dispatch.h"

#include <boost/json/parse.hpp>
#include <cstdio>
#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>

#include "cli/completion.h"
#include "cli/fake_process.h"
#include "cli/help.h"
#include "cli/links.h"
#include "env/posix/world.h"

namespace millrace::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr Outsider outsiders[] = {
    {"server", "kafka-server-start", "run a node"},
    {"quickstart", "", "run a node with few questions"},
};

struct Ran {
    int code = 0;
    std::string output;
    std::string error;
    std::vector<std::string> links;
};
Ran run_line(std::vector<std::string> line) {
    FakeProcess process;
    env::posix::World world({.shards = 1, .helper_threads = 1});
    Invocation invocation = read_invocation(line, outsiders);
    int code = world.run([&](env::Shard& shard) -> Task<int> {
        co_return co_await run(shard, process, invocation, outsiders);
    });
    return {code, process.output, process.error, process.links};
}

TEST(Dispatch, ALinkIsTheToolOfItsName) {
    auto command_of = [](std::vector<std::string> line) {
        return read_invocation(line, outsiders).command;
    };
    EXPECT_EQ(command_of({"millrace", "topics", "--list"}), "topics");
    EXPECT_EQ(command_of({"/opt/bin/kafka-topics.sh", "--list"}), "topics");
    EXPECT_EQ(command_of({"kafka-console-consumer", "--list"}), "console-consumer");
    EXPECT_EQ(command_of({"bin/kafka-server-start.sh", "f"}), "server");
    EXPECT_EQ(command_of({"/tmp/anything", "groups"}), "groups");
    EXPECT_EQ(command_of({"millrace"}), "");
    EXPECT_THAT(
        read_invocation(std::vector<std::string>{"kafka-topics", "--list"}, outsiders).words,
        ElementsAre("--list"));
    EXPECT_THAT(read_invocation(std::vector<std::string>{"millrace", "a", "b"}, outsiders).words,
                ElementsAre("b"));
}

TEST(Dispatch, HelpIsForEveryToolAndNamesEveryFlag) {
    for (const Command* command : commands()) {
        Ran ran = run_line({"millrace", std::string(command->name), "--help"});
        EXPECT_EQ(ran.code, 0);
        EXPECT_THAT(ran.error, IsEmpty());
        for (const Flag& flag : command->flags) {
            EXPECT_THAT(ran.output, HasSubstr("--" + std::string(flag.name)));
        }
        for (const Verb& verb : command->verbs) {
            EXPECT_THAT(ran.output, HasSubstr(std::string(verb.name) + ": "));
            for (const Flag& flag : verb.flags) {
                EXPECT_THAT(ran.output, HasSubstr("--" + std::string(flag.name)));
            }
        }
        EXPECT_THAT(run_line({"millrace", std::string(command->name), "--version"}).output,
                    testing::StartsWith("4.3.1 "));
        Ran bare = run_line({std::string(command->kafka_name)});
        EXPECT_EQ(bare.code, 1);
        EXPECT_EQ(bare.error, ran.output);
    }
    Ran overview = run_line({"millrace", "--help"});
    EXPECT_THAT(overview.output, HasSubstr("quickstart"));
    EXPECT_THAT(overview.output, HasSubstr("console-producer"));
}

TEST(Dispatch, WrongCommandLinesAreOneSentence) {
    Ran unknown = run_line({"millrace", "topic"});
    EXPECT_EQ(unknown.code, 1);
    EXPECT_EQ(unknown.error, "There is no command 'topic': did you mean 'topics'?\n");
    Ran flag = run_line({"kafka-topics", "--lst", "--bootstrap-server", "h:1"});
    EXPECT_EQ(flag.code, 1);
    EXPECT_EQ(flag.error,
              "topics has no flag --lst: did you mean --list?; see millrace topics --help.\n");
    Ran swapped = run_line({"kafka-topics", "--lits"});
    EXPECT_THAT(swapped.error, HasSubstr("did you mean --list?"));
    Ran missing = run_line({"kafka-topics", "--list"});
    EXPECT_EQ(missing.code, 1);
    EXPECT_THAT(missing.error, HasSubstr("--bootstrap-server is missing"));
    EXPECT_THAT(missing.output, IsEmpty());
}

TEST(Dispatch, WhatNeedsNoClusterAnswersInTextAndJson) {
    Ran text = run_line({"kafka-features", "version-mapping", "--release-version", "3.9"});
    EXPECT_EQ(text.code, 0);
    EXPECT_EQ(text.output,
              "metadata.version=21 (3.9)\nkraft.version=1\ntransaction.version=0\n"
              "group.version=0\neligible.leader.replicas.version=0\nshare.version=0\n"
              "streams.version=0\n");
    Ran needs = run_line({"kafka-features", "feature-dependencies", "--feature",
                          "eligible.leader.replicas.version=1", "--feature", "group.version=1"});
    EXPECT_EQ(needs.output,
              "eligible.leader.replicas.version=1 requires:\n    metadata.version=23 (4.0-IV1)\n"
              "group.version=1 has no dependencies.\n");
    Ran document = run_line({"millrace", "features", "version-mapping", "--format", "json"});
    auto parsed = boost::json::parse(document.output).as_object();
    EXPECT_EQ(parsed["release"].as_string(), "4.3-IV0");
    EXPECT_EQ(parsed["levels"].at("metadata.version").as_int64(), 30);
    Ran old = run_line({"kafka-topics", "--list", "--bootstrap-server", "h:1", "--partitions", "2",
                        "--delete-config", "a"});
    EXPECT_THAT(old.error, testing::StartsWith("--delete-config is an old flag: "));
    EXPECT_THAT(old.error, HasSubstr("\n--partitions is of use only with"));
    Ran regex = run_line({"kafka-consumer-groups", "--validate-regex", "a.*"});
    EXPECT_EQ(regex.output, "The regular expression `a.*` is valid.\n");
}

TEST(Links, EveryToolHasTwoNames) {
    Ran ran = run_line({"millrace", "links", "/usr/local/bin"});
    EXPECT_EQ(ran.code, 0);
    EXPECT_EQ(ran.links.size(), 2 * (commands().size() + 1));
    EXPECT_THAT(ran.links, testing::Contains("/usr/local/bin/kafka-topics -> /usr/bin/millrace"));
    EXPECT_THAT(ran.links,
                testing::Contains("/usr/local/bin/kafka-server-start.sh -> /usr/bin/millrace"));
    EXPECT_EQ(run_line({"millrace", "links"}).code, 1);
}

// What bash offers after the words; the last one is being typed.
std::string completed(const std::string& words, int position) {
    std::string path = testing::TempDir() + "/completion.bash";
    std::ofstream(path) << *completion_script("bash", outsiders);
    std::string command = "bash -c 'source " + path + "; COMP_WORDS=(" + words +
                          "); COMP_CWORD=" + std::to_string(position) +
                          "; _millrace; echo ${COMPREPLY[@]}'";
    FILE* bash = popen(command.c_str(), "r");
    std::string out;
    for (int c = std::fgetc(bash); c != EOF; c = std::fgetc(bash)) out += static_cast<char>(c);
    EXPECT_EQ(pclose(bash), 0);
    return out;
}

TEST(Completion, BashOffersCommandsFlagsAndChoices) {
    EXPECT_EQ(completed("millrace con", 1),
              "configs console-consumer console-producer console-share-consumer "
              "consumer-groups consumer-perf-test\n");
    EXPECT_EQ(completed("millrace quick", 1), "quickstart\n");
    EXPECT_EQ(completed("millrace topics --part", 2),
              "--partitions --partition-size-limit-per-response\n");
    EXPECT_EQ(completed("millrace topics --list --format j", 4), "json\n");
    EXPECT_EQ(completed("/opt/kafka-console-producer.sh --compression-codec z", 2), "zstd\n");
    EXPECT_EQ(completed("kafka-features.sh des", 1), "describe\n");
    EXPECT_EQ(completed("millrace completion f", 2), "fish\n");
    EXPECT_EQ(completed("millrace topics --topic x", 3), "\n");
}

TEST(Completion, EveryShellKnowsEveryFlag) {
    for (const char* shell : {"bash", "zsh", "fish"}) {
        std::string script = *completion_script(shell, outsiders);
        for (const Command* command : commands()) {
            EXPECT_THAT(script, HasSubstr(std::string(command->kafka_name) + ".sh"));
            for (const Flag& flag : command->flags) {
                EXPECT_THAT(script, HasSubstr(std::string(flag.name)));
            }
        }
    }
    EXPECT_FALSE(completion_script("powershell", outsiders));
}

}  // namespace
}  // namespace millrace::cli
