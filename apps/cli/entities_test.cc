#include "cli/entities.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/arguments.h"
#include "cli/commands.h"

namespace millrace::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<Entities> read(std::vector<std::string> words) {
    words.insert(words.begin(), {"--bootstrap-server", "h:1"});
    auto arguments = Arguments::parse(tools::configs, words);
    if (!arguments) return fail(std::move(arguments).error());
    return read_entities(*arguments);
}
std::string error_of(std::vector<std::string> words) {
    auto entities = read(std::move(words));
    return entities ? "" : entities.error().message;
}

TEST(Entities, NamesFollowTheirTypesInTheOrderOfTheCommandLine) {
    auto both = read({"--alter", "--entity-type", "users", "--entity-type", "clients",
                      "--entity-default", "--entity-name", "c1"});
    ASSERT_TRUE(both) << both.error().message;
    EXPECT_THAT(both->types, ElementsAre("users", "clients"));
    EXPECT_THAT(both->names, ElementsAre("", "c1"));
}

TEST(Entities, EachTypeHasAFlagOfItsOwn) {
    auto topic = read({"--describe", "--topic", "t"});
    ASSERT_TRUE(topic);
    EXPECT_THAT(topic->types, ElementsAre("topics"));
    EXPECT_THAT(topic->names, ElementsAre("t"));
    auto defaults = read({"--describe", "--broker-defaults"});
    ASSERT_TRUE(defaults);
    EXPECT_THAT(defaults->types, ElementsAre("brokers"));
    EXPECT_THAT(defaults->names, ElementsAre(""));
    auto pair = read({"--describe", "--client", "c", "--user-defaults"});
    ASSERT_TRUE(pair);
    EXPECT_THAT(pair->types, ElementsAre("clients", "users"));
    EXPECT_THAT(pair->names, ElementsAre("c", ""));
}

TEST(Entities, ContradictionsAreRefused) {
    EXPECT_THAT(error_of({"--describe"}), HasSubstr("--entity-type is missing"));
    EXPECT_THAT(error_of({"--describe", "--topic", "t", "--entity-type", "topics"}),
                HasSubstr("cannot be used together"));
    EXPECT_THAT(error_of({"--describe", "--topic", "t", "--broker", "1"}),
                HasSubstr("only the entity types users and clients"));
    EXPECT_THAT(error_of({"--alter", "--broker", "one"}), HasSubstr("'one' is none"));
    EXPECT_THAT(error_of({"--alter", "--entity-type", "topics"}), HasSubstr("name which"));
    EXPECT_THAT(error_of({"--describe", "--entity-type", "topics", "--entity-default"}),
                HasSubstr("no defaults"));
    EXPECT_THAT(error_of({"--describe", "--entity-type", "broker-loggers"}),
                HasSubstr("name the broker"));
    EXPECT_THAT(error_of({"--describe", "--entity-type", "topics", "--entity-type", "topics"}),
                HasSubstr("given twice"));
}

std::string parsed(std::string_view text) {
    auto configs = parse_added_configs(text);
    if (!configs) return configs.error().message;
    std::string out;
    for (const config::Property& one : *configs) out += one.key + "=" + one.value + ";";
    return out;
}

TEST(Entities, AddedConfigsMayHoldCommasInBrackets) {
    EXPECT_EQ(parsed("a=1,b=2"), "a=1;b=2;");
    EXPECT_EQ(parsed("cleanup.policy=[compact,delete],b=2"), "cleanup.policy=compact,delete;b=2;");
    EXPECT_EQ(parsed("SCRAM-SHA-256=[iterations=8192,password=x]"),
              "SCRAM-SHA-256=iterations=8192,password=x;");
    EXPECT_EQ(parsed("a = 1 , b= [ x ]"), "a=1;b=x;");
    EXPECT_EQ(parsed("a="), "a=;");
    EXPECT_EQ(parsed("a=1,"), "a=1;");
    EXPECT_THAT(parsed("a=1,,b=2"), HasSubstr("is not KEY=VALUE"));
    EXPECT_THAT(parsed("a=b=c"), HasSubstr("is not KEY=VALUE"));
    EXPECT_THAT(parsed("a"), HasSubstr("is not KEY=VALUE"));
    EXPECT_THAT(parsed("a!=1"), HasSubstr("characters"));
}

}  // namespace
}  // namespace millrace::cli
