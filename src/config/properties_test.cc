#include "config/properties.h"

#include <gtest/gtest.h>
#include <map>

#include "config/tables_for_tests.h"

namespace millrace::config {
namespace {

TEST(Properties, ReadsWhatJavaReads) {
    std::vector<Row> rows = read_table(recorded(MILLRACE_SOURCE_DIR, "properties.tsv"));
    ASSERT_GT(rows.size(), 400U);
    for (const Row& row : rows) {
        SCOPED_TRACE(row.at("text"));
        auto properties = Properties::parse(unescape_recorded(row.at("text")));
        const std::string expected = row.contains("read") ? row.at("read") : "";
        ASSERT_EQ(properties.has_value(), expected != "malformed");
        if (!properties) continue;
        std::map<std::string, std::string> read;
        for (const Property& property : properties->all()) read[property.key] = property.value;
        std::map<std::string, std::string> wanted;
        if (!expected.empty()) {
            for (const std::string& pair : split(expected, '|')) {
                std::vector<std::string> halves = split(pair, '~');
                std::string value = unescape_recorded(halves.at(1));
                // A surrogate pair, which Java's text keeps as two characters.
                if (halves.at(1) == "%d83d%de00") value = "\xf0\x9f\x98\x80";
                wanted[unescape_recorded(halves.at(0))] = value;
            }
        }
        EXPECT_EQ(read, wanted);
    }
}

TEST(Properties, KnowsTheLineWhereALogicalLineBegins) {
    auto properties = Properties::parse("# comment\n\na=1\nb = 2,\\\n  3\r\n\rc 4");
    ASSERT_TRUE(properties);
    ASSERT_EQ(properties->all().size(), 3U);
    EXPECT_EQ(properties->all()[0].line, 3);
    EXPECT_EQ(properties->all()[1].line, 4);
    EXPECT_EQ(properties->all()[1].value, "2,3");
    EXPECT_EQ(properties->all()[2].line, 7);
    EXPECT_EQ(properties->get("c"), "4");
    EXPECT_EQ(properties->get("d", "otherwise"), "otherwise");
}

TEST(Properties, KeepsUtf8) {
    auto properties = Properties::parse("name=M\xc3\xbchle");
    ASSERT_TRUE(properties);
    EXPECT_EQ(properties->get("name"), "M\xc3\xbchle");
}

TEST(Properties, TellsTheLineOfAMalformedEscape) {
    auto properties = Properties::parse("a=1\nb=C:\\users");
    ASSERT_FALSE(properties);
    EXPECT_EQ(properties.error().code, ErrorCode::invalid_config);
    EXPECT_TRUE(properties.error().message.starts_with("line 2: ")) << properties.error().message;
}

TEST(Properties, TakesAssignments) {
    auto property = parse_assignment(" log.dirs = /a=b ");
    ASSERT_TRUE(property);
    EXPECT_EQ(property->key, "log.dirs");
    EXPECT_EQ(property->value, "/a=b");
    EXPECT_FALSE(parse_assignment("log.dirs"));
    EXPECT_FALSE(parse_assignment("=x"));
}

}  // namespace
}  // namespace millrace::config
