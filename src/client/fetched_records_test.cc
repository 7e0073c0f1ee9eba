#include "client/fetched_records.h"

#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "records/builder.h"

namespace millrace::client {
namespace {

const TopicPartition orders{"orders", 3};

struct Made {
    std::int64_t base_offset = 0;
    std::vector<std::string> values;
    std::int64_t producer = no_producer_id;
    bool transactional = false;
    Codec codec = Codec::none;
};

Slice batch(const Made& made) {
    BatchOptions options;
    options.base_offset = made.base_offset;
    options.leader_epoch = 5;
    options.codec = made.codec;
    options.producer_id = made.producer;
    if (made.producer >= 0) options.producer_epoch = 0;
    if (made.producer >= 0) options.base_sequence = 0;
    options.transactional = made.transactional;
    BatchBuilder builder(options);
    for (const std::string& value : made.values)
        builder.append(1000 + made.base_offset, std::nullopt, as_bytes(value));
    return builder.build();
}

Slice marker(std::int64_t offset, std::int64_t producer, ControlType type) {
    MarkerOptions options;
    options.base_offset = offset;
    options.producer_id = producer;
    options.producer_epoch = 0;
    options.timestamp = 1;
    return transaction_marker_batch(type, options);
}

Slice together(const std::vector<Slice>& batches) {
    Buffer bytes;
    for (const Slice& one : batches) bytes.append(one.bytes());
    return std::move(bytes).freeze();
}

// "offset:value" of all that comes, and the position behind it.
std::string read_all(FetchedRecords& records, std::int64_t& position, std::size_t limit = 100) {
    std::string text;
    for (;;) {
        auto taken = records.next(position, limit);
        if (!taken) return text + "error " + taken.error().message;
        if (!*taken) return text;
        for (const Record& record : (*taken)->records)
            text +=
                std::to_string(record.offset) + ":" + std::string(as_string(*record.value)) + " ";
    }
}

TEST(FetchedRecords, BeginsInTheMiddleAndStopsAtTheLimit) {
    for (Codec codec : {Codec::none, Codec::zstd}) {
        FetchedRecords records(orders,
                               together({batch({0, {"a", "b", "c"}, -1, false, codec}),
                                         batch({3, {"d"}, -1, false, codec})}),
                               {}, {});
        EXPECT_EQ(records.end()->offset, 4);
        EXPECT_EQ(records.end()->leader_epoch, 5);
        std::int64_t position = 1;
        auto first = records.next(position, 1);
        ASSERT_TRUE(first && *first);
        EXPECT_EQ((*first)->records.size(), 1U);
        EXPECT_EQ((*first)->leader_epoch, 5);
        EXPECT_EQ(position, 2);
        EXPECT_EQ(read_all(records, position, 1), "2:c 3:d ");
        EXPECT_EQ(position, 4);
        // The views hold their memory.
        EXPECT_EQ(as_string(*(*first)->records[0].value), "b");
    }
}

TEST(FetchedRecords, ABatchCutShortIsNotThereYet) {
    Slice whole = batch({0, {"a"}});
    Slice cut = batch({1, {"b"}});
    FetchedRecords records(orders, together({whole, cut.slice(0, cut.size() - 1)}), {}, {});
    std::int64_t position = 0;
    EXPECT_EQ(read_all(records, position), "0:a ");
    EXPECT_EQ(position, 1);
    EXPECT_EQ(records.end()->offset, 1);
}

TEST(FetchedRecords, AbortedTransactionsAreLeftOutOfReadCommitted) {
    // Producer 7 aborts, then commits; producer 8 commits; 9 has no transaction.
    Slice bytes = together({batch({0, {"a"}, 7, true}), batch({1, {"b"}, 8, true}),
                            batch({2, {"c"}, 9, false}), batch({3, {"d"}, 7, true}),
                            marker(4, 7, ControlType::abort), batch({5, {"e"}, 7, true}),
                            marker(6, 8, ControlType::commit), marker(7, 7, ControlType::commit)});
    FetchedRecords::Aborted aborted{{7, 0}};
    DecodeOptions committed;
    committed.read_committed = true;
    FetchedRecords records(orders, bytes, aborted, committed);
    std::int64_t position = 0;
    EXPECT_EQ(read_all(records, position), "1:b 2:c 5:e ");
    EXPECT_EQ(position, 8);

    FetchedRecords all(orders, bytes, aborted, {});
    position = 0;
    EXPECT_EQ(read_all(all, position), "0:a 1:b 2:c 3:d 5:e ");
    EXPECT_EQ(position, 8);
}

TEST(FetchedRecords, AbortsThatBeganBeforeTheFetchCount) {
    // The second transaction of the same producer is aborted too.
    Slice bytes = together({batch({10, {"a"}, 7, true}), marker(11, 7, ControlType::abort),
                            batch({12, {"b"}, 7, true}), marker(13, 7, ControlType::abort)});
    DecodeOptions committed;
    committed.read_committed = true;
    FetchedRecords records(orders, bytes, {{7, 12}, {7, 3}}, committed);
    std::int64_t position = 10;
    EXPECT_EQ(read_all(records, position), "");
    EXPECT_EQ(position, 14);
}

TEST(FetchedRecords, ABrokenBatchIsNamedAgainAndAgain) {
    Slice good = batch({0, {"a"}});
    Slice bad = batch({1, {"bbbb"}});
    bad.mutable_data()[bad.size() - 3] ^= 0x20U;
    FetchedRecords records(orders, together({good, bad}), {}, {});
    std::int64_t position = 0;
    std::string text = read_all(records, position);
    EXPECT_TRUE(text.starts_with("0:a error ")) << text;
    EXPECT_NE(text.find("orders-3"), std::string::npos) << text;
    EXPECT_NE(text.find("offset 1"), std::string::npos) << text;
    EXPECT_EQ(read_all(records, position).substr(0, 5), "error");
    EXPECT_EQ(position, 1);

    DecodeOptions unchecked;
    unchecked.check_crcs = false;
    FetchedRecords trusting(orders, together({good, bad}), {}, unchecked);
    position = 0;
    EXPECT_EQ(read_all(trusting, position).substr(0, 6), "0:a 1:");
}

TEST(FetchedRecords, InflatingIsBounded) {
    DecodeOptions small;
    small.inflated_limit = 1000;
    FetchedRecords records(orders, batch({0, {std::string(100'000, 'x')}, -1, false, Codec::gzip}),
                           {}, small);
    std::int64_t position = 0;
    EXPECT_TRUE(read_all(records, position).starts_with("error"));
}

TEST(FetchedRecords, GapsOfCompactionArePassed) {
    BatchOptions options;
    options.base_offset = 10;
    BatchBuilder builder(options);
    builder.append_at(12, 1, std::nullopt, as_bytes("x"));
    builder.set_last_offset(19);
    FetchedRecords records(orders, builder.build(), {}, {});
    std::int64_t position = 10;
    EXPECT_EQ(read_all(records, position), "12:x ");
    EXPECT_EQ(position, 20);
}

}  // namespace
}  // namespace millrace::client
