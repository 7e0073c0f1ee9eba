#include "client/share_session.h"

#include <gtest/gtest.h>

namespace millrace::client {
namespace {

constexpr Uuid one{1, 1};
constexpr Uuid two{2, 2};
using Acknowledged = ShareSession::AcknowledgedPartitions;

TEST(ShareSession, NamesWhatComesAndGoes) {
    ShareSession session("g", "m");
    EXPECT_TRUE(session.is_new());
    ShareFetchRequest first = session.fetch({{one, 0}, {one, 1}, {two, 0}}, {});
    EXPECT_EQ(first.group_id, "g");
    EXPECT_EQ(first.member_id, "m");
    EXPECT_EQ(first.share_session_epoch, 0);
    ASSERT_EQ(first.topics.size(), 2U);
    EXPECT_EQ(first.topics[0].partitions.size(), 2U);
    EXPECT_TRUE(session.answered(ErrorCode::none));
    EXPECT_FALSE(session.is_new());

    ShareFetchRequest second = session.fetch({{one, 0}, {two, 0}, {two, 1}}, {});
    EXPECT_EQ(second.share_session_epoch, 1);
    ASSERT_EQ(second.topics.size(), 1U);
    EXPECT_EQ(second.topics[0].topic_id, two);
    EXPECT_EQ(second.topics[0].partitions[0].partition_index, 1);
    ASSERT_EQ(second.forgotten_topics_data.size(), 1U);
    EXPECT_EQ(second.forgotten_topics_data[0].partitions, std::vector<std::int32_t>{1});
    EXPECT_TRUE(session.answered(ErrorCode::none));
    ShareFetchRequest third = session.fetch({{one, 0}, {two, 0}, {two, 1}}, {});
    EXPECT_TRUE(third.topics.empty() && third.forgotten_topics_data.empty());
}

TEST(ShareSession, TellsWhatBecameOfRecords) {
    ShareSession session("g", "m");
    (void)session.fetch({{one, 0}, {one, 1}}, {});
    EXPECT_TRUE(session.answered(ErrorCode::none));
    Acknowledged answers{
        {{one, 1}, {{0, 4, AcknowledgeType::accept}, {5, 5, AcknowledgeType::release}}}};
    ShareFetchRequest fetch = session.fetch({{one, 0}, {one, 1}}, answers);
    ASSERT_EQ(fetch.topics.size(), 1U);
    ASSERT_EQ(fetch.topics[0].partitions.size(), 1U);
    const auto& entry = fetch.topics[0].partitions[0];
    EXPECT_EQ(entry.partition_index, 1);
    ASSERT_EQ(entry.acknowledgement_batches.size(), 2U);
    EXPECT_EQ(entry.acknowledgement_batches[0].last_offset, 4);
    EXPECT_EQ(entry.acknowledgement_batches[1].acknowledge_types, std::vector<std::int8_t>{2});
    EXPECT_FALSE(fetch.is_renew_ack);
    EXPECT_TRUE(session.answered(ErrorCode::none));

    ShareAcknowledgeRequest renewal =
        session.acknowledge({{{one, 0}, {{7, 7, AcknowledgeType::renew}}}});
    EXPECT_EQ(renewal.share_session_epoch, 2);
    EXPECT_TRUE(renewal.is_renew_ack);
    EXPECT_TRUE(session.answered(ErrorCode::none));
    ShareAcknowledgeRequest last = session.end({});
    EXPECT_EQ(last.share_session_epoch, -1);
    EXPECT_TRUE(session.is_new());
}

TEST(ShareSession, BeginsAnewWhereItIsGone) {
    ShareSession session("g", "m");
    for (ErrorCode gone :
         {ErrorCode::share_session_not_found, ErrorCode::invalid_share_session_epoch,
          ErrorCode::share_session_limit_reached}) {
        (void)session.fetch({{one, 0}}, {});
        EXPECT_TRUE(session.answered(ErrorCode::none));
        EXPECT_FALSE(session.answered(gone));
        EXPECT_TRUE(session.is_new());
    }
    (void)session.fetch({{one, 0}}, {});
    EXPECT_TRUE(session.answered(ErrorCode::none));
    // Other errors leave it as it is.
    EXPECT_FALSE(session.answered(ErrorCode::unknown_server_error));
    EXPECT_EQ(session.epoch(), 2);
    session.lost();
    EXPECT_EQ(session.fetch({{one, 0}}, {}).topics.size(), 1U);
}

}  // namespace
}  // namespace millrace::client
