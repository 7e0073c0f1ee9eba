#include "storage/remote/stored_segment.h"

#include <gtest/gtest.h>
#include <limits>

#include "base/random.h"
#include "env/sim/world.h"
#include "storage/remote/directory_store.h"
#include "storage/remote/faulty_store_for_tests.h"
#include "storage/remote/object_store_for_tests.h"

namespace millrace::storage::remote {
namespace {

RemoteLogSegment segment_of(Random& random) {
    return {.topic = "orders",
            .topic_id = Uuid::random(random),
            .partition = 3,
            .id = Uuid::random(random),
            .start_offset = 100,
            .end_offset = 199,
            .max_timestamp = 1'700'000'000'000,
            .broker_id = 2,
            .size = 0};
}

// The bytes of a segment's files, as sources.
struct Files {
    Files(Random& random, std::size_t log_size, std::size_t index_size)
        : log(Slice::copy(random_bytes(random, log_size))) {
        for (std::size_t i = 0; i < index_types; ++i) {
            bytes.push_back(random_bytes(random, random.below(index_size + 1)));
            sources.emplace_back(Slice::copy(bytes.back()));
        }
        for (std::size_t i = 0; i < index_types; ++i) files.indexes[i] = &sources[i];
        files.log = &log;
    }

    MemorySource log;
    std::vector<std::string> bytes;
    std::vector<MemorySource> sources;
    SegmentFiles files;
};

class StoredSegment : public testing::Test {
  protected:
    void SetUp() override {
        env::sim::Disk& disk = world_.add_node("nas").disk();
        ASSERT_TRUE(disk.make_directories("/remote"));
        auto opened = DirectoryStore::open(disk, "/remote", 1);
        ASSERT_TRUE(opened);
        store_ = *std::move(opened);
    }

    env::sim::World world_{1};
    Random random_{20261130};
    std::unique_ptr<DirectoryStore> store_;
};

TEST_F(StoredSegment, ComesBackAsItWent) {
    for (std::size_t index_size : {0, 100, 5'000, 3'000'000}) {
        RemoteLogSegment segment = segment_of(random_);
        Files files(random_, 10'000, index_size);
        ASSERT_TRUE(copy_segment(*store_, segment, files.files));
        EXPECT_EQ(text_of(*store_, log_key(segment)).size(), 10'000U);
        for (std::size_t first = 0; first < index_types; ++first) {
            for (std::size_t last = first; last < index_types; ++last) {
                auto got = fetch_indexes(*store_, segment, static_cast<IndexType>(first),
                                         static_cast<IndexType>(last));
                ASSERT_TRUE(got) << got.error().message;
                for (std::size_t i = 0; i < index_types; ++i) {
                    bool wanted = i >= first && i <= last;
                    EXPECT_EQ((*got)[i].view(), wanted ? files.bytes[i] : "") << i;
                }
            }
        }
        auto header = read_header(*store_, indexes_key(segment));
        ASSERT_TRUE(header) << header.error().message;
        segment.size = 10'000;
        EXPECT_EQ(header->segment, segment);
        ASSERT_TRUE(remove_segment(*store_, segment));
        ASSERT_TRUE(remove_segment(*store_, segment));
        EXPECT_EQ(store_->list(""), std::vector<std::string>());
        EXPECT_EQ(fetch_index(*store_, segment, IndexType::offset).error().code,
                  ErrorCode::resource_not_found);
    }
}

TEST_F(StoredSegment, FilesThatThereAreNotAreEmpty) {
    RemoteLogSegment segment = segment_of(random_);
    Files files(random_, 10, 100);
    files.files.index(IndexType::transaction) = nullptr;
    files.files.index(IndexType::producer_snapshot) = nullptr;
    ASSERT_TRUE(copy_segment(*store_, segment, files.files));
    auto got = fetch_indexes(*store_, segment, IndexType::offset, IndexType::producer_snapshot);
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_TRUE((*got)[static_cast<std::size_t>(IndexType::transaction)].empty());
    EXPECT_TRUE((*got)[static_cast<std::size_t>(IndexType::producer_snapshot)].empty());
    EXPECT_EQ((*got)[static_cast<std::size_t>(IndexType::leader_epoch)].view(),
              files.bytes[static_cast<std::size_t>(IndexType::leader_epoch)]);
}

TEST_F(StoredSegment, AFlippedBitIsFoundAndNamed) {
    RemoteLogSegment segment = segment_of(random_);
    Files files(random_, 10, 40);
    ASSERT_TRUE(copy_segment(*store_, segment, files.files));
    std::string key = indexes_key(segment);
    std::string whole = text_of(*store_, key);
    for (std::size_t byte = 0; byte < whole.size(); ++byte) {
        std::string bad = whole;
        bad[byte] = static_cast<char>(bad[byte] ^ (1 << random_.below(8)));
        ASSERT_TRUE(put_text(*store_, key, bad));
        auto got = fetch_indexes(*store_, segment, IndexType::offset, IndexType::producer_snapshot);
        ASSERT_FALSE(got) << "byte " << byte;
        EXPECT_TRUE(got.error().message.contains(key)) << got.error().message;
    }
    for (std::size_t size = 0; size < whole.size(); ++size) {
        ASSERT_TRUE(put_text(*store_, key, whole.substr(0, size)));
        auto got = fetch_indexes(*store_, segment, IndexType::offset, IndexType::producer_snapshot);
        EXPECT_FALSE(got) << "cut to " << size;
    }
}

TEST_F(StoredSegment, AnotherSegmentsIndexesAreRefused) {
    RemoteLogSegment segment = segment_of(random_);
    Files files(random_, 10, 40);
    ASSERT_TRUE(copy_segment(*store_, segment, files.files));
    RemoteLogSegment other = segment;
    other.id = Uuid::random(random_);
    ASSERT_TRUE(put_text(*store_, indexes_key(other), text_of(*store_, indexes_key(segment))));
    auto got = fetch_index(*store_, other, IndexType::offset);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, ErrorCode::corrupt_message);
}

TEST_F(StoredSegment, AHeaderOfALaterVersionIsNamed) {
    IndexesHeader header{.segment = segment_of(random_), .parts = {}};
    std::string text = header.to_text();
    text.replace(text.find(" 1\n"), 3, " 2\n");
    auto parsed = IndexesHeader::parse(text, "x");
    ASSERT_FALSE(parsed);
    EXPECT_EQ(parsed.error().code, ErrorCode::kafka_storage_error);
    EXPECT_TRUE(parsed.error().message.contains("millrace-remote-segment 2"));
}

TEST_F(StoredSegment, TheLongestHeaderFits) {
    RemoteLogSegment segment = segment_of(random_);
    segment.topic = std::string(249, 'x');
    segment.partition = segment.broker_id = std::numeric_limits<std::int32_t>::max();
    segment.start_offset = segment.end_offset = std::numeric_limits<Offset>::max();
    segment.max_timestamp = std::numeric_limits<Timestamp>::max();
    segment.size = std::numeric_limits<std::uint64_t>::max();
    IndexesHeader header{.segment = segment, .parts = {}};
    for (auto& part : header.parts) part.size = std::numeric_limits<std::uint32_t>::max();
    auto parsed = IndexesHeader::parse(header.to_text(), "x");
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(parsed->segment, segment);
    EXPECT_EQ(parsed->to_text(), header.to_text());
}

// Whatever fails on the way: where the .indexes object is, the segment is whole, and what is left
// of one can be removed.
TEST_F(StoredSegment, ACopyThatFailsIsNeverTakenForWhole) {
    int whole = 0;
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        SCOPED_TRACE(testing::Message() << "seed " << seed);
        FaultyStore faulty(*store_, seed, {.before = 0.2, .after = 0.2, .shortened = 0.2});
        Random random(seed);
        RemoteLogSegment segment = segment_of(random);
        Files files(random, 2'000, 300);
        bool copied = copy_segment(faulty, segment, files.files).has_value();
        whole += copied ? 1 : 0;
        auto keys = store_->list("");
        ASSERT_TRUE(keys);
        if (copied) ASSERT_EQ(keys->size(), 2U);
        if (std::ranges::count(*keys, indexes_key(segment)) == 1) {
            EXPECT_EQ(text_of(*store_, log_key(segment)).size(), 2'000U);
            EXPECT_TRUE(fetch_index(*store_, segment, IndexType::producer_snapshot));
        }
        bool removed = remove_segment(faulty, segment).has_value();
        keys = store_->list("");
        ASSERT_TRUE(keys);
        if (removed) EXPECT_TRUE(keys->empty());
        EXPECT_FALSE(keys->size() == 1 && keys->front() == indexes_key(segment));
        ASSERT_TRUE(remove_segment(*store_, segment));
    }
    EXPECT_GT(whole, 10);
    EXPECT_LT(whole, 190);
}

}  // namespace
}  // namespace millrace::storage::remote
