#include "client/coordinated_member.h"

#include <gtest/gtest.h>

namespace millrace::client {
namespace {

constexpr Uuid topic{7, 1};
constexpr Duration second = Duration::seconds(1);

CoordinatedMember joined(bool acknowledges, std::set<std::int32_t> partitions) {
    CoordinatedMember member(acknowledges);
    member.join({{"t"}, ""});
    (void)member.next();
    member.answered({3, second, TopicIdPartitions{{topic, std::move(partitions)}}});
    return member;
}

TEST(CoordinatedMember, JoinsWithAllItHasToTell) {
    CoordinatedMember member(true);
    EXPECT_FALSE(member.is_alive());
    EXPECT_FALSE(member.beats_at_once());
    member.join({{"t"}, "o.*"});
    EXPECT_TRUE(member.beats_at_once());
    Heartbeat first = member.next();
    EXPECT_EQ(first.epoch, joining_epoch);
    EXPECT_TRUE(first.whole);
    EXPECT_EQ(first.topics, std::vector<std::string>{"t"});
    EXPECT_EQ(first.pattern, "o.*");
    ASSERT_TRUE(first.owned);
    EXPECT_TRUE(first.owned->empty());
    // As long as it is not answered, it is a join.
    EXPECT_TRUE(member.next().whole);
    member.answered({3, second, std::nullopt});
    EXPECT_EQ(member.epoch(), 3);
    EXPECT_EQ(member.interval(), second);
    EXPECT_EQ(member.wish(), nullptr);
    EXPECT_FALSE(member.beats_at_once());
    Heartbeat later = member.next();
    EXPECT_EQ(later.epoch, 3);
    EXPECT_FALSE(later.whole || later.topics || later.pattern || later.owned);
}

TEST(CoordinatedMember, TellsWhatItFollowed) {
    CoordinatedMember member = joined(true, {0, 1});
    const CoordinatedMember::Wish* wish = member.wish();
    ASSERT_NE(wish, nullptr);
    EXPECT_EQ(wish->partitions, (TopicIdPartitions{{topic, {0, 1}}}));
    EXPECT_FALSE(member.next().owned);  // nothing is acknowledged before it is done
    member.follow(wish->number, wish->partitions);
    EXPECT_EQ(member.wish(), nullptr);
    EXPECT_TRUE(member.beats_at_once());
    EXPECT_EQ(member.next().owned, (TopicIdPartitions{{topic, {0, 1}}}));
    EXPECT_FALSE(member.beats_at_once());
    // The same again is no wish.
    member.answered({4, second, TopicIdPartitions{{topic, {0, 1}}}});
    EXPECT_EQ(member.wish(), nullptr);
    EXPECT_FALSE(member.next().owned);
}

TEST(CoordinatedMember, AWishThatCameMeanwhileStays) {
    CoordinatedMember member = joined(true, {0, 1});
    CoordinatedMember::Wish first = *member.wish();
    member.answered({3, second, TopicIdPartitions{{topic, {0}}}});
    member.follow(first.number, first.partitions);
    ASSERT_NE(member.wish(), nullptr);
    EXPECT_EQ(member.wish()->partitions, (TopicIdPartitions{{topic, {0}}}));
    EXPECT_EQ(member.next().owned, (TopicIdPartitions{{topic, {0, 1}}}));
    member.follow_in_part({});
    EXPECT_NE(member.wish(), nullptr);
    EXPECT_EQ(member.next().owned, TopicIdPartitions{});
}

TEST(CoordinatedMember, TellsAllAgainWhenItWasNotHeard) {
    CoordinatedMember member = joined(true, {0});
    member.follow(member.wish()->number, member.wish()->partitions);
    (void)member.next();
    member.unanswered();
    EXPECT_TRUE(member.beats_at_once());
    Heartbeat again = member.next();
    EXPECT_EQ(again.epoch, 3);
    EXPECT_TRUE(again.whole && again.topics);
    EXPECT_FALSE(again.pattern);
    EXPECT_EQ(again.owned, (TopicIdPartitions{{topic, {0}}}));
}

TEST(CoordinatedMember, TellsAnotherSubscriptionAtOnce) {
    CoordinatedMember member = joined(true, {});
    member.subscribe({{"t", "u"}, ""});
    EXPECT_TRUE(member.beats_at_once());
    EXPECT_EQ(member.next().topics, (std::vector<std::string>{"t", "u"}));
    member.subscribe({{}, "x"});
    Heartbeat to_pattern = member.next();
    EXPECT_EQ(to_pattern.topics, std::vector<std::string>());
    EXPECT_EQ(to_pattern.pattern, "x");
    member.subscribe({{"t"}, ""});
    EXPECT_EQ(member.next().pattern, "");  // there is none any more
    EXPECT_FALSE(member.next().pattern);
}

TEST(CoordinatedMember, ANewLifeKnowsNothingOfTheLastOne) {
    CoordinatedMember member = joined(true, {0});
    member.follow(member.wish()->number, member.wish()->partitions);
    std::uint64_t life = member.life();
    member.end();
    EXPECT_EQ(member.epoch(), -1);
    EXPECT_EQ(member.wish(), nullptr);
    member.join({{"t"}, ""});
    EXPECT_NE(member.life(), life);
    EXPECT_EQ(member.next().owned, TopicIdPartitions{});
    member.answered({9, second, TopicIdPartitions{{topic, {0}}}});
    EXPECT_NE(member.wish(), nullptr);
}

TEST(CoordinatedMember, AShareGroupsMemberAcknowledgesNothing) {
    CoordinatedMember member = joined(false, {0});
    member.follow(member.wish()->number, member.wish()->partitions);
    EXPECT_FALSE(member.beats_at_once());
    EXPECT_FALSE(member.next().owned);
}

}  // namespace
}  // namespace millrace::client
