#include "broker/share/fetch_line.h"

#include <algorithm>
#include <array>
#include <gtest/gtest.h>
#include <vector>

#include "base/random.h"

namespace millrace::broker {
namespace {

FetchTicket ticket(std::int64_t ms, int shard = 0, std::uint64_t number = 0) {
    return {Time() + Duration::milliseconds(ms), shard, number};
}

constexpr FetchLine::Sight nothing{.changes = 1, .bound = 10};
constexpr FetchLine::Sight a_record{.changes = 1, .bound = 11};

TEST(FetchLine, WhatComesBelongsToTheOldest) {
    FetchLine line;
    for (int ms : {3, 1, 2}) line.enter(ticket(ms));
    EXPECT_TRUE(line.is_turn_of(ticket(1), nothing));
    EXPECT_FALSE(line.is_turn_of(ticket(2), nothing));
    for (int ms : {1, 2, 3}) line.rest(ticket(ms), nothing);
    EXPECT_TRUE(line.is_turn_of(ticket(3), nothing));  // nobody wants it
    EXPECT_TRUE(line.is_turn_of(ticket(1), a_record));
    EXPECT_FALSE(line.is_turn_of(ticket(2), a_record));
    line.enter(ticket(1));
    EXPECT_FALSE(line.is_turn_of(ticket(2), a_record));
    EXPECT_TRUE(line.leave(ticket(1), a_record));
    EXPECT_TRUE(line.is_turn_of(ticket(2), a_record));
    EXPECT_FALSE(line.is_turn_of(ticket(3), a_record));
}

TEST(FetchLine, OneThatIsNotContentLetsOthersHaveIt) {
    FetchLine line;
    line.enter(ticket(1));
    line.enter(ticket(2));
    EXPECT_TRUE(line.rest(ticket(1), a_record));
    EXPECT_TRUE(line.is_turn_of(ticket(2), a_record));
    FetchLine::Sight given_back{.changes = 2, .bound = 11};
    EXPECT_FALSE(line.is_turn_of(ticket(2), given_back));
}

TEST(FetchLine, OneThatHadToWaitForItsTurnHasSeenNothing) {
    FetchLine line;
    for (int ms : {1, 2, 3}) line.enter(ticket(ms));
    EXPECT_FALSE(line.rest(ticket(2), {}));
    EXPECT_TRUE(line.leave(ticket(1), nothing));
    EXPECT_TRUE(line.is_turn_of(ticket(2), nothing));
    EXPECT_FALSE(line.is_turn_of(ticket(3), nothing));
}

TEST(FetchLine, OneThatDoesNotCareForRecordsWaitsForChanges) {
    FetchLine line;
    line.enter(ticket(1));
    line.rest(ticket(1), FetchLine::Sight{.changes = 1});
    EXPECT_TRUE(line.is_turn_of(ticket(2), a_record));
    EXPECT_FALSE(line.is_turn_of(ticket(2), {.changes = 2, .bound = 11}));
}

TEST(FetchLine, NobodyIsToldWhereNobodyWaits) {
    FetchLine line;
    EXPECT_FALSE(line.leave(ticket(1), a_record));
    EXPECT_FALSE(line.rest(ticket(1), nothing));
    line.enter(ticket(1));
    EXPECT_FALSE(line.rest(ticket(1), nothing));
    EXPECT_FALSE(line.leave(ticket(1), a_record));
    EXPECT_EQ(line.size(), 0U);
}

TEST(FetchLine, TheContentAreNotWoken) {
    FetchLine line;
    for (int ms : {1, 2, 3}) line.enter(ticket(ms));
    line.rest(ticket(3), nothing);
    line.rest(ticket(2), nothing);
    EXPECT_FALSE(line.rest(ticket(1), nothing));
    EXPECT_TRUE(line.rest(ticket(1), a_record));
    EXPECT_FALSE(line.leave(ticket(1), nothing));
    EXPECT_TRUE(line.leave(ticket(2), a_record));
}

TEST(FetchLine, TicketsOfOneMomentDiffer) {
    FetchLine line;
    line.enter(ticket(1, 0, 7));
    line.enter(ticket(1, 1, 3));
    line.enter(ticket(1, 0, 8));
    EXPECT_TRUE(line.is_turn_of(ticket(1, 0, 7), nothing));
    EXPECT_FALSE(line.is_turn_of(ticket(1, 0, 8), nothing));
    line.leave(ticket(1, 0, 7), nothing);
    EXPECT_TRUE(line.is_turn_of(ticket(1, 0, 8), nothing));
    EXPECT_FALSE(line.is_turn_of(ticket(1, 1, 3), nothing));
}

// One takes ten steps for each that the others take: it still has its share of what comes.
TEST(FetchLine, TheSlowHaveTheirShare) {
    Random random(7);
    FetchLine line;
    struct Member {
        int pace;
        FetchTicket ticket;
        int had = 0;
    };
    std::array<Member, 3> members{Member{10, ticket(0, 0)}, {1, ticket(0, 1)}, {1, ticket(0, 2)}};
    for (Member& each : members) line.enter(each.ticket);
    FetchLine::Sight now;
    now.bound = 0;
    constexpr int records = 300;
    for (std::int64_t step = 1; now.bound < records; ++step) {
        Member& member = members.at(random.below(members.size()));
        bool its_step = random.below(static_cast<std::uint64_t>(member.pace)) == 0;
        if (!its_step || !line.is_turn_of(member.ticket, now)) continue;
        ++member.had;
        ++now.bound;
        line.leave(member.ticket, now);
        member.ticket.received = Time() + Duration::milliseconds(step);
        line.enter(member.ticket);
    }
    for (const Member& each : members) {
        EXPECT_GE(each.had, records / 3 - 1);
        EXPECT_LE(each.had, records / 3 + 1);
    }
}

}  // namespace
}  // namespace millrace::broker
