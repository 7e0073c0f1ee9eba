#include "core/transactions/transaction_records.h"

#include <fmt/format.h>
#include <fstream>
#include <gtest/gtest.h>
#include <string>

namespace millrace::transactions {
namespace {

std::string hex(const Slice& slice) {
    std::string text;
    for (std::uint8_t byte : slice.bytes()) text += fmt::format("{:02x}", byte);
    return text;
}

Slice of_hex(const std::string& text) {
    std::string bytes;
    for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
        bytes += static_cast<char>(std::stoi(text.substr(i, 2), nullptr, 16));
    }
    return Slice::copy(bytes);
}

Transaction sample() {
    Transaction transaction;
    transaction.producer = {4000, 3};
    transaction.previous_producer_id = 4000;
    transaction.timeout_ms = 60'000;
    transaction.state = TransactionState::ongoing;
    transaction.partitions = {{"orders", 0}, {"orders", 2}, {"payments", 1}};
    transaction.started = 1'700'000'000'000;
    transaction.updated = 1'700'000'000'500;
    transaction.client_version = 2;
    return transaction;
}

TEST(TransactionRecords, AreReadAsTheyWereWritten) {
    for (std::int16_t version : {0, 1, 2}) {
        Transaction written = sample();
        auto entry = parse(transaction_record("t-1", written, version));
        ASSERT_TRUE(entry && *entry);
        EXPECT_EQ((*entry)->transactional_id, "t-1");
        if (version == 0) written.previous_producer_id = -1;
        if (version == 0) written.client_version = 0;
        EXPECT_EQ((*entry)->transaction, written);
    }
    auto tombstone = parse(transaction_tombstone("t-1"));
    ASSERT_TRUE(tombstone && *tombstone);
    EXPECT_FALSE((*tombstone)->transaction);
}

// Apache's classes of 4.3.1 wrote recorded/records.txt: read and written again, it is the same.
TEST(TransactionRecords, AreThoseOfApache) {
    std::ifstream file(MILLRACE_SOURCE_DIR "/src/core/transactions/recorded/records.txt");
    int version = -1;
    int count = 0;
    for (std::string key, value; file >> version >> key >> value; ++count) {
        SCOPED_TRACE(value);
        auto entry = parse({of_hex(key), of_hex(value)});
        ASSERT_TRUE(entry && *entry && (*entry)->transaction);
        coordinator::Record again = transaction_record(
            (*entry)->transactional_id, *(*entry)->transaction, static_cast<std::int16_t>(version));
        EXPECT_EQ(hex(again.key), key);
        EXPECT_EQ(hex(*again.value), value);
    }
    EXPECT_EQ(count, 18);
}

TEST(TransactionRecords, NonsenseIsAnError) {
    auto of = [](std::string key, std::string value) {
        return parse({Slice::copy(key), Slice::copy(value)});
    };
    std::string key("\0\0\0\1t", 5);
    EXPECT_FALSE(of("", ""));
    EXPECT_FALSE(of(std::string("\0\0\0\7t", 5), ""));
    EXPECT_FALSE(of(key, ""));
    EXPECT_FALSE(of(key, std::string("\0\7", 2)));
    Slice whole = *transaction_record("t", sample(), 2).value;
    for (std::size_t size = 0; size < whole.size(); ++size) {
        EXPECT_FALSE(of(key, std::string(whole.view().substr(0, size)))) << size;
    }
    std::string unknown(whole.view());
    unknown[16] = 8;  // the state
    EXPECT_FALSE(of(key, unknown));
    auto other = of(std::string("\0\1\0\1t", 5), "");
    ASSERT_TRUE(other);
    EXPECT_FALSE(*other) << "a kind of record that this version does not know";
}

}  // namespace
}  // namespace millrace::transactions
