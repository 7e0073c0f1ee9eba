#include <boost/json/parse.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "cli/deserializers.h"
#include "cli/fake_process.h"
#include "cli/line_reader.h"
#include "cli/message_format.h"
#include "cli/message_reader.h"
#include "env/posix/world.h"
#include "protocol/group_metadata.h"
#include "protocol/offset_commit.h"
#include "protocol/writer.h"

namespace millrace::cli {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Task<Result<std::vector<std::string>>> read_all(env::Shard& shard, LineReader& reader) {
    std::vector<std::string> lines;
    for (bool more = true; more;) {
        while (auto line = reader.next()) lines.emplace_back(*line);
        ASSIGN_OR_CO_RETURN(more, co_await reader.fill(shard));
    }
    while (auto line = reader.next()) lines.emplace_back(*line);
    co_return lines;
}

Result<std::vector<std::string>> lines_of(std::string input, std::size_t piece,
                                          std::size_t longest = 1 << 20) {
    Result<std::vector<std::string>> lines;
    env::posix::World world({.shards = 1, .helper_threads = 1});
    FakeProcess process(std::move(input), piece);
    LineReader reader(process, longest);
    world.run([&](env::Shard& shard) -> Task<int> {
        lines = co_await read_all(shard, reader);
        co_return 0;
    });
    return lines;
}

TEST(LineReader, EndsLinesAsJavaDoesWhereverTheBlocksEnd) {
    const std::string input = "one\ntwo\r\n\nthree\rfour\r\r\nlast";
    for (std::size_t piece = 1; piece <= input.size(); ++piece) {
        auto lines = lines_of(input, piece);
        ASSERT_TRUE(lines);
        EXPECT_THAT(*lines, ElementsAre("one", "two", "", "three", "four", "", "last")) << piece;
    }
}

TEST(LineReader, ALineEndAtTheEndOfTheInputBeginsNoOtherLine) {
    EXPECT_THAT(*lines_of("a\n", 100), ElementsAre("a"));
    EXPECT_THAT(*lines_of("a\r\n", 1), ElementsAre("a"));
    EXPECT_THAT(*lines_of("\n", 100), ElementsAre(""));
    EXPECT_TRUE(lines_of("", 100)->empty());
}

TEST(LineReader, LongLinesGrowTheBlockUpToABound) {
    std::string line(3'000'000, 'x');
    auto lines = lines_of(line + "\nend\n", 1 << 20, 1 << 22);
    ASSERT_TRUE(lines) << lines.error().message;
    EXPECT_EQ(lines->at(0).size(), line.size());
    EXPECT_EQ(lines->at(1), "end");
    auto refused = lines_of("short\n" + line, 1 << 20, 1 << 20);
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, HasSubstr("line 2 of the input is longer than"));
}

config::Properties properties(std::vector<std::pair<std::string, std::string>> pairs) {
    config::Properties all;
    for (auto& [key, text] : pairs) all.set(std::move(key), std::move(text));
    return all;
}

std::string shown(const std::optional<Bytes>& bytes) {
    return bytes ? std::string(as_string(*bytes)) : "(null)";
}

// "key|value|header=value;…"
std::string taken_apart(const config::Properties& how, std::string_view line) {
    auto reader = MessageReader::create(how);
    if (!reader) return reader.error().message;
    auto message = reader->read(line, 7);
    if (!message) return message.error().message;
    std::string out = shown((*message)->key) + "|" + shown((*message)->value);
    for (const RecordHeader& header : (*message)->headers) {
        out += "|" + std::string(header.key) + "=" + shown(header.value);
    }
    return out;
}

TEST(MessageReader, ALineIsAValueUnlessPropertiesSayMore) {
    EXPECT_EQ(taken_apart({}, "a\tb"), "(null)|a\tb");
    EXPECT_EQ(taken_apart(properties({{"parse.key", "True "}}), "a\tb\tc"), "a|b\tc");
    EXPECT_EQ(taken_apart(properties({{"parse.key", "true"}, {"key.separator", "::"}}), "a::b"),
              "a|b");
    EXPECT_EQ(taken_apart(properties({{"parse.key", "true"}, {"parse.headers", "true"}}),
                          "h1:v1,h2:v2\tkey\tvalue"),
              "key|value|h1=v1|h2=v2");
    EXPECT_EQ(taken_apart(properties({{"parse.headers", "true"},
                                      {"headers.delimiter", ";"},
                                      {"headers.separator", "&"},
                                      {"headers.key.separator", "="}}),
                          "a=1&b=2;v"),
              "(null)|v|a=1|b=2");
}

TEST(MessageReader, TheNullMarkerStandsForNothing) {
    auto how = properties({{"parse.key", "true"}, {"parse.headers", "true"}, {"null.marker", "N"}});
    EXPECT_EQ(taken_apart(how, "N\tN\tN"), "(null)|(null)");
    EXPECT_EQ(taken_apart(how, "a:N\tk\tv"), "k|v|a=(null)");
    EXPECT_THAT(taken_apart(how, "N:1\tk\tv"), HasSubstr("keys of headers cannot be null"));
}

TEST(MessageReader, ErrorsNameTheLineAndCanBeIgnored) {
    auto strict = properties({{"parse.key", "true"}});
    EXPECT_EQ(taken_apart(strict, "no key"), "No key.separator '\t' in line 7: 'no key'");
    auto lenient = properties({{"parse.key", "true"}, {"ignore.error", "true"}});
    EXPECT_EQ(taken_apart(lenient, "no key"), "(null)|no key");
    EXPECT_THAT(taken_apart(properties({{"parse.headers", "true"}}), "abc\tv"),
                HasSubstr("in the header 'abc' of line 7"));
}

TEST(MessageReader, SeparatorsMustDiffer) {
    EXPECT_THAT(taken_apart(properties({{"headers.separator", ":"}}), "x"),
                HasSubstr("headers.separator and headers.key.separator must differ"));
    EXPECT_THAT(taken_apart(properties({{"null.marker", "\t"}}), "x"), HasSubstr("must differ"));
    EXPECT_THAT(taken_apart(properties({{"key.separator", ""}}), "x"), HasSubstr("empty"));
}

struct OneRecord {
    client::ConsumedBatch batch;
    std::optional<std::int16_t> delivery_count;
    std::string headers;
    Record record;

    explicit OneRecord(std::optional<std::string_view> key, std::optional<std::string_view> value) {
        batch.partition = {"t", 2};
        record.offset = 42;
        record.timestamp = 1'700'000'000'123;
        if (key) record.key = as_bytes(*key);
        if (value) record.value = as_bytes(*value);
        // a:1, b:null as varints: lengths are zigzagged
        headers = std::string("\x02") + "a" + "\x02" + "1" + "\x02" + "b" + "\x01";
    }
    void with_headers() { record.headers = RecordHeaders(2, as_bytes(headers)); }
};

std::string formatted(std::string_view class_name, const config::Properties& how,
                      const OneRecord& one) {
    auto format = make_message_format(class_name, how);
    if (!format) return format.error().message;
    (*format)->delivery_count = one.delivery_count;
    std::string out;
    auto written = (*format)->write(one.batch, one.record, out);
    return written ? out : written.error().message;
}

TEST(MessageFormat, ShowsTheColumnsThatAreAskedFor) {
    OneRecord one("k", "v");
    EXPECT_EQ(formatted("DefaultMessageFormatter", {}, one), "v\n");
    EXPECT_EQ(formatted("org.apache.kafka.tools.consumer.DefaultMessageFormatter",
                        properties({{"print.key", "true"},
                                    {"print.timestamp", "true"},
                                    {"print.partition", "true"},
                                    {"print.offset", "true"},
                                    {"print.headers", "true"},
                                    {"print.epoch", "true"},
                                    {"print.delivery", "true"}}),
                        one),
              "CreateTime:1700000000123\tPartition:2\tOffset:42\tDelivery:NOT_PRESENT\t"
              "Epoch:NOT_PRESENT\tNO_HEADERS\tk\tv\n");
    one.delivery_count = 3;
    for (std::string name : {"DefaultMessageFormatter", "LoggingMessageFormatter"}) {
        EXPECT_EQ(formatted(name, properties({{"print.delivery", "true"}}), one),
                  "Delivery:3\tv\n");
    }
    one.with_headers();
    EXPECT_EQ(formatted("DefaultMessageFormatter",
                        properties({{"print.headers", "true"},
                                    {"print.value", "false"},
                                    {"null.literal", "-"},
                                    {"headers.separator", ";"},
                                    {"line.separator", "!"}}),
                        one),
              "a:1;b:-!");
    EXPECT_EQ(formatted("DefaultMessageFormatter", properties({{"print.value", "false"}}), one),
              "");
    EXPECT_EQ(formatted("NoOpMessageFormatter", {}, one), "");
    EXPECT_THAT(formatted("com.example.Mine", {}, one), HasSubstr("com.example.Mine"));
}

TEST(MessageFormat, NullIsTheLiteralOfNull) {
    OneRecord one(std::nullopt, std::nullopt);
    EXPECT_EQ(formatted("DefaultMessageFormatter", properties({{"print.key", "true"}}), one),
              "null\tnull\n");
}

TEST(MessageFormat, DeserializersAreFoundByTheirClass) {
    using namespace std::string_view_literals;
    auto as = [](std::string_view name, std::string_view bytes) {
        OneRecord one(std::nullopt, bytes);
        return formatted(
            "DefaultMessageFormatter",
            properties({{"value.deserializer", "org.apache.kafka.common.serialization." +
                                                   std::string(name) + "Deserializer"}}),
            one);
    };
    EXPECT_EQ(as("Integer", "\xff\xff\xff\xfe"sv), "-2\n");
    EXPECT_EQ(as("Long", "\0\0\0\0\0\0\1\0"sv), "256\n");
    EXPECT_EQ(as("Short", "\0\7"sv), "7\n");
    EXPECT_EQ(as("Double", "\x3f\xf8\0\0\0\0\0\0"sv), "1.5\n");
    EXPECT_EQ(as("Float", "\x40\x40\0\0"sv), "3.0\n");
    EXPECT_EQ(as("Boolean", "\1"sv), "true\n");
    EXPECT_EQ(as("String", "é"), "é\n");
    EXPECT_EQ(as("Bytes", "a\0\xff"sv), "a\\x00\\xFF\n");
    EXPECT_EQ(as("Long", "abc"), "3 bytes are no integer, which has 8");
    EXPECT_THAT(as("Avro", "abc"), HasSubstr("is not built in"));
}

TEST(MessageFormat, JsonHasOneDocumentARecord) {
    using namespace std::string_view_literals;
    OneRecord one("\xff\0"sv, "line\n\"quoted\"");
    one.with_headers();
    std::string out;
    ASSERT_TRUE(make_json_format()->write(one.batch, one.record, out));
    ASSERT_EQ(std::ranges::count(out, '\n'), 1);
    auto document = boost::json::parse(out).as_object();
    EXPECT_EQ(document["topic"].as_string(), "t");
    EXPECT_EQ(document["partition"].as_int64(), 2);
    EXPECT_EQ(document["offset"].as_int64(), 42);
    EXPECT_EQ(document["timestamp"].as_int64(), 1'700'000'000'123);
    EXPECT_EQ(document["timestamp_type"].as_string(), "CreateTime");
    EXPECT_EQ(document["key_base64"].as_string(), "/wA=");
    EXPECT_FALSE(document.contains("key"));
    EXPECT_EQ(document["value"].as_string(), "line\n\"quoted\"");
    EXPECT_EQ(document["headers"].as_array().size(), 2U);
    EXPECT_TRUE(document["headers"].at(1).at("value").is_null());
}

template <typename Message>
std::string encoded(std::int16_t prefix, const Message& message, std::int16_t version) {
    Writer writer;
    writer.write_int16(prefix);
    EXPECT_TRUE(message.encode(writer, version));
    return std::string(std::move(writer).finish_in_memory().view());
}

TEST(MessageFormat, RecordsOfConsumerOffsetsAreShownAsKafkaShowsThem) {
    std::string key = encoded(1, OffsetCommitKey{"g", "t", 3}, 0);
    OffsetCommitValue commit;
    commit.offset = 12;
    commit.metadata = "m";
    commit.commit_timestamp = 5;
    std::string value = encoded(3, commit, 3);
    OneRecord one(key, value);
    EXPECT_EQ(formatted("org.apache.kafka.tools.consumer.OffsetsMessageFormatter", {}, one),
              R"({"key":{"type":1,"data":{"group":"g","topic":"t","partition":3}},)"
              R"("value":{"version":3,"data":{"offset":12,"leaderEpoch":-1,"metadata":"m",)"
              R"("commitTimestamp":5}}})"
              "\n");
    EXPECT_EQ(formatted("GroupMetadataMessageFormatter", {}, one), "");
    one.record.value.reset();
    EXPECT_THAT(formatted("OffsetsMessageFormatter", {}, one), HasSubstr(R"("value":null})"));
    one.record.value = as_bytes("\x7f\x7f");
    EXPECT_THAT(formatted("OffsetsMessageFormatter", {}, one), HasSubstr("offset 42"));
}

TEST(Deserializers, Utf8IsWhatUnicodeCallsSo) {
    using namespace std::string_view_literals;
    for (std::string_view good : {"", "ascii", "é", "€", "😀", "\xf4\x8f\xbf\xbf"}) {
        EXPECT_TRUE(is_utf8(as_bytes(good))) << good;
    }
    for (std::string_view bad : {"\xff", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xe2\x82",
                                 "\xf4\x90\x80\x80", "\x80", "\xf0\x80\x80\x80"}) {
        EXPECT_FALSE(is_utf8(as_bytes(bad)));
    }
    EXPECT_EQ(base64(as_bytes("")), "");
    EXPECT_EQ(base64(as_bytes("a")), "YQ==");
    EXPECT_EQ(base64(as_bytes("ab")), "YWI=");
    EXPECT_EQ(base64(as_bytes("abc\xff")), "YWJj/w==");
}

}  // namespace
}  // namespace millrace::cli
