#include "config/definition.h"

#include <cmath>
#include <gtest/gtest.h>
#include <limits>

#include "config/tables_for_tests.h"
#include "config/text.h"
#include "config/value.h"

namespace millrace::config {
namespace {

struct Table {
    const char* file;
    const Catalogue& catalogue;
};

std::vector<Table> tables() {
    return {{"broker_configs.tsv", broker_catalogue()},
            {"own_configs.tsv", broker_catalogue()},
            {"topic_configs.tsv", topic_catalogue()},
            {"group_configs.tsv", group_catalogue()},
            {"client_metrics_configs.tsv", client_metrics_catalogue()},
            {"client_configs.tsv", producer_catalogue()},
            {"client_configs.tsv", consumer_catalogue()},
            {"client_configs.tsv", admin_catalogue()},
            {"producer_configs.tsv", producer_catalogue()},
            {"consumer_configs.tsv", consumer_catalogue()},
            {"admin_configs.tsv", admin_catalogue()}};
}

template <typename Function>
void for_each_row(Function function) {
    for (const Table& table : tables()) {
        std::vector<Row> rows =
            read_table(std::string(MILLRACE_SOURCE_DIR) + "/schema/config/" + table.file);
        ASSERT_FALSE(rows.empty()) << table.file;
        for (const Row& row : rows) {
            SCOPED_TRACE(row.at("name"));
            const Definition* definition = table.catalogue.find(row.at("name"));
            ASSERT_NE(definition, nullptr);
            function(row, *definition);
        }
    }
}

bool takes(const Definition& definition, std::string_view text) {
    return parse_value(definition, text).has_value();
}

TEST(Definitions, AreThoseOfTheSchema) {
    std::map<const Catalogue*, std::size_t> rows;
    for_each_row([&](const Row& row, const Definition& definition) {
        EXPECT_EQ(name_of(definition.type), row.at("type"));
        EXPECT_FALSE(definition.documentation.empty());
        EXPECT_EQ(definition.required, row.at("default") == "(required)");
        std::string text = row.at("default");
        bool no_default = text == "null" || text == "(required)";
        EXPECT_EQ(definition.default_text.has_value(), !no_default);
        if (!no_default) {
            EXPECT_EQ(to_text(default_value(definition)), text == "\"\"" ? "" : text);
        }
        if (auto mode = row.find("mode"); mode != row.end()) {
            constexpr std::string_view modes[] = {"read-only", "per-broker", "cluster-wide"};
            EXPECT_EQ(modes[static_cast<int>(definition.mode)], mode->second);
        }
    });
    EXPECT_EQ(broker_catalogue().all().size(), 369U);
    EXPECT_EQ(topic_catalogue().all().size(), 34U);
    EXPECT_EQ(group_catalogue().all().size(), 17U);
    EXPECT_EQ(client_metrics_catalogue().all().size(), 3U);
}

TEST(Definitions, TakeTheirDefaults) {
    for_each_row([](const Row&, const Definition& definition) {
        // An empty list is the default of a key that, when set, may not be empty.
        if (!definition.default_text || definition.valid.not_empty) return;
        EXPECT_TRUE(takes(definition, *definition.default_text));
    });
}

TEST(Definitions, RefuseWhatIsNotOfTheirType) {
    for_each_row([](const Row& row, const Definition& definition) {
        const std::string& type = row.at("type");
        if (type == "INT" || type == "LONG" || type == "SHORT") {
            for (const char* text :
                 {"", "x", "1.0", "1 2", "0x10", "--1", "+-1", "1e3", "9223372036854775808"}) {
                EXPECT_FALSE(takes(definition, text)) << text;
            }
        }
        if (type == "INT") EXPECT_FALSE(takes(definition, "2147483648"));
        if (type == "SHORT") EXPECT_FALSE(takes(definition, "32768"));
        if (type == "BOOLEAN") {
            EXPECT_TRUE(takes(definition, " True "));
            for (const char* text : {"", "yes", "1", "tru"}) EXPECT_FALSE(takes(definition, text));
        }
        if (type == "DOUBLE") EXPECT_FALSE(takes(definition, "much"));
    });
}

TEST(Definitions, KeepTheirBounds) {
    int ranges = 0;
    for_each_row([&](const Row& row, const Definition& definition) {
        const std::string& valid = row.at("valid");
        std::size_t dots = valid.find("..");
        if (dots == std::string::npos || row.at("type") == "DOUBLE") return;
        ++ranges;
        std::int64_t low = std::stoll(valid.substr(0, dots));
        EXPECT_TRUE(takes(definition, std::to_string(low)));
        bool below = valid.ends_with("or -1") && low - 1 == -1;
        EXPECT_EQ(takes(definition, std::to_string(low - 1)), below);
        if (valid.ends_with("or -1")) EXPECT_TRUE(takes(definition, "-1"));
        if (!is_digits(valid.substr(dots + 2, 1))) return;
        std::int64_t high = std::stoll(valid.substr(dots + 2));
        EXPECT_TRUE(takes(definition, std::to_string(high)));
        EXPECT_FALSE(takes(definition, std::to_string(high + 1)));
    });
    EXPECT_GT(ranges, 200);
}

TEST(Definitions, TakeTheirChoices) {
    int choices = 0;
    for_each_row([&](const Row& row, const Definition& definition) {
        const std::string& valid = row.at("valid");
        std::size_t colon = valid.find(": ");
        if (colon == std::string::npos) return;
        for (std::string word : split(valid.substr(colon + 2), ',')) {
            word = trim(word);
            ++choices;
            EXPECT_TRUE(takes(definition, word)) << word;
            bool any_case = valid.starts_with("any case");
            std::string other = lower_case(word) == word ? upper_case(word) : lower_case(word);
            if (other != word) EXPECT_EQ(takes(definition, other), any_case) << other;
            if (valid.starts_with("set")) {
                auto twice = parse_value(definition, word + "," + word);
                ASSERT_TRUE(twice);
                EXPECT_EQ(to_text(*twice), word);
                EXPECT_FALSE(takes(definition, word + ","));
            }
        }
        EXPECT_FALSE(takes(definition, "nothing-of-this-name"));
    });
    EXPECT_GT(choices, 30);
}

TEST(Definitions, FindTheNearestName) {
    EXPECT_EQ(broker_catalogue().nearest("log.retention.hour"), "log.retention.hours");
    EXPECT_EQ(broker_catalogue().nearest("listener"), "listeners");
    EXPECT_EQ(topic_catalogue().nearest("rentention.ms"), "retention.ms");
    EXPECT_EQ(broker_catalogue().nearest("entirely.something.else"), "");
    EXPECT_EQ(broker_catalogue().nearest(std::string(100'000, 'x')), "");
    EXPECT_EQ(suggestion(topic_catalogue(), "retention.m"), ", did you mean 'retention.ms'?");
}

TEST(Values, AreWrittenAsJavaWritesThem) {
    EXPECT_EQ(to_text(0.5), "0.5");
    EXPECT_EQ(to_text(1.0), "1.0");
    EXPECT_EQ(to_text(0.001), "0.001");
    EXPECT_EQ(to_text(0.0001), "1.0E-4");
    EXPECT_EQ(to_text(9999999.0), "9999999.0");
    EXPECT_EQ(to_text(10000000.0), "1.0E7");
    EXPECT_EQ(to_text(std::numeric_limits<double>::max()), "1.7976931348623157E308");
    EXPECT_EQ(to_text(-2.5e-7), "-2.5E-7");
    EXPECT_EQ(to_text(Value()), std::nullopt);
    EXPECT_EQ(to_text(Value(std::vector<std::string>{"a", "b"})), "a,b");
}

TEST(Values, AreCutInErrors) {
    auto wrong = parse_value(*topic_catalogue().find("segment.bytes"), std::string(1'000'000, 'x'));
    ASSERT_FALSE(wrong);
    EXPECT_LT(wrong.error().message.size(), 400U);
}

TEST(Values, TellWhatIsWrong) {
    auto wrong = parse_value(*topic_catalogue().find("segment.bytes"), "14");
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().code, ErrorCode::invalid_config);
    EXPECT_EQ(
        wrong.error().message,
        "segment.bytes=14: out of range; it takes a whole number of 32 bits, 1048576 or more");
    wrong = parse_value(*topic_catalogue().find("cleanup.policy"), "delete,keep");
    ASSERT_FALSE(wrong);
    EXPECT_EQ(wrong.error().message,
              "cleanup.policy=delete,keep: 'keep' is not among the choices; it takes words of "
              "compact, delete separated by commas");
}

}  // namespace
}  // namespace millrace::config
