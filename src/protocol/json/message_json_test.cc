// What append_json makes of messages, against what Apache Kafka's JSON converters made of the same
// bytes: recorded/messages.tsv, or the file that MILLRACE_JSON_VECTORS names.

#include "protocol/json/message_json.h"

#include <cstdlib>
#include <fstream>
#include <gtest/gtest.h>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "base/random.h"
#include "protocol/json/json_text.h"
#include "protocol/reader.h"

namespace millrace {
namespace {

std::string from_hex(const std::string& hex) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
    return bytes;
}

struct Recorded {
    const MessageSchema* schema = nullptr;
    std::int16_t version = 0;
    std::string bytes;
    std::string json;
};

std::vector<Recorded> read_recorded() {
    const char* named = std::getenv("MILLRACE_JSON_VECTORS");
    std::ifstream lines(
        named != nullptr ? named : MILLRACE_SOURCE_DIR "/src/protocol/json/recorded/messages.tsv");
    std::vector<Recorded> all;
    for (std::string line; std::getline(lines, line);) {
        std::istringstream cells(line);
        std::string name;
        std::string version;
        std::string hex;
        Recorded each;
        std::getline(cells, name, '\t');
        std::getline(cells, version, '\t');
        std::getline(cells, hex, '\t');
        std::getline(cells, each.json);
        if (find_schema(name) == nullptr && name.ends_with("Data")) name.resize(name.size() - 4);
        each.schema = find_schema(name);
        EXPECT_NE(each.schema, nullptr) << name;
        if (each.schema == nullptr) continue;
        each.version = static_cast<std::int16_t>(std::stoi(version));
        each.bytes = from_hex(hex);
        all.push_back(std::move(each));
    }
    return all;
}

TEST(MessageJson, SaysWhatApacheSays) {
    std::set<std::string_view> names;
    for (const Recorded& each : read_recorded()) {
        Reader in(as_bytes(each.bytes));
        std::string json;
        Result<> made = append_json(json, *each.schema, in, each.version);
        ASSERT_TRUE(made) << made.error().message;
        EXPECT_EQ(json, each.json) << each.schema->name << " version " << each.version;
        EXPECT_EQ(in.remaining(), 0U) << each.schema->name;
        names.insert(each.schema->name);
    }
    EXPECT_GE(names.size(), 80U);
}

TEST(MessageJson, TakesAnyBytes) {
    const std::uint64_t seed = 20261125;
    SCOPED_TRACE(seed);
    Random random(seed);
    for (const Recorded& each : read_recorded()) {
        for (int round = 0; round < 20 && !each.bytes.empty(); ++round) {
            std::string bytes = each.bytes;
            bytes[random.below(bytes.size())] = static_cast<char>(random.next());
            bytes.resize(random.below(bytes.size() + 1));
            Reader in(as_bytes(bytes));
            std::string json;
            Result<> made = append_json(json, *each.schema, in, each.version);
            if (!made) EXPECT_FALSE(made.error().message.empty());
            EXPECT_LT(json.size(), 4096 + bytes.size() * 1024);
        }
    }
}

TEST(MessageJson, ShowsTheMembersOfAnotherVersion) {
    const MessageSchema* schema = find_schema("OffsetCommitValue");
    ASSERT_NE(schema, nullptr);
    std::string bytes = from_hex(
        "0000000000000007"
        "0000"
        "0000000000000009");
    Reader in(as_bytes(bytes));
    std::string json;
    ASSERT_TRUE(append_json(json, *schema, in, 0, {.shown_as = 3}));
    EXPECT_EQ(json, R"({"offset":7,"leaderEpoch":-1,"metadata":"","commitTimestamp":9})");
}

TEST(JsonText, ReplacesWhatIsNoUtf8AsJavaDoes) {
    auto text = [](std::string_view bytes) {
        std::string made;
        append_utf8(made, bytes);
        return made;
    };
    const std::string bad = "\xef\xbf\xbd";
    EXPECT_EQ(text("gr\xc3\xb6\xc3\x9f"
                   "e \xe2\x82\xac \xf0\x9f\x8e\x89"),
              "größe € 🎉");
    EXPECT_EQ(text("\xc3"), bad);
    EXPECT_EQ(text("\xc3("), bad + "(");
    EXPECT_EQ(text("\xed\xa0\x80"), bad);
    EXPECT_EQ(text("\xe0\x80\x80"), bad + bad + bad);
    EXPECT_EQ(text("\xf0\x9f\x8e"), bad);
    EXPECT_EQ(text("\xff\xfe"), bad + bad);
    std::string quoted;
    append_quoted(quoted, std::string_view("a\"\\\n\x01/\x7f", 7));
    EXPECT_EQ(quoted, "\"a\\\"\\\\\\n\\u0001/\x7f\"");
}

}  // namespace
}  // namespace millrace
