// Random commands from random states: what a decision writes can be applied, replaying the log
// gives the state again, and some things hold whatever comes.
#include <cstdlib>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>
#include <set>

#include "core/controller/allocate_producer_ids.h"
#include "core/controller/alter_client_quotas.h"
#include "core/controller/alter_configs.h"
#include "core/controller/alter_partition.h"
#include "core/controller/alter_scram.h"
#include "core/controller/assign_directories.h"
#include "core/controller/controller_for_tests.h"
#include "core/controller/create_partitions.h"
#include "core/controller/delete_topics.h"
#include "core/controller/update_features.h"
#include "core/metadata/changes.h"

namespace millrace::controller {
namespace {

using metadata::BrokerIds;

class Walk {
  public:
    explicit Walk(std::uint64_t seed)
        : random_(seed),
          controller_(random_.chance(0.5) ? 30 : 20, false, "min.insync.replicas=2\n", seed) {}

    void step() {
        controller_.pass(Duration::milliseconds(random_.between(0, 1'500)));
        metadata::ImagePtr before = controller_.state.share();
        command();
        check_progress(*before);
        check_partitions();
    }
    // From nothing, and from a snapshot in the middle.
    void check_replay() {
        State again(settings_for_tests("min.insync.replicas=2\n"));
        std::int64_t offset = 0;
        for (const metadata::VersionedRecord& record : controller_.log) {
            auto applied = again.apply(std::span(&record, 1), offset++, ControllerForTests::term);
            ASSERT_TRUE(applied.has_value()) << applied.error().message;
        }
        EXPECT_TRUE(again == controller_.state);

        Result<metadata::Records> records = metadata::to_records(controller_.state.image());
        ASSERT_TRUE(records.has_value()) << records.error().message;
        metadata::Replay snapshot;
        for (const auto& record : *records) ASSERT_TRUE(snapshot.apply(record, 0, 1));
        EXPECT_TRUE(snapshot.image()->same_content(controller_.state.image()));
        State loaded(settings_for_tests("min.insync.replicas=2\n"));
        loaded.load(controller_.state.share());
        EXPECT_TRUE(loaded.partitions() == controller_.state.partitions());
        EXPECT_EQ(loaded.next_offset(), controller_.state.next_offset());
    }

  private:
    std::int32_t some_broker() { return static_cast<std::int32_t>(random_.between(1, 5)); }
    BrokerIds some_brokers() {
        BrokerIds ids;
        for (std::int64_t i = random_.between(1, 3); i > 0; --i) ids.push_back(some_broker());
        return ids;
    }
    std::string some_name() { return fmt::format("t{}", random_.between(0, 6)); }

    void command() {
        switch (random_.below(13)) {
            case 0: {
                RegisterBroker command = controller_.registration(some_broker());
                if (random_.chance(0.5)) command.request.previous_broker_epoch = epoch_of(command);
                controller_.run(command);
                return;
            }
            case 1:
                controller_.run(FenceStaleBroker{});
                return;
            case 2: {
                UnregisterBroker command;
                command.request.broker_id = some_broker();
                if (random_.chance(0.2)) controller_.run(command);
                return;
            }
            case 3:
            case 4:
                return create();
            case 5:
            case 6:
                return alter_partition();
            case 7:
                return alter_config();
            case 8:
                return others();
            case 9:
                return random_.chance(0.5) ? alter_quotas() : alter_scram();
            default:
                return heartbeat();
        }
    }
    std::int64_t epoch_of(const RegisterBroker& command) {
        const metadata::Broker* broker = controller_.state.broker(command.request.broker_id);
        return broker == nullptr ? -1 : broker->epoch;
    }
    void heartbeat() {
        BrokerHeartbeat command = controller_.heartbeat(some_broker());
        command.request.want_fence = random_.chance(0.05);
        command.request.want_shut_down = random_.chance(0.1);
        if (random_.chance(0.05)) {
            command.request.offline_log_dirs = {
                ControllerForTests::directory(command.request.broker_id, random_.below(2) + 1)};
        }
        controller_.run(command);
    }
    void create() {
        CreateTopics command;
        auto topic = ControllerForTests::topic(some_name(), {});
        if (random_.chance(0.5)) {
            topic.num_partitions = static_cast<std::int32_t>(random_.between(-1, 4));
            topic.replication_factor = static_cast<std::int16_t>(random_.between(-1, 4));
        } else {
            topic = ControllerForTests::topic(some_name(), {some_brokers(), some_brokers()});
        }
        command.request.topics = {std::move(topic)};
        command.request.validate_only = random_.chance(0.05);
        controller_.run(command);
    }
    void alter_partition() {
        const auto& topics = controller_.state.image().topics;
        if (topics.size() == 0) return;
        auto at = topics.by_id().lower_bound(Uuid{random_.next(), 0});
        if (at == topics.by_id().end()) at = topics.by_id().begin();
        const metadata::Partition& partition = *at->value->partition(0);
        if (!partition.has_leader()) return;
        AlterPartition command;
        command.request.broker_id = partition.leader;
        const metadata::Broker* leader = controller_.state.broker(partition.leader);
        command.request.broker_epoch = leader == nullptr ? -1 : leader->epoch;
        auto& topic = command.request.topics.emplace_back();
        topic.topic_id = at->key;
        auto& wanted = topic.partitions.emplace_back();
        wanted.leader_epoch = partition.leader_epoch;
        wanted.partition_epoch = partition.epoch;
        for (std::int32_t id : partition.replicas) {
            if (id != partition.leader && random_.chance(0.4)) continue;
            wanted.new_isr_with_epochs.emplace_back().broker_id = id;
        }
        controller_.run(command);
    }
    void alter_config() {
        IncrementalAlterConfigs command;
        auto& resource = command.request.resources.emplace_back();
        resource.resource_type = static_cast<std::int8_t>(config::ResourceType::topic);
        resource.resource_name = some_name();
        auto& config = resource.configs.emplace_back();
        bool minimum = random_.chance(0.5);
        config.name = minimum ? "min.insync.replicas" : "unclean.leader.election.enable";
        config.value = minimum ? std::to_string(random_.between(1, 3))
                               : std::string(random_.chance(0.5) ? "true" : "false");
        controller_.run(command);
    }
    void alter_quotas() {
        AlterClientQuotas command;
        for (std::int64_t i = random_.between(1, 3); i > 0; --i) {
            auto& entry = command.request.entries.emplace_back();
            for (const char* type : {"user", "client-id", "ip"}) {
                if (random_.chance(0.5)) continue;
                auto& part = entry.entity.emplace_back();
                part.entity_type = type;
                part.entity_name = random_.chance(0.3) ? std::optional<std::string>() : "10.0.0.1";
            }
            for (const char* key : {"producer_byte_rate", "connection_creation_rate"}) {
                if (random_.chance(0.5)) continue;
                auto& op = entry.ops.emplace_back();
                op.key = key;
                op.value = static_cast<double>(random_.between(0, 3));
                op.remove = random_.chance(0.3);
            }
        }
        command.request.validate_only = random_.chance(0.1);
        AlterClientQuotasResponse response = controller_.run(command);
        EXPECT_LE(response.entries.size(), command.request.entries.size());
        if (command.request.validate_only) EXPECT_TRUE(controller_.last.empty());
    }
    void alter_scram() {
        AlterScramCredentials command;
        for (std::int64_t i = random_.between(0, 2); i > 0; --i) {
            auto& deletion = command.request.deletions.emplace_back();
            deletion.name = some_name();
            deletion.mechanism = static_cast<std::int8_t>(random_.between(0, 2));
        }
        for (std::int64_t i = random_.between(0, 2); i > 0; --i) {
            auto& upsertion = command.request.upsertions.emplace_back();
            upsertion.name = some_name();
            upsertion.mechanism = static_cast<std::int8_t>(random_.between(0, 2));
            upsertion.iterations = static_cast<std::int32_t>(random_.between(4'000, 17'000));
            upsertion.salted_password = Slice::copy("salted");
        }
        std::size_t refused = 0;
        for (const auto& result : controller_.run(command).results)
            refused += result.error_code == ErrorCode::none ? 0 : 1;
        EXPECT_LE(controller_.last.size() + refused,
                  command.request.deletions.size() + command.request.upsertions.size());
    }
    void others() {
        if (random_.chance(0.3)) {
            UpdateFeatures command;
            auto& update = command.request.feature_updates.emplace_back();
            // Never off again: what is eligible then stays in the log, but not in a snapshot.
            update.feature = metadata::elr_feature;
            update.max_version_level = 1;
            controller_.run(command);
        } else if (random_.chance(0.5)) {
            CreatePartitions command;
            auto& topic = command.request.topics.emplace_back();
            topic.name = some_name();
            topic.count = static_cast<std::int32_t>(random_.between(1, 6));
            topic.assignments.reset();
            controller_.run(command);
        } else if (random_.chance(0.5)) {
            DeleteTopics command{.version = 6};
            command.request.topics.emplace_back().name = some_name();
            controller_.run(command);
        } else {
            AllocateProducerIds command;
            command.request.broker_id = some_broker();
            const metadata::Broker* broker = controller_.state.broker(command.request.broker_id);
            command.request.broker_epoch = broker == nullptr ? 0 : broker->epoch;
            controller_.run(command);
        }
    }

    void check_progress(const metadata::Image& before) {
        EXPECT_LE(controller_.last.size(), max_records_per_decision);
        EXPECT_GE(controller_.state.image().next_producer_id, before.next_producer_id);
        for (const auto& topic : metadata::diff(before, controller_.state.image()).topics) {
            for (const metadata::PartitionChange& change : topic.partitions) {
                if (change.before == nullptr || change.after == nullptr) continue;
                EXPECT_GT(change.after->epoch, change.before->epoch);
                EXPECT_GE(change.after->leader_epoch, change.before->leader_epoch);
                if (change.after->leader != change.before->leader)
                    EXPECT_GT(change.after->leader_epoch, change.before->leader_epoch);
            }
        }
        for (const auto& [id, broker] : controller_.state.image().brokers) {
            const metadata::Broker* old = before.brokers.find(id);
            if (old != nullptr) EXPECT_GE(broker->epoch, old->epoch);
        }
    }
    void check_partitions() {
        PartitionIndex index;
        index.update(metadata::diff(metadata::Image{}, controller_.state.image()));
        EXPECT_TRUE(index == controller_.state.partitions());
        for (const auto& [id, topic] : controller_.state.image().topics.by_id()) {
            std::int32_t next = 0;
            for (const auto& [at, partition] : topic->partitions) {
                EXPECT_EQ(at, next++);
                SCOPED_TRACE(fmt::format("{}-{}", topic->name, at));
                check(*partition);
            }
        }
    }
    void check(const metadata::Partition& partition) {
        auto distinct = [](const BrokerIds& ids) {
            return std::set(ids.begin(), ids.end()).size() == ids.size();
        };
        EXPECT_TRUE(distinct(partition.replicas) && distinct(partition.isr));
        EXPECT_EQ(partition.directories.size(), partition.replicas.size());
        for (std::int32_t id : partition.isr)
            EXPECT_TRUE(metadata::contains(partition.replicas, id));
        for (std::int32_t id : partition.elr) {
            EXPECT_TRUE(metadata::contains(partition.replicas, id));
            EXPECT_FALSE(metadata::contains(partition.isr, id)) << "in sync and eligible";
        }
        if (partition.has_leader()) {
            EXPECT_TRUE(metadata::contains(partition.isr, partition.leader));
            const metadata::Broker* leader = controller_.state.broker(partition.leader);
            ASSERT_NE(leader, nullptr);
            EXPECT_FALSE(leader->fenced);
        } else if (!controller_.state.elr_enabled()) {
            EXPECT_FALSE(partition.isr.empty()) << "somebody may come back";
        }
    }

    Random random_;
    ControllerForTests controller_;
};

void walk(std::uint64_t seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Walk walk(seed);
    for (int i = 0; i < 150 && !testing::Test::HasFailure(); ++i) walk.step();
    walk.check_replay();
}

// MILLRACE_SEEDS asks for more.
TEST(ControllerProperty, RandomWalksKeepTheRules) {
    const char* wanted = std::getenv("MILLRACE_SEEDS");
    std::uint64_t seeds = wanted == nullptr ? 40 : std::strtoull(wanted, nullptr, 10);
    for (std::uint64_t seed = 1; seed <= seeds && !HasFailure(); ++seed) walk(seed);
}

RC_GTEST_PROP(ControllerProperty, AnySeedDoes, ()) {
    walk(*rc::gen::resize(100, rc::gen::arbitrary<std::uint64_t>()));
    RC_ASSERT(!testing::Test::HasFailure());
}

}  // namespace
}  // namespace millrace::controller
