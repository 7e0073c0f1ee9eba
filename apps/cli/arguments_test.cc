#include "cli/arguments.h"

#include <fstream>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sstream>

#include "cli/command.h"

namespace millrace::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr Flag flags[] = {
    bootstrap_server(),
    value("topic", "TOPIC", "a topic"),
    value("config", "K=V", "a config").repeated(),
    value("partitions", "N", "how many").int32(),
    value("shift-by", "N", "offsets").int64(),
    maybe_value("state", "STATES", "states"),
    value("time", "TIME", "when").otherwise("latest"),
    value("level", "LEVEL", "a choice").choices("low high"),
    value("props", "KEY=VALUE", "properties").several(),
    on_off("list", "list"),
    on_off("create", "create"),
};
const Command plain{
    .name = "tool", .kafka_name = "kafka-tool", .summary = "", .flags = flags, .run = nullptr};

constexpr Flag common[] = {bootstrap_server().letter('b')};
constexpr Flag of_describe[] = {value("node-id", "ID", "a node").int32().letter('n')};
constexpr Flag of_remove[] = {value("id", "ID", "a node").required()};
constexpr Verb verbs[] = {{"describe", "", of_describe}, {"remove", "", of_remove}};
const Command with_verbs{.name = "tool",
                         .kafka_name = "kafka-tool",
                         .summary = "",
                         .flags = common,
                         .verbs = verbs,
                         .run = nullptr};

Result<Arguments> parse(const Command& command, std::vector<std::string> words) {
    return Arguments::parse(command, words);
}
std::string error_of(const Command& command, std::vector<std::string> words) {
    auto parsed = parse(command, std::move(words));
    return parsed ? "" : parsed.error().message;
}

TEST(Arguments, TakesValuesBehindABlankAndBehindAnEqualsSign) {
    auto parsed = parse(
        plain, {"--topic", "a", "--partitions=3", "-list", "--config", "k=v", "--config=x=y=z"});
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(parsed->text("topic"), "a");
    EXPECT_EQ(parsed->number("partitions"), 3);
    EXPECT_TRUE(parsed->has("list"));
    EXPECT_THAT(parsed->all("config"), ElementsAre("k=v", "x=y=z"));
}

TEST(Arguments, SeveralValuesEndWithTheNextFlag) {
    auto parsed = parse(plain, {"--props", "a=1", "b=2", "--list", "--props", "c=3"});
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_THAT(parsed->all("props"), ElementsAre("a=1", "b=2", "c=3"));
    EXPECT_TRUE(parsed->has("list"));
}

TEST(Arguments, ARequiredValueMayLookLikeAFlag) {
    auto parsed = parse(plain, {"--topic", "--list", "--shift-by", "-5"});
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(parsed->text("topic"), "--list");
    EXPECT_FALSE(parsed->has("list"));
    EXPECT_EQ(parsed->number("shift-by"), -5);
}

TEST(Arguments, AnOptionalValueIsTakenUnlessItLooksLikeAFlag) {
    auto with = parse(plain, {"--state", "stable,empty", "--list"});
    ASSERT_TRUE(with) << with.error().message;
    EXPECT_EQ(with->given("state"), "stable,empty");
    auto without = parse(plain, {"--state", "--list"});
    ASSERT_TRUE(without) << without.error().message;
    EXPECT_TRUE(without->has("state"));
    EXPECT_FALSE(without->given("state"));
    EXPECT_TRUE(without->has("list"));
}

TEST(Arguments, AFlagThatIsNotGivenHasItsDefault) {
    auto parsed = parse(plain, {"--list"});
    ASSERT_TRUE(parsed);
    EXPECT_EQ(parsed->text("time"), "latest");
    EXPECT_FALSE(parsed->given("time"));
    EXPECT_EQ(parsed->text("topic"), "");
    EXPECT_EQ(parsed->number("partitions"), std::nullopt);
    EXPECT_FALSE(parsed->as_json());
}

TEST(Arguments, RefusesWhatIsNotDeclaredAndNamesWhatWasMeant) {
    EXPECT_THAT(error_of(plain, {"--topc", "a"}), HasSubstr("did you mean --topic?"));
    EXPECT_THAT(error_of(plain, {"--qqqqqq"}), testing::EndsWith("has no flag --qqqqqq"));
    EXPECT_THAT(error_of(plain, {"stray"}), HasSubstr("'stray' is no flag"));
    EXPECT_THAT(error_of(plain, {"--topic"}), HasSubstr("--topic needs a value"));
    EXPECT_THAT(error_of(plain, {"--list=yes"}), HasSubstr("--list takes no value"));
    EXPECT_THAT(error_of(plain, {"--topic", "a", "--topic", "b"}), HasSubstr("more than once"));
    EXPECT_THAT(error_of(plain, {"--partitions", "many"}), HasSubstr("'many' is not a whole"));
    EXPECT_THAT(error_of(plain, {"--partitions", "3000000000"}), HasSubstr("32 bits"));
    EXPECT_THAT(error_of(plain, {"--level", "middle"}), HasSubstr("none of low, high"));
    EXPECT_THAT(error_of(plain, {"--format", "xml"}), HasSubstr("none of text, json"));
}

TEST(Arguments, VerbsBringTheirFlags) {
    auto parsed = parse(with_verbs, {"--bootstrap-server", "h:1", "describe", "--node-id", "3"});
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(parsed->verb(), "describe");
    EXPECT_EQ(parsed->number("node-id"), 3);
    EXPECT_EQ(parsed->text("bootstrap-server"), "h:1");

    auto behind = parse(with_verbs, {"describe", "-b", "describe", "-n", "4"});
    ASSERT_TRUE(behind) << behind.error().message;
    EXPECT_EQ(behind->text("bootstrap-server"), "describe");
    EXPECT_EQ(behind->number("node-id"), 4);

    EXPECT_THAT(error_of(with_verbs, {"-b", "h:1"}), HasSubstr("describe, remove"));
    EXPECT_THAT(error_of(with_verbs, {"remove"}), HasSubstr("--id is missing"));
    EXPECT_THAT(error_of(with_verbs, {"describe", "--id", "3"}), HasSubstr("has no flag --id"));
}

TEST(Arguments, HelpNeedsNothingElse) {
    for (const char* word : {"--help", "-h"}) {
        auto parsed = parse(with_verbs, {word});
        ASSERT_TRUE(parsed) << parsed.error().message;
        EXPECT_TRUE(parsed->wants_help());
    }
}

TEST(Arguments, RulesBetweenFlagsAreSentences) {
    auto both = parse(plain, {"--list", "--create", "--topic", "a"});
    ASSERT_TRUE(both);
    EXPECT_FALSE(both->exactly_one({"list", "create"}));
    EXPECT_TRUE(both->exactly_one({"list", "topic", "time"}).has_value() == false);
    EXPECT_EQ(both->alone("topic", {"list"}).error().message,
              "--topic cannot be used together with --list");
    EXPECT_TRUE(both->alone("state", {"list"}));
    EXPECT_TRUE(both->only_with("topic", {"create"}));
    EXPECT_EQ(both->only_with("topic", {"state", "time"}).error().message,
              "--topic is of use only with --state, --time");
    EXPECT_THAT(both->required({"partitions"}).error().message, HasSubstr("--partitions"));
}

// recorded/tools.tsv is Kafka's --help of every tool as a table.
struct Recorded {
    std::string tool;
    std::string verb;
    std::string flag;
    char letter = 0;
    std::string takes;
    std::string type;
    std::string standard;
    bool required = false;
    bool deprecated = false;
};

std::vector<Recorded> recorded_flags() {
    std::ifstream file(MILLRACE_SOURCE_DIR "/apps/cli/recorded/tools.tsv");
    std::vector<Recorded> all;
    std::string line;
    std::getline(file, line);
    while (std::getline(file, line)) {
        std::vector<std::string> cells;
        std::stringstream cut(line);
        for (std::string cell; std::getline(cut, cell, '\t');) cells.push_back(cell);
        Recorded one;
        std::size_t blank = cells[0].find(' ');
        one.tool = cells[0].substr(0, cells[0].find(".sh"));
        if (blank != std::string::npos) one.verb = cells[0].substr(blank + 1);
        for (std::string_view name : split(cells[2], ',')) {
            while (name.starts_with(' ')) name.remove_prefix(1);
            if (name.starts_with("--")) {
                one.flag = name.substr(2);
            } else {
                one.letter = name[1];
            }
        }
        one.takes = cells[3];
        one.type = cells[4];
        one.standard = cells[5];
        one.required = cells[6] == "yes";
        one.deprecated = cells[7] == "yes";
        all.push_back(std::move(one));
    }
    return all;
}

const Command* by_kafka_name(std::string_view name) {
    for (const Command* command : commands()) {
        if (command->kafka_name == name) return command;
    }
    return nullptr;
}

const Flag* find_in(std::span<const Flag> declared, std::string_view name) {
    for (const Flag& flag : declared) {
        if (flag.name == name) return &flag;
    }
    return nullptr;
}

TEST(Arguments, EveryFlagOfKafkasToolsIsDeclared) {
    std::vector<Recorded> all = recorded_flags();
    EXPECT_EQ(all.size(), 467U);
    for (const Recorded& one : all) {
        SCOPED_TRACE(one.tool + " " + one.verb + " --" + one.flag);
        const Command* command = by_kafka_name(one.tool);
        ASSERT_NE(command, nullptr);
        const Flag* flag = find_in(command->flags, one.flag);
        for (const Verb& verb : command->verbs) {
            if (flag == nullptr && verb.name == one.verb) flag = find_in(verb.flags, one.flag);
        }
        if (flag == nullptr) flag = find_in(common_flags(), one.flag);
        ASSERT_NE(flag, nullptr);
        Flag::Takes takes = one.takes == "no"         ? Flag::Takes::nothing
                            : one.takes == "optional" ? Flag::Takes::maybe_value
                                                      : Flag::Takes::value;
        EXPECT_EQ(flag->takes, takes);
        if (one.type == "Integer") EXPECT_EQ(flag->type, Flag::Type::int32);
        if (one.type == "Long") EXPECT_EQ(flag->type, Flag::Type::int64);
        if (takes != Flag::Takes::nothing) EXPECT_EQ(flag->standard, one.standard);
        EXPECT_EQ(flag->is_deprecated, one.deprecated);
        if (one.letter != 0) EXPECT_EQ(flag->short_name, one.letter);
        // An old name does as well.
        bool has_old_name = one.tool == "kafka-consumer-groups" ||
                            (one.tool.ends_with("consumer-perf-test") && one.flag == "num-records");
        if (one.required && !has_old_name) EXPECT_TRUE(flag->is_required);
    }
}

TEST(Arguments, NumbersAreWholeAndFit) {
    EXPECT_EQ(parse_number("-9223372036854775808"), std::numeric_limits<std::int64_t>::min());
    EXPECT_EQ(parse_number("+7"), 7);
    for (const char* text : {"", "7x", "0x7", " 7", "9223372036854775808", "+-7"}) {
        EXPECT_EQ(parse_number(text), std::nullopt) << text;
    }
    EXPECT_EQ(parse_int32("2147483648"), std::nullopt);
}

}  // namespace
}  // namespace millrace::cli
