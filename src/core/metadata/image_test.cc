#include "core/metadata/image.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "core/metadata/changes.h"
#include "core/metadata/delta.h"
#include "core/metadata/random_records.h"
#include "core/metadata/replay.h"
#include "core/metadata/snapshot.h"

namespace millrace::metadata {
namespace {

VersionedRecord topic_record(const std::string& name, const Uuid& id) {
    TopicRecord record;
    record.name = name;
    record.topic_id = id;
    return {std::move(record), 0};
}

VersionedRecord new_partition(const Uuid& topic, std::int32_t index) {
    PartitionRecord record;
    record.topic_id = topic;
    record.partition_id = index;
    record.replicas = record.isr = {1};
    record.leader = 1;
    record.leader_epoch = record.partition_epoch = 0;
    return {std::move(record), 0};
}

class Log {
  public:
    Result<> add(const VersionedRecord& record) { return replay_.apply(record, ++offset_, 1); }
    ImagePtr image() { return replay_.image(); }
    Replay& replay() { return replay_; }

  private:
    Replay replay_;
    std::int64_t offset_ = -1;
};

constexpr Uuid id_a{0xa, 1};
constexpr Uuid id_b{0xb, 1};

TEST(Image, TopicsAreFoundByNameIdAndInOrder) {
    Log log;
    ASSERT_TRUE(log.add(topic_record("zebra", id_a)));
    ASSERT_TRUE(log.add(new_partition(id_a, 0)));
    ASSERT_TRUE(log.add(topic_record("apple", id_b)));
    ImagePtr image = log.image();
    EXPECT_EQ(image->topics.find("zebra")->id, id_a);
    EXPECT_EQ(image->topics.find(id_b)->name, "apple");
    EXPECT_EQ(image->topics.find("zebra", 0)->leader, 1);
    EXPECT_EQ(image->topics.find("zebra", 1), nullptr);
    EXPECT_EQ(image->topics.find("none"), nullptr);
    std::vector<std::string_view> names;
    for (const auto& [name, topic] : image->topics.by_name()) names.push_back(name);
    EXPECT_EQ(names, (std::vector<std::string_view>{"apple", "zebra"}));
    EXPECT_EQ(image->topics.by_name().lower_bound(std::string_view("b"))->value->name, "zebra");
}

TEST(Image, EarlierOnesStayAsTheyWere) {
    Log log;
    ASSERT_TRUE(log.add(topic_record("t", id_a)));
    ASSERT_TRUE(log.add(new_partition(id_a, 0)));
    ImagePtr before = log.image();
    PartitionChangeRecord change;
    change.topic_id = id_a;
    change.partition_id = 0;
    change.leader = 2;
    ASSERT_TRUE(log.add({change, 0}));
    ImagePtr after = log.image();
    EXPECT_EQ(before->topics.find("t", 0)->leader, 1);
    EXPECT_EQ(after->topics.find("t", 0)->leader, 2);
    EXPECT_EQ(after->topics.find("t", 0)->leader_epoch, 1);
    EXPECT_EQ(after->topics.find("t", 0)->epoch, 1);
    EXPECT_EQ(before->offset, 1);
    EXPECT_EQ(after->offset, 2);
}

TEST(Image, ADeletedTopicTakesItsConfigsAlong) {
    Log log;
    ASSERT_TRUE(log.add(topic_record("t", id_a)));
    ConfigRecord config;
    config.resource_type = 2;
    config.resource_name = "t";
    config.name = "retention.ms";
    config.value = "1";
    ASSERT_TRUE(log.add({config, 0}));
    EXPECT_EQ(log.image()->topic_configs("t").size(), 1U);
    RemoveTopicRecord remove;
    remove.topic_id = id_a;
    ASSERT_TRUE(log.add({remove, 0}));
    EXPECT_TRUE(log.image()->topic_configs("t").empty());
    EXPECT_TRUE(log.image()->same_content(Image{}));
    ASSERT_TRUE(log.add(topic_record("t", id_b)));
    EXPECT_EQ(log.image()->topics.find("t")->id, id_b);
}

TEST(Replay, TransactionsTakeEffectAtTheirEndOrNever) {
    Log log;
    ASSERT_TRUE(log.add(topic_record("first", id_a)));
    ImagePtr before = log.image();
    ASSERT_TRUE(log.add({BeginTransactionRecord{}, 0}));
    ASSERT_TRUE(log.add(topic_record("second", id_b)));
    EXPECT_EQ(log.image(), before);
    EXPECT_EQ(log.replay().transaction_start(), 1);
    ASSERT_TRUE(log.add({AbortTransactionRecord{}, 0}));
    EXPECT_TRUE(log.image()->same_content(*before));
    EXPECT_EQ(log.image()->offset, 3);

    ASSERT_TRUE(log.add({BeginTransactionRecord{}, 0}));
    ASSERT_TRUE(log.add(topic_record("second", id_b)));
    ASSERT_TRUE(log.add(new_partition(id_b, 0)));
    ASSERT_TRUE(log.add({EndTransactionRecord{}, 0}));
    EXPECT_FALSE(log.replay().in_transaction());
    EXPECT_NE(log.image()->topics.find("second", 0), nullptr);
    EXPECT_EQ(log.image()->offset, 7);
}

TEST(Replay, TransactionRecordsOutOfPlaceAreErrors) {
    Log log;
    EXPECT_FALSE(log.add({EndTransactionRecord{}, 0}));
    EXPECT_FALSE(log.add({AbortTransactionRecord{}, 0}));
    ASSERT_TRUE(log.add({BeginTransactionRecord{}, 0}));
    EXPECT_FALSE(log.add({BeginTransactionRecord{}, 0}));
}

TEST(Replay, RecordsThatContradictTheStateAreErrors) {
    Log log;
    auto refused = [&](const MetadataRecord& record) {
        Result<> applied = log.add({record, 0});
        return !applied && applied.error().code == ErrorCode::invalid_record &&
               applied.error().message.starts_with(name_of(record));
    };
    PartitionRecord partition;
    partition.partition_id = 0;
    partition.topic_id = id_a;
    EXPECT_TRUE(refused(partition));
    ASSERT_TRUE(log.add(topic_record("t", id_a)));
    EXPECT_TRUE(refused(topic_record("t", id_b).message));
    EXPECT_TRUE(refused(topic_record("u", id_a).message));
    partition.replicas = {1};
    partition.directories = {Uuid{5, 5}, Uuid{6, 6}};
    EXPECT_TRUE(refused(partition));
    partition.directories = {};
    partition.partition_id = -1;
    EXPECT_TRUE(refused(partition));

    PartitionChangeRecord change;
    change.topic_id = id_a;
    change.partition_id = 7;
    EXPECT_TRUE(refused(change));
    RemoveTopicRecord remove;
    remove.topic_id = id_b;
    EXPECT_TRUE(refused(remove));
    UnregisterBrokerRecord unregister;
    unregister.broker_id = 3;
    EXPECT_TRUE(refused(unregister));
    FenceBrokerRecord fence;
    fence.id = 3;
    EXPECT_TRUE(refused(fence));
    FeatureLevelRecord level;
    level.name = "metadata.version";
    level.feature_level = 99;
    EXPECT_TRUE(refused(level));
    ClearElrRecord clear;
    clear.topic_name = "none";
    EXPECT_TRUE(refused(clear));
    ProducerIdsRecord ids;
    ids.next_producer_id = -1;
    EXPECT_TRUE(refused(ids));
}

TEST(Snapshot, AnImageIsMadeAgainFromItsRecords) {
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        RandomRecords source(seed);
        Log log;
        for (int i = 0; i < 400; ++i) ASSERT_TRUE(log.add(source.next(*log.image())));
        ImagePtr image = log.image();
        Result<Records> records = to_records(*image);
        ASSERT_TRUE(records.has_value()) << records.error().message;
        Log again;
        for (const VersionedRecord& record : *records) {
            Result<Slice> encoded = encode(record);
            ASSERT_TRUE(encoded.has_value()) << encoded.error().message;
            ASSERT_TRUE(again.add(*decode(*encoded)));
        }
        EXPECT_TRUE(again.image()->same_content(*image));
        EXPECT_TRUE(diff(*again.image(), *image).empty());
        EXPECT_TRUE(diff(*image, *again.image()).empty());
    }
}

TEST(Snapshot, WhatTheMetadataVersionCannotSayIsAnError) {
    Log log;
    FeatureLevelRecord level;
    level.name = "metadata.version";
    level.feature_level = 7;
    EXPECT_FALSE(to_records(*log.image()).has_value());
    ASSERT_TRUE(log.add({level, 0}));
    EXPECT_TRUE(to_records(*log.image()).has_value());
    UserScramCredentialRecord credential;
    credential.name = "u";
    ASSERT_TRUE(log.add({credential, 0}));
    EXPECT_EQ(to_records(*log.image()).error().code, ErrorCode::unsupported_version);
}

// One record at a time, many at once, or in transactions: the same image.
TEST(Replay, HowRecordsAreGroupedDoesNotMatter) {
    for (std::uint64_t seed = 100; seed < 120; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        RandomRecords source(seed);
        Random random(seed);
        Log one_by_one;
        Log grouped;
        bool open = false;
        for (int i = 0; i < 300; ++i) {
            VersionedRecord record = source.next(*one_by_one.image());
            ASSERT_TRUE(one_by_one.add(record));
            if (!open && random.chance(0.05)) {
                ASSERT_TRUE(grouped.add({BeginTransactionRecord{}, 0}));
                open = true;
            }
            ASSERT_TRUE(grouped.add(record));
            if (open && random.chance(0.1)) {
                ASSERT_TRUE(grouped.add({EndTransactionRecord{}, 0}));
                open = false;
            }
            if (random.chance(0.05)) (void)grouped.image();
        }
        if (open) ASSERT_TRUE(grouped.add({EndTransactionRecord{}, 0}));
        EXPECT_TRUE(grouped.image()->same_content(*one_by_one.image()));
    }
}

TEST(Changes, SayWhatBecameOfTopics) {
    Log log;
    ASSERT_TRUE(log.add(topic_record("stays", id_a)));
    for (int i = 0; i < 200; ++i) ASSERT_TRUE(log.add(new_partition(id_a, i)));
    ASSERT_TRUE(log.add(topic_record("again", id_b)));
    ASSERT_TRUE(log.add(new_partition(id_b, 0)));
    ImagePtr before = log.image();
    PartitionChangeRecord change;
    change.topic_id = id_a;
    change.partition_id = 77;
    change.isr = BrokerIds{1, 2};
    ASSERT_TRUE(log.add({change, 0}));
    RemoveTopicRecord remove;
    remove.topic_id = id_b;
    ASSERT_TRUE(log.add({remove, 0}));
    ASSERT_TRUE(log.add(topic_record("again", Uuid{1, 1})));

    Changes changes = diff(*before, *log.image());
    ASSERT_EQ(changes.topics.size(), 3U);
    EXPECT_TRUE(changes.topics[0].deleted());
    EXPECT_EQ(changes.topics[0].topic().id, id_b);
    EXPECT_EQ(changes.topics[0].partitions.size(), 1U);
    EXPECT_TRUE(changes.topics[1].created());
    EXPECT_EQ(changes.topics[2].topic().name, "stays");
    ASSERT_EQ(changes.topics[2].partitions.size(), 1U);
    EXPECT_EQ(changes.topics[2].partitions[0].index, 77);
    EXPECT_EQ(changes.topics[2].partitions[0].before->isr, (BrokerIds{1}));
    EXPECT_EQ(changes.topics[2].partitions[0].after->isr, (BrokerIds{1, 2}));
    EXPECT_TRUE(diff(*before, *before).empty());
}

// Applying what diff() says to the old topics gives the new ones.
TEST(Changes, AreAllThatDiffers) {
    using Flat = std::map<std::pair<Uuid, std::int32_t>, std::shared_ptr<const Partition>>;
    auto flat = [](const Image& image) {
        Flat all;
        for (const auto& [id, topic] : image.topics.by_id()) {
            for (const auto& [index, partition] : topic->partitions) all[{id, index}] = partition;
        }
        return all;
    };
    for (std::uint64_t seed = 200; seed < 215; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        RandomRecords source(seed);
        Log log;
        for (int round = 0; round < 20; ++round) {
            ImagePtr before = log.image();
            for (int i = 0; i < 30; ++i) ASSERT_TRUE(log.add(source.next(*log.image())));
            Flat topics = flat(*before);
            for (const TopicChange& topic : diff(*before, *log.image()).topics) {
                for (const PartitionChange& change : topic.partitions) {
                    std::pair key(topic.topic().id, change.index);
                    ASSERT_EQ(topics[key] != nullptr, change.before != nullptr);
                    if (change.after == nullptr) {
                        topics.erase(key);
                    } else {
                        topics[key] = change.after;
                    }
                }
            }
            ASSERT_EQ(topics, flat(*log.image()));
        }
    }
}

}  // namespace
}  // namespace millrace::metadata
