#include "records/validate.h"

#include <fstream>
#include <gtest/gtest.h>
#include <malloc.h>
#include <sstream>
#include <string>
#include <sys/resource.h>
#include <unistd.h>
#include <vector>

#include "base/random.h"
#include "records/builder.h"
#include "records/decompressor.h"
#include "records/record.h"

namespace millrace {
namespace {

constexpr Timestamp now = 1'700'000'000'000;

Buffer from_hex(std::string_view hex) {
    Buffer bytes;
    for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        bytes.push_back(
            static_cast<std::uint8_t>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16)));
    return bytes;
}

Slice some_batch(Codec codec = Codec::none, int count = 3) {
    BatchOptions options;
    options.codec = codec;
    BatchBuilder builder(options);
    for (int i = 0; i < count; ++i) builder.append(now + i, as_bytes("key"), as_bytes("value"));
    return builder.build();
}

ProduceRules rules_of_partition() {
    ProduceRules rules;
    rules.partition = "orders-3";
    return rules;
}

ErrorCode verdict_on(Slice records, const ProduceRules& rules = rules_of_partition()) {
    BatchValidator validator;
    auto result = validator.validate(std::move(records), rules, now);
    return result ? ErrorCode::none : result.error().error.code;
}

template <typename Change>
Slice changed(Slice batch, Change change) {
    batch = Slice::copy(batch.bytes());
    change(batch.mutable_data());
    refresh_crc({batch.mutable_data(), batch.size()});
    return batch;
}

// One line of testdata/apache_batches.tsv, whose first line names the columns.
struct ApacheCase {
    std::string name;
    ProduceRules rules;
    Timestamp now = 0;
    int error = 0;
    std::string records;
    std::string max_timestamp;
    Buffer in;
    Buffer out;
};

std::vector<ApacheCase> apache_cases() {
    std::ifstream file(MILLRACE_SOURCE_DIR "/src/records/testdata/apache_batches.tsv");
    std::vector<ApacheCase> cases;
    std::string line;
    std::getline(file, line);
    while (std::getline(file, line)) {
        std::vector<std::string> columns;
        std::istringstream fields(line);
        for (std::string column; std::getline(fields, column, '\t');) columns.push_back(column);
        columns.resize(12);
        ApacheCase one;
        one.name = columns[0] + " -> " + columns[1];
        one.rules.partition = "t-3";
        one.rules.codec = codec_named(columns[1]);
        one.rules.compacted = columns[2] == "1";
        one.rules.timestamp_type = static_cast<TimestampType>(std::stoi(columns[3]));
        one.now = std::stoll(columns[4]);
        one.rules.timestamp_before_max_ms = std::stoll(columns[5]);
        one.rules.timestamp_after_max_ms = std::stoll(columns[6]);
        one.error = std::stoi(columns[7]);
        one.records = columns[8];
        one.max_timestamp = columns[9];
        one.in = from_hex(columns[10]);
        one.out = from_hex(columns[11]);
        cases.push_back(std::move(one));
    }
    return cases;
}

// The header without what depends on the release of a compression library: length and CRC.
std::string stable_header(Bytes batch) {
    std::string header(as_string(batch.first(batch_header_size)));
    header.replace(batch_layout::length, 4, 4, '-');
    header.replace(batch_layout::crc, 4, 4, '-');
    return header;
}

void expect_same_batch(const Slice& ours, const Slice& apaches) {
    if (ours.view() == apaches.view()) return;
    BatchView view = BatchView::parse(apaches).value();
    ASSERT_NE(view.codec(), Codec::none);
    EXPECT_EQ(stable_header(ours), stable_header(apaches));
    auto our_records = inflate(ours);
    auto apaches_records = inflate(apaches);
    ASSERT_TRUE(our_records) << our_records.error().message;
    ASSERT_TRUE(apaches_records) << apaches_records.error().message;
    EXPECT_EQ(our_records->view(), apaches_records->view());
    // How the stream is framed.
    std::size_t framing = view.codec() == Codec::gzip ? 10 : view.codec() == Codec::snappy ? 16 : 7;
    if (view.codec() == Codec::zstd) framing = 6;
    EXPECT_EQ(as_string(BatchView::parse(ours)->payload().first(framing)),
              as_string(view.payload().first(framing)));
}

TEST(Validate, JudgesAsApacheDoes) {
    auto cases = apache_cases();
    ASSERT_EQ(cases.size(), 120U);
    BatchValidator validator;
    for (ApacheCase& one : cases) {
        SCOPED_TRACE(one.name);
        auto result = validator.validate(std::move(one.in).freeze(), one.rules, one.now);
        EXPECT_EQ(result ? 0 : static_cast<int>(result.error().error.code), one.error);
        if (!result) {
            std::string records;
            for (const RecordError& error : result.error().record_errors)
                records += (records.empty() ? "" : ",") + std::to_string(error.index);
            EXPECT_EQ(records, one.records);
            continue;
        }
        EXPECT_EQ(std::to_string(result->max_timestamp), one.max_timestamp);
        MutableBytes stored(result->batch.mutable_data(), result->batch.size());
        set_base_offset(stored, 100);
        set_leader_epoch(stored, 9);
        expect_same_batch(result->batch, std::move(one.out).freeze());
    }
}

TEST(Validate, TakesOneWholeBatch) {
    EXPECT_EQ(verdict_on(some_batch()), ErrorCode::none);
    EXPECT_EQ(verdict_on(Slice()), ErrorCode::invalid_record);
    EXPECT_EQ(verdict_on(some_batch().slice(0, 70)), ErrorCode::invalid_record);
    Buffer two;
    two.append(some_batch());
    two.append(some_batch());
    EXPECT_EQ(verdict_on(std::move(two).freeze()), ErrorCode::invalid_record);
    Buffer tail;
    tail.append(some_batch());
    tail.append(some_batch().bytes().first(30));
    BatchValidator validator;
    auto result = validator.validate(std::move(tail).freeze(), rules_of_partition(), now);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->batch.size(), some_batch().size());
}

TEST(Validate, RefusesDamagedFrames) {
    auto with_byte = [](std::size_t at, std::uint8_t byte) {
        Slice batch = some_batch();
        batch.mutable_data()[at] = byte;
        return batch;
    };
    EXPECT_EQ(verdict_on(with_byte(batch_layout::magic, 1)), ErrorCode::invalid_record);
    EXPECT_EQ(verdict_on(with_byte(batch_layout::magic, 3)), ErrorCode::corrupt_message);
    EXPECT_EQ(verdict_on(with_byte(batch_layout::length, 0x80)), ErrorCode::corrupt_message);
    EXPECT_EQ(verdict_on(with_byte(batch_layout::length, 0x7f)), ErrorCode::invalid_record);
    EXPECT_EQ(verdict_on(with_byte(batch_layout::crc, 0)), ErrorCode::corrupt_message);
    EXPECT_EQ(verdict_on(with_byte(64, 0xff)), ErrorCode::corrupt_message);
    EXPECT_EQ(verdict_on(with_byte(7, 1)), ErrorCode::invalid_record);
}

TEST(Validate, RefusesByRules) {
    ProduceRules rules = rules_of_partition();
    Slice batch = some_batch(Codec::zstd);
    rules.allow_zstd = false;
    EXPECT_EQ(verdict_on(batch, rules), ErrorCode::unsupported_compression_type);
    rules = rules_of_partition();
    rules.max_message_bytes = static_cast<std::int32_t>(batch.size());
    EXPECT_EQ(verdict_on(batch, rules), ErrorCode::none);
    --rules.max_message_bytes;
    EXPECT_EQ(verdict_on(batch, rules), ErrorCode::message_too_large);
    rules = rules_of_partition();
    rules.allow_transactional = false;
    Slice transactional = changed(some_batch(), [](std::uint8_t* at) { at[22] |= 0x10; });
    EXPECT_EQ(verdict_on(transactional, rules), ErrorCode::transactional_id_authorization_failed);
    EXPECT_EQ(verdict_on(changed(some_batch(), [](std::uint8_t* at) { at[22] |= 7; })),
              ErrorCode::unknown_server_error);
}

TEST(Validate, ARebuiltBatchMustFitToo) {
    BatchOptions options;
    options.codec = Codec::gzip;
    BatchBuilder builder(options);
    builder.append(now, std::nullopt, as_bytes(std::string(100000, 'x')));
    ProduceRules rules = rules_of_partition();
    rules.codec = Codec::none;
    rules.max_message_bytes = 50000;
    EXPECT_EQ(verdict_on(builder.build(), rules), ErrorCode::message_too_large);
}

TEST(Validate, RefusesGapsBetweenOffsets) {
    for (Codec codec : {Codec::none, Codec::lz4}) {
        BatchOptions options;
        options.codec = codec;
        BatchBuilder builder(options);
        builder.append(now, std::nullopt, as_bytes("a"));
        builder.append_at(2, now, std::nullopt, as_bytes("b"));
        Slice gap = changed(builder.build(), [](std::uint8_t* at) {
            store_be(at + batch_layout::last_offset_delta, std::int32_t{1});
        });
        EXPECT_EQ(verdict_on(gap), ErrorCode::invalid_record);
    }
}

TEST(Validate, RecordErrorsNameEachRecord) {
    ProduceRules rules = rules_of_partition();
    rules.timestamp_after_max_ms = 1;
    BatchValidator validator;
    auto result = validator.validate(some_batch(), rules, now);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().error.code, ErrorCode::invalid_timestamp);
    ASSERT_EQ(result.error().record_errors.size(), 1U);
    EXPECT_EQ(result.error().record_errors[0].index, 2);
    EXPECT_EQ(result.error().record_errors[0].message,
              "Timestamp 1700000000002 of the record at offset 2 is outside "
              "[-9223370336854775807, 1700000000001]");
}

TEST(Validate, RecordErrorsAreBounded) {
    ProduceRules rules = rules_of_partition();
    rules.compacted = true;
    BatchBuilder builder;
    for (int i = 0; i < 5000; ++i) builder.append(now, std::nullopt, as_bytes(""));
    BatchValidator validator;
    auto result = validator.validate(builder.build(), rules, now);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().record_errors.size(), most_record_errors);
    EXPECT_NE(result.error().error.message.find("5000 of 5000"), std::string::npos);
}

// Lets the process have so much more memory than it has now. The sanitizers' own memory is too
// large to be limited.
class MemoryLimit {
  public:
    explicit MemoryLimit(std::size_t more) {
        malloc_trim(0);
        getrlimit(RLIMIT_DATA, &before_);
        std::size_t pages[6] = {};
        std::ifstream file("/proc/self/statm");
        for (std::size_t& n : pages) file >> n;
        rlimit limit = before_;
        limit.rlim_cur = pages[5] * static_cast<std::size_t>(sysconf(_SC_PAGESIZE)) + more;
#if !__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer)
        setrlimit(RLIMIT_DATA, &limit);
#endif
    }
    ~MemoryLimit() { setrlimit(RLIMIT_DATA, &before_); }

  private:
    rlimit before_{};
};

TEST(Validate, HugeRecordsPassWithoutBeingHeld) {
    std::string big(20'000'000, 'x');
    for (Codec codec : {Codec::gzip, Codec::snappy, Codec::lz4, Codec::zstd}) {
        SCOPED_TRACE(codec_name(codec));
        BatchOptions options;
        options.codec = codec;
        BatchBuilder builder(options);
        RecordHeader header{"name", as_bytes(big)};
        builder.append(now, as_bytes(big), as_bytes(big), {&header, 1});
        builder.append(now, as_bytes("k"), std::nullopt);
        Slice batch = builder.build();
        builder = BatchBuilder();
        ProduceRules rules = rules_of_partition();
        rules.max_message_bytes = 100'000'000;
        MemoryLimit limit(std::size_t{8} << 20U);
        EXPECT_EQ(verdict_on(batch, rules), ErrorCode::none);
        rules.inflated_limit = 30'000'000;
        EXPECT_EQ(verdict_on(batch, rules), ErrorCode::unknown_server_error);
    }
}

TEST(Validate, DamagedRecordsAreRefusedNotFollowed) {
    Random random(20261124);
    int refused = 0;
    for (int round = 0; round < 20000; ++round) {
        auto codec = static_cast<Codec>(random.below(5));
        Slice batch = changed(some_batch(codec, 5), [&](std::uint8_t* at) {
            std::size_t size = BatchView::trusted({at, batch_header_size}).size();
            for (std::uint64_t i = 0; i < 1 + random.below(3); ++i)
                at[batch_header_size + random.below(size - batch_header_size)] =
                    static_cast<std::uint8_t>(random.below(256));
        });
        if (verdict_on(batch) != ErrorCode::none) ++refused;
    }
    EXPECT_GT(refused, 5000) << "seed 20261124";
}

}  // namespace
}  // namespace millrace
