// Rules of one partition that no command of this room can bring about alone.
#include "core/controller/partition_change.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <set>

namespace millrace::controller {
namespace {

using metadata::BrokerIds;
using metadata::Partition;
using testing::ElementsAre;
using testing::Optional;

struct Case {
    Partition partition;
    std::set<std::int32_t> alive;
    bool elr = false;
    std::int32_t min_insync_replicas = 1;
    std::int16_t level = 30;

    static Case of(BrokerIds replicas, BrokerIds isr, std::int32_t leader) {
        Case made;
        made.partition.directories.assign(replicas.size(), metadata::unassigned_directory);
        made.alive = {replicas.begin(), replicas.end()};
        made.partition.replicas = std::move(replicas);
        made.partition.isr = std::move(isr);
        made.partition.leader = leader;
        return made;
    }
    PartitionChange change() {
        return PartitionChange(
            Uuid{1, 1}, 0, partition,
            {.version = *metadata::MetadataVersion::of_level(level),
             .elr_enabled = elr,
             .min_insync_replicas = min_insync_replicas,
             .may_lead = [this](std::int32_t id) { return alive.contains(id); },
             .default_directory =
                 [](std::int32_t id) { return Uuid{100, static_cast<std::uint64_t>(id)}; }});
    }
    std::optional<PartitionChangeRecord> record(auto prepare) {
        PartitionChange prepared = change();
        prepare(prepared);
        auto built = prepared.build();
        if (!built) return std::nullopt;
        return std::get<PartitionChangeRecord>(built->message);
    }
    std::optional<PartitionChangeRecord> record() {
        return record([](PartitionChange&) {});
    }
};

TEST(PartitionChange, NothingToDoIsNoRecord) {
    Case one = Case::of({1, 2}, {1, 2}, 1);
    EXPECT_EQ(one.record(), std::nullopt);
}

TEST(PartitionChange, ThePreferredLeaderIsElectedWhenAsked) {
    Case one = Case::of({1, 2, 3}, {3, 2, 1}, 3);
    EXPECT_EQ(one.record([](PartitionChange& change) { change.set_election(Election::preferred); })
                  ->leader,
              1);
    one.partition.isr = {3, 2};
    EXPECT_EQ(one.record([](PartitionChange& change) { change.set_election(Election::preferred); }),
              std::nullopt)
        << "it is not in sync";
}

TEST(PartitionChange, AReassignmentIsCompleteWhenTheNewOnesAreInSync) {
    Case one = Case::of({1, 2, 3, 4}, {1, 2, 3}, 1);
    one.partition.adding = {3, 4};
    one.partition.removing = {1, 2};
    EXPECT_EQ(one.record(), std::nullopt);
    auto record = one.record([](PartitionChange& change) { change.set_isr({1, 2, 3, 4}); });
    ASSERT_TRUE(record);
    EXPECT_THAT(record->replicas, Optional(ElementsAre(3, 4)));
    EXPECT_THAT(record->isr, Optional(ElementsAre(3, 4)));
    EXPECT_THAT(record->adding_replicas, Optional(ElementsAre()));
    EXPECT_THAT(record->removing_replicas, Optional(ElementsAre()));
    EXPECT_EQ(record->leader, 3);
}

TEST(PartitionChange, FewerReplicasWaitForAllThatStay) {
    Case one = Case::of({1, 2, 3}, {1, 3}, 1);
    one.partition.removing = {3};
    EXPECT_EQ(one.record(), std::nullopt) << "2 has not caught up";
    auto record = one.record([](PartitionChange& change) { change.set_isr({1, 2, 3}); });
    EXPECT_THAT(record->replicas, Optional(ElementsAre(1, 2)));
    // Who is no replica any more must hear of it by a new epoch.
    EXPECT_EQ(record->leader, 1);
}

TEST(PartitionChange, NewReplicasGetADirectory) {
    Case one = Case::of({1}, {1}, 1);
    auto record = one.record([](PartitionChange& change) { change.set_replicas({1, 2}); });
    EXPECT_THAT(record->directories,
                Optional(ElementsAre(metadata::unassigned_directory, Uuid{100, 2})));
    one.level = 16;
    EXPECT_EQ(one.record([](PartitionChange& change) { change.set_replicas({1, 2}); })->directories,
              std::nullopt);
}

TEST(PartitionChange, OldVersionsRaiseTheEpochWhenTheIsrShrinks) {
    for (std::int16_t level : {11, 12}) {
        Case one = Case::of({1, 2}, {1, 2}, 1);
        one.level = level;
        EXPECT_EQ(one.record([](PartitionChange& change) { change.set_isr({1}); })->leader,
                  level < 12 ? 1 : metadata::leader_unchanged);
    }
}

TEST(PartitionChange, WithoutElrTheLastOneStaysInTheIsr) {
    Case one = Case::of({1, 2}, {1}, 1);
    one.alive = {2};
    auto record = one.record([](PartitionChange& change) { change.set_isr({}); });
    EXPECT_EQ(record->leader, metadata::no_leader);
    EXPECT_EQ(record->isr, std::nullopt);
}

TEST(PartitionChange, AnUncleanLeaderIsAloneAndRecovers) {
    Case one = Case::of({1, 2}, {1}, 1);
    one.alive = {2};
    auto record = one.record([](PartitionChange& change) {
        change.set_election(Election::unclean);
        change.set_isr({});
    });
    EXPECT_EQ(record->leader, 2);
    EXPECT_THAT(record->isr, Optional(ElementsAre(2)));
    EXPECT_EQ(record->leader_recovery_state, 1);
}

// KIP-966 from the first loss to the return.
TEST(PartitionChange, EligibleLeadersOutliveTheIsr) {
    Case one = Case::of({1, 2, 3}, {1, 2, 3}, 1);
    one.elr = true;
    one.min_insync_replicas = 3;
    one.alive = {1, 2};
    auto record = one.record([](PartitionChange& change) { change.set_isr({1, 2}); });
    EXPECT_THAT(record->eligible_leader_replicas, Optional(ElementsAre(3)));
    one.partition = *one.partition.changed_by(*record);

    one.alive = {};
    record = one.record([](PartitionChange& change) { change.set_isr({}); });
    EXPECT_EQ(record->leader, metadata::no_leader);
    EXPECT_THAT(record->isr, Optional(ElementsAre()));
    EXPECT_THAT(record->eligible_leader_replicas, Optional(ElementsAre(1, 2, 3)));
    EXPECT_THAT(record->last_known_elr, Optional(ElementsAre(1)));
    one.partition = *one.partition.changed_by(*record);

    one.alive = {3};
    record = one.record();
    EXPECT_EQ(record->leader, 3);
    EXPECT_THAT(record->isr, Optional(ElementsAre(3)));
    EXPECT_THAT(record->eligible_leader_replicas, Optional(ElementsAre(1, 2)));
    EXPECT_THAT(record->last_known_elr, Optional(ElementsAre()));
    EXPECT_EQ(record->leader_recovery_state, -1) << "it has all that was acknowledged";
}

TEST(PartitionChange, TheLastLeaderIsElectedWhenNobodyIsEligible) {
    Case one = Case::of({1, 2}, {}, metadata::no_leader);
    one.elr = true;
    one.min_insync_replicas = 2;
    one.partition.last_known_elr = {2};
    one.alive = {1};
    EXPECT_EQ(one.record(), std::nullopt);
    one.alive = {1, 2};
    auto record = one.record();
    EXPECT_EQ(record->leader, 2);
    EXPECT_EQ(record->leader_recovery_state, 1) << "it may have lost records";
    EXPECT_THAT(record->last_known_elr, Optional(ElementsAre()));
}

TEST(PartitionChange, WhoCrashedIsNotEligible) {
    Case one = Case::of({1, 2}, {1, 2}, 1);
    one.elr = true;
    one.min_insync_replicas = 2;
    one.alive = {1};
    auto record = one.record([](PartitionChange& change) {
        change.set_isr({1});
        change.set_unclean_shutdown(2);
    });
    EXPECT_EQ(record->eligible_leader_replicas, std::nullopt);
    EXPECT_THAT(record->isr, Optional(ElementsAre(1)));
}

}  // namespace
}  // namespace millrace::controller
