#include "core/groups/group_coordinator.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <vector>

#include "core/groups/group_records.h"

namespace millrace::groups {
namespace {

constexpr Timestamp wall_at_start = 1'700'000'000'000;

// A coordinator whose appends are committed at once.
class Coordinator {
  public:
    explicit Coordinator(const GroupOptions& from = {}) : options(from) {
        groups.set_wall_clock(now, wall_at_start);
        groups.loaded(now);
    }
    void take(Effects effects) {
        while (!effects.appends.empty()) {
            Effects more;
            for (Append& append : effects.appends) {
                write(append.records);
                groups.committed(append.id, ErrorCode::none, now, more);
            }
            std::ranges::move(effects.replies, std::back_inserter(replies));
            effects = std::move(more);
        }
        std::ranges::move(effects.replies, std::back_inserter(replies));
    }
    void write(const std::vector<GroupRecord>& records) {
        for (const GroupRecord& record : records) {
            EXPECT_TRUE(groups.apply(record));
            log.push_back(record);
        }
    }
    void pass(Duration time) {
        Time end = now + time;
        while (groups.wake_at() <= end) {
            now = std::max(now + Duration::milliseconds(1), groups.wake_at());
            Effects effects;
            groups.tick(now, effects);
            take(std::move(effects));
        }
        now = std::max(now, end);
    }
    // The only member of a stable group.
    std::string join(const std::string& group, const Slice& subscription = Slice::copy("x")) {
        JoinGroupRequest request{.group_id = group,
                                 .session_timeout_ms = 10'000,
                                 .rebalance_timeout_ms = 60'000,
                                 .protocol_type = "consumer"};
        request.protocols.push_back({.name = "range", .metadata = subscription});
        Effects effects;
        groups.join(request, 3, {"c", "/h"}, group + "-member", ++ticket, now, effects);
        take(std::move(effects));
        pass(options.initial_rebalance_delay * 2);
        std::string id = group + "-member";
        SyncGroupRequest sync{.group_id = group, .generation_id = 1, .member_id = id};
        sync.assignments.push_back({.member_id = id, .assignment = Slice::copy("a")});
        Effects synced;
        groups.sync(sync, ++ticket, now, synced);
        take(std::move(synced));
        return id;
    }
    void leave(const std::string& group, const std::string& member) {
        LeaveGroupRequest request{.group_id = group};
        request.members.push_back({.member_id = member});
        Effects effects;
        groups.leave(request, 3, now, effects);
        take(std::move(effects));
    }
    ErrorCode commit(const std::string& group, const std::string& topic, std::string member = {},
                     std::int32_t generation = -1, CommittedOffset offset = {.offset = 5}) {
        if (offset.commit_timestamp < 0) offset.commit_timestamp = wall();
        Commit request{.group_id = group, .member_id = std::move(member), .generation = generation};
        request.partitions.push_back({topic, 0, std::move(offset)});
        auto decision = groups.commit_offsets(request, now);
        write(decision.records);
        return decision.response.at(0);
    }
    int expire() {
        auto decision = groups.expire_offsets(now);
        write(decision.records);
        return decision.response;
    }
    Timestamp wall() const { return wall_at_start + (now - start).ms(); }
    bool has(const std::string& group, const std::string& topic) {
        return groups.offset(group, topic, 0) != nullptr;
    }

    const Time start = Time() + Duration::seconds(100);
    Time now = start;
    GroupOptions options;
    GroupCoordinator groups{options};
    std::vector<GroupRecord> log;
    std::vector<Reply> replies;
    Ticket ticket = 0;
};

const Duration week = Duration::seconds(604'800);

TEST(Offsets, AreCommittedByMembersOfTheGenerationOnly) {
    Coordinator c;
    std::string member = c.join("g");
    EXPECT_EQ(c.commit("g", "t", member, 1), ErrorCode::none);
    EXPECT_EQ(c.groups.offset("g", "t", 0)->offset, 5);
    EXPECT_EQ(c.commit("g", "t", member, 2), ErrorCode::illegal_generation);
    EXPECT_EQ(c.commit("g", "t", "stranger", 1), ErrorCode::unknown_member_id);
    EXPECT_EQ(c.commit("g", "t"), ErrorCode::unknown_member_id)
        << "a simple consumer among members";
    EXPECT_EQ(c.commit("", "t"), ErrorCode::none) << "old clients have groups without a name";
    c.leave("g", member);
    EXPECT_EQ(c.commit("g", "t"), ErrorCode::none) << "an empty group";
    EXPECT_EQ(c.commit("g", "t", member, 1), ErrorCode::unknown_member_id);
}

TEST(Offsets, NeedNoGroup) {
    Coordinator c;
    EXPECT_EQ(c.commit("simple", "t"), ErrorCode::none);
    EXPECT_EQ(c.commit("other", "t", "m", 3), ErrorCode::illegal_generation);
    EXPECT_EQ(c.groups.describe("simple").group_state, "Empty");
    EXPECT_EQ(c.groups.list({}, {}).size(), 1U);
}

TEST(Offsets, MetadataHasALongestLength) {
    Coordinator c;
    CommittedOffset offset{.offset = 1, .metadata = std::string(4'096, 'm')};
    EXPECT_EQ(c.commit("g", "t", "", -1, offset), ErrorCode::none);
    offset.metadata += "m";
    EXPECT_EQ(c.commit("g", "t", "", -1, offset), ErrorCode::offset_metadata_too_large);
}

TEST(Offsets, OfSimpleConsumersExpireAfterTheirCommit) {
    Coordinator c;
    c.commit("g", "old");
    c.now = c.now + week - Duration::seconds(1);
    c.commit("g", "new");
    EXPECT_EQ(c.expire(), 0);
    c.now = c.now + Duration::seconds(1);
    EXPECT_EQ(c.expire(), 1);
    EXPECT_FALSE(c.has("g", "old"));
    EXPECT_TRUE(c.has("g", "new"));
    c.now = c.now + week;
    EXPECT_EQ(c.expire(), 2) << "the last offset, and the group";
    EXPECT_EQ(c.groups.list({}, {}).size(), 0U);
    EXPECT_EQ(c.log.back().value, std::nullopt);
}

TEST(Offsets, WithAnExpiryOfTheirOwnKeepToIt) {
    Coordinator c;
    c.commit("g", "t", "", -1, {.offset = 1, .expire_timestamp = c.wall() + 5'000});
    c.now = c.now + Duration::milliseconds(4'999);
    EXPECT_EQ(c.expire(), 0);
    c.now = c.now + Duration::milliseconds(1);
    EXPECT_EQ(c.expire(), 2);
}

TEST(Offsets, OfAGroupExpireAWeekAfterItBecameEmpty) {
    Coordinator c;
    std::string member = c.join("g");
    c.commit("g", "t", member, 1);
    c.now = c.now + week * 2;
    EXPECT_EQ(c.expire(), 0) << "nobody asked for the session's end yet";
    c.leave("g", member);
    EXPECT_EQ(c.groups.describe("g").group_state, "Empty");
    c.now = c.now + week - Duration::seconds(1);
    EXPECT_EQ(c.expire(), 0);
    c.now = c.now + Duration::seconds(1);
    EXPECT_EQ(c.expire(), 2);
    EXPECT_EQ(c.groups.group_count(), 0U);
}

TEST(Offsets, TheTimeOfBecomingEmptyIsInTheLog) {
    Coordinator c;
    std::string member = c.join("g");
    c.commit("g", "t", member, 1);
    c.leave("g", member);
    auto entry = parse(*std::find_if(c.log.rbegin(), c.log.rend(), [](const GroupRecord& record) {
        return record.key.bytes()[1] == 2;
    }));
    EXPECT_EQ(std::get<GroupEntry>(*entry).value->current_state_timestamp, c.wall());

    // Another coordinator, three days later, with a clock that began anew.
    Duration later = Duration::seconds(3 * 86'400);
    GroupCoordinator other(c.options);
    for (const GroupRecord& record : c.log) ASSERT_TRUE(other.apply(record));
    Time begun;
    other.set_wall_clock(begun, c.wall() + later.ms());
    other.loaded(begun);
    EXPECT_EQ(other.expire_offsets(begun + week - later - Duration::seconds(1)).response, 0);
    EXPECT_EQ(other.expire_offsets(begun + week - later).response, 2);
}

TEST(Offsets, OfATransactionCountFromItsCommitOn) {
    Coordinator c;
    std::int64_t at = 0;
    auto apply = [&](std::int64_t offset, std::int64_t producer_id) {
        ASSERT_TRUE(c.groups.apply(offset_record("g", "t", 0, {.offset = offset}),
                                   {.offset = at++, .producer_id = producer_id}));
    };
    auto current = [&] { return c.groups.offset("g", "t", 0)->offset; };
    apply(1, -1);
    apply(2, 7);
    EXPECT_EQ(current(), 1);
    EXPECT_TRUE(c.groups.is_unstable("g", "t", 0));
    EXPECT_FALSE(c.groups.is_unstable("g", "t", 1));
    c.groups.end_transaction(8, true);
    EXPECT_EQ(current(), 1);
    c.groups.end_transaction(7, true);
    EXPECT_EQ(current(), 2);
    EXPECT_FALSE(c.groups.is_unstable("g", "t", 0));

    apply(3, 7);
    c.groups.end_transaction(7, false);
    EXPECT_EQ(current(), 2);

    apply(4, 7);
    apply(5, -1);  // overtakes the transaction
    c.groups.end_transaction(7, true);
    EXPECT_EQ(current(), 5);

    apply(6, 7);
    ASSERT_TRUE(c.groups.apply(offset_tombstone("g", "t", 0), {.offset = at++}));
    c.groups.end_transaction(7, true);
    EXPECT_EQ(c.groups.offset("g", "t", 0), nullptr);
}

TEST(Offsets, OfATransactionAreCommittedByMembersOrWhoeverNamesNone) {
    Coordinator c;
    std::string member = c.join("g");
    auto commit = [&](const std::string& as, std::int32_t generation) {
        Commit commit{.group_id = "g", .member_id = as, .generation = generation};
        commit.transactional = true;
        commit.partitions.push_back({"t", 0, {.offset = 1}});
        return c.groups.commit_offsets(commit, c.now).response.front();
    };
    EXPECT_EQ(commit(member, 1), ErrorCode::none);
    EXPECT_EQ(commit(member, 2), ErrorCode::illegal_generation);
    EXPECT_EQ(commit("stranger", 1), ErrorCode::unknown_member_id);
    EXPECT_EQ(commit("", -1), ErrorCode::none) << "producers before KIP-447 name no member";
}

TEST(Offsets, OfATransactionMakeTheGroup) {
    Coordinator c;
    auto commit = [&](std::int32_t generation) {
        Commit commit{.group_id = "g", .member_id = "m", .generation = generation};
        commit.transactional = true;
        commit.partitions.push_back({"t", 0, {.offset = 1}});
        return c.groups.commit_offsets(commit, c.now).response.front();
    };
    EXPECT_EQ(commit(1), ErrorCode::illegal_generation);
    ASSERT_TRUE(
        c.groups.apply(offset_record("g", "t", 0, {.offset = 2}), {.offset = 0, .producer_id = 7}));
    EXPECT_EQ(commit(1), ErrorCode::unknown_member_id);
}

// A deletion, and what then becomes of offsets that a transaction has committed to partitions 0,
// which has one already, and 1 and 2, which have none.
class OffsetsOfAnOpenTransaction : public testing::Test {
  protected:
    OffsetsOfAnOpenTransaction() {
        EXPECT_EQ(c.commit("g", "t"), ErrorCode::none);
        for (std::int32_t partition : {0, 1, 2}) {
            EXPECT_TRUE(c.groups.apply(offset_record("g", "t", partition, {.offset = 9}),
                                       {.offset = 100 + partition, .producer_id = 7}));
        }
    }
    // By partition; -1 where there is none.
    std::vector<std::int64_t> after_commit() {
        c.groups.end_transaction(7, true);
        std::vector<std::int64_t> offsets;
        for (std::int32_t partition : {0, 1, 2}) {
            const CommittedOffset* offset = c.groups.offset("g", "t", partition);
            offsets.push_back(offset == nullptr ? -1 : offset->offset);
        }
        return offsets;
    }

    Coordinator c;
};

TEST_F(OffsetsOfAnOpenTransaction, AreDeletedWithTheGroup) {
    auto decision = c.groups.delete_group("g");
    EXPECT_EQ(decision.response, ErrorCode::none);
    EXPECT_EQ(decision.records.size(), 4U);  // one for each offset, and the group's
    c.write(decision.records);
    EXPECT_EQ(after_commit(), (std::vector<std::int64_t>{-1, -1, -1}));
    EXPECT_EQ(c.groups.group_count(), 0U);
}

TEST_F(OffsetsOfAnOpenTransaction, AreDeletedByName) {
    OffsetDeleteRequest request{.group_id = "g"};
    request.topics.push_back({.name = "t", .partitions = {{0}, {1}, {5}}});
    auto decision = c.groups.delete_offsets(request);
    EXPECT_EQ(decision.response.error_code, ErrorCode::none);
    EXPECT_EQ(decision.records.size(), 2U);
    c.write(decision.records);
    EXPECT_EQ(after_commit(), (std::vector<std::int64_t>{-1, -1, 9}));
}

TEST_F(OffsetsOfAnOpenTransaction, GoWithTheirTopic) {
    EXPECT_EQ(c.groups.forget_topics({"other"}).response, 0);
    auto decision = c.groups.forget_topics({"t"});
    EXPECT_EQ(decision.response, 3);
    c.write(decision.records);
    EXPECT_EQ(after_commit(), (std::vector<std::int64_t>{-1, -1, -1}));
}

TEST(Offsets, OfAnOpenTransactionDoNotExpire) {
    Coordinator c;
    ASSERT_EQ(c.commit("simple", "t"), ErrorCode::none);
    ASSERT_TRUE(c.groups.apply(offset_record("simple", "t", 0, {.offset = 2}),
                               {.offset = 100, .producer_id = 7}));
    c.pass(c.options.offsets_retention * 2);
    EXPECT_EQ(c.groups.expire_offsets(c.now).response, 0);
    c.groups.end_transaction(7, false);
    EXPECT_GT(c.groups.expire_offsets(c.now).response, 0);
}

TEST(Groups, WithoutOffsetsAndMembersGoToo) {
    Coordinator c;
    c.leave("g", c.join("g"));
    EXPECT_EQ(c.groups.group_count(), 1U);
    EXPECT_EQ(c.expire(), 1);
    EXPECT_EQ(c.groups.group_count(), 0U);
}

TEST(Groups, AreDeletedWhenEmpty) {
    Coordinator c;
    std::string member = c.join("g");
    c.commit("g", "t", member, 1);
    EXPECT_EQ(c.groups.delete_group("g").response, ErrorCode::non_empty_group);
    EXPECT_EQ(c.groups.delete_group("none").response, ErrorCode::group_id_not_found);
    EXPECT_EQ(c.groups.delete_group("").response, ErrorCode::group_id_not_found);
    c.leave("g", member);
    auto decision = c.groups.delete_group("g");
    EXPECT_EQ(decision.response, ErrorCode::none);
    EXPECT_EQ(decision.records.size(), 2U);
    c.write(decision.records);
    EXPECT_EQ(c.groups.list({}, {}).size(), 0U);
}

// A member comes while the deletion is on its way to the log: its join must be answered.
TEST(Groups, WhoJoinsDuringADeletionStays) {
    Coordinator c;
    c.leave("g", c.join("g"));
    auto decision = c.groups.delete_group("g");
    JoinGroupRequest request{.group_id = "g",
                             .session_timeout_ms = 10'000,
                             .rebalance_timeout_ms = 60'000,
                             .protocol_type = "consumer"};
    request.protocols.push_back({.name = "range"});
    Effects effects;
    c.groups.join(request, 3, {"c", "/h"}, "late", 99, c.now, effects);
    c.take(std::move(effects));
    c.write(decision.records);
    c.pass(Duration::seconds(10));
    EXPECT_TRUE(std::ranges::any_of(c.replies, [](const Reply& reply) {
        return reply.ticket == 99 &&
               std::get<JoinGroupResponse>(reply.response).error_code == ErrorCode::none;
    }));
}

TEST(Groups, OffsetsOfDeletedTopicsAreForgotten) {
    Coordinator c;
    c.commit("g", "t");
    c.commit("g", "u");
    c.commit("h", "t");
    auto decision = c.groups.forget_topics({"t"});
    EXPECT_EQ(decision.response, 2);
    c.write(decision.records);
    EXPECT_FALSE(c.has("g", "t"));
    EXPECT_TRUE(c.has("g", "u"));
    EXPECT_EQ(c.groups.offsets("h"), nullptr);
}

TEST(Groups, OffsetsAreDeletedWhereNobodyReads) {
    Coordinator c;
    std::string member = c.join("g");
    c.commit("g", "t", member, 1);
    OffsetDeleteRequest request{.group_id = "g"};
    request.topics.push_back({.name = "t", .partitions = {{.partition_index = 0}}});
    EXPECT_EQ(c.groups.delete_offsets(request).response.error_code, ErrorCode::non_empty_group)
        << "what it subscribes to cannot be read";
    c.leave("g", member);
    auto decision = c.groups.delete_offsets(request);
    EXPECT_EQ(decision.response.topics.at(0).partitions.at(0).error_code, ErrorCode::none);
    c.write(decision.records);
    EXPECT_FALSE(c.has("g", "t"));
    request.group_id = "none";
    EXPECT_EQ(c.groups.delete_offsets(request).response.error_code, ErrorCode::group_id_not_found);
}

}  // namespace
}  // namespace millrace::groups
