#include "client/fetch_session.h"

#include <gtest/gtest.h>
#include <string>

namespace millrace::client {
namespace {

const Uuid topic_id{1, 2};

FetchTargets targets(std::map<int, std::int64_t> offsets, Uuid id = topic_id) {
    FetchTargets wanted;
    for (auto [partition, offset] : offsets)
        wanted[{"t", partition}] = FetchTarget{id, offset, 4, 1000};
    return wanted;
}

// "session/epoch named partitions at offsets - forgotten ones"
std::string asked(FetchSession& session, const FetchTargets& wanted) {
    FetchRequest request;
    session.prepare(wanted, request);
    std::string text =
        std::to_string(request.session_id) + "/" + std::to_string(request.session_epoch);
    for (const auto& topic : request.topics)
        for (const auto& partition : topic.partitions)
            text += " " + std::to_string(partition.partition) + "@" +
                    std::to_string(partition.fetch_offset);
    for (const auto& topic : request.forgotten_topics_data)
        for (std::int32_t partition : topic.partitions) text += " -" + std::to_string(partition);
    return text;
}

ErrorCode told(FetchSession& session, std::int32_t id, ErrorCode error = ErrorCode::none) {
    FetchResponse response;
    response.session_id = id;
    response.error_code = error;
    return session.take(response);
}

TEST(FetchSession, NamesOnlyWhatChanged) {
    FetchSession session;
    EXPECT_EQ(asked(session, targets({{0, 5}, {1, 6}})), "0/0 0@5 1@6");
    told(session, 99);
    EXPECT_EQ(asked(session, targets({{0, 5}, {1, 6}})), "99/1");
    told(session, 99);
    EXPECT_EQ(asked(session, targets({{0, 7}, {2, 0}})), "99/2 0@7 2@0 -1");
    told(session, 99);
    EXPECT_EQ(session.name_of(topic_id), "t");
    EXPECT_EQ(asked(session, targets({})), "99/3 -0 -2");
}

TEST(FetchSession, ATopicMadeAnewIsAnotherOne) {
    FetchSession session;
    asked(session, targets({{0, 5}}));
    told(session, 99);
    EXPECT_EQ(asked(session, targets({{0, 5}}, {3, 4})), "99/1 0@5 -0");
}

TEST(FetchSession, BeginsAnewWhenTheBrokerHasForgottenIt) {
    FetchSession session;
    asked(session, targets({{0, 5}}));
    told(session, 99);
    asked(session, targets({{0, 5}}));
    EXPECT_EQ(told(session, 0, ErrorCode::fetch_session_id_not_found),
              ErrorCode::fetch_session_id_not_found);
    EXPECT_EQ(asked(session, targets({{0, 5}})), "0/0 0@5");
    told(session, 100);
    EXPECT_EQ(asked(session, targets({{0, 5}})), "100/1");
}

TEST(FetchSession, EndsTheOldOneWhenItsEpochIsWrongOrUnknown) {
    FetchSession session;
    asked(session, targets({{0, 5}}));
    told(session, 99);
    asked(session, targets({{0, 5}}));
    session.lost();
    EXPECT_EQ(asked(session, targets({{0, 5}})), "99/0 0@5");
    told(session, 101);
    asked(session, targets({{0, 5}}));
    told(session, 0, ErrorCode::invalid_fetch_session_epoch);
    EXPECT_EQ(asked(session, targets({{0, 6}})), "101/0 0@6");
}

TEST(FetchSession, LivesWithBrokersThatHaveNoRoomForIt) {
    FetchSession session;
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(asked(session, targets({{0, 5}})), "0/0 0@5");
        told(session, 0);
    }
}

TEST(FetchSession, VersionsWithIdsNeedIds) {
    FetchSession session;
    asked(session, targets({{0, 5}}));
    EXPECT_GT(session.max_version(), 12);
    asked(session, targets({{0, 5}}, Uuid()));
    EXPECT_EQ(session.max_version(), 12);
}

}  // namespace
}  // namespace millrace::client
