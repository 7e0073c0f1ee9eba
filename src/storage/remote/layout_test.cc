#include "storage/remote/layout.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "storage/remote/object_store.h"

namespace millrace::storage::remote {
namespace {

RemoteLogSegment segment() {
    RemoteLogSegment made;
    made.topic = "orders.v2";
    made.topic_id = Uuid{0x0123456789abcdef, 0x1122334455667788};
    made.partition = 7;
    made.id = Uuid{0xfedcba9876543210, 0x8877665544332211};
    made.start_offset = 4711;
    return made;
}

TEST(Layout, KeysAreStable) {
    EXPECT_EQ(log_key(segment()),
              "orders.v2/ASNFZ4mrze8RIjNEVWZ3iA/7/00000000000000004711-_ty6mHZUMhCId2ZVRDMiEQ.log");
    EXPECT_EQ(
        indexes_key(segment()),
        "orders.v2/ASNFZ4mrze8RIjNEVWZ3iA/7/00000000000000004711-_ty6mHZUMhCId2ZVRDMiEQ.indexes");
    EXPECT_EQ(topic_prefix("t", segment().topic_id), "t/ASNFZ4mrze8RIjNEVWZ3iA/");
    EXPECT_EQ(partition_prefix("t", segment().topic_id, 12), "t/ASNFZ4mrze8RIjNEVWZ3iA/12/");
}

TEST(Layout, KeysAreReadBack) {
    Random random(20261130);
    for (int i = 0; i < 200; ++i) {
        RemoteLogSegment made = segment();
        made.topic = std::string(static_cast<std::size_t>(random.between(1, 249)), 'x');
        made.topic_id = Uuid::random(random);
        made.id = Uuid::random(random);
        made.partition = static_cast<std::int32_t>(random.below(1U << 31U));
        made.start_offset = static_cast<Offset>(random.next() >> random.between(1, 63));
        EXPECT_TRUE(check_key(log_key(made)));
        EXPECT_TRUE(check_key(indexes_key(made)));
        auto log = parse_key(log_key(made));
        ASSERT_TRUE(log) << log.error().message;
        EXPECT_EQ(log->kind, ObjectKind::log);
        EXPECT_EQ(log->segment, made);
        auto indexes = parse_key(indexes_key(made));
        ASSERT_TRUE(indexes) << indexes.error().message;
        EXPECT_EQ(indexes->kind, ObjectKind::indexes);
        EXPECT_EQ(indexes->segment, made);
    }
}

TEST(Layout, OtherKeysAreNone) {
    std::string good = log_key(segment());
    for (std::string key :
         {std::string(), std::string("orders"), good + "x", good + "/x", "x/" + good,
          good.substr(1 + good.find('/')), "/" + good.substr(1 + good.find('/')),
          std::string("t/ASNFZ4mrze8RIjNEVWZ3iA/7/4711-_ty6mHZUMhCId2ZVRDMiEQ.log"),
          std::string(
              "t/ASNFZ4mrze8RIjNEVWZ3iA/07/00000000000000004711-_ty6mHZUMhCId2ZVRDMiEQ.log"),
          std::string(
              "t/ASNFZ4mrze8RIjNEVWZ3iA/-7/00000000000000004711-_ty6mHZUMhCId2ZVRDMiEQ.log"),
          std::string("t/ASNFZ4mrze8RIjNEVWZ3iA/7/-0000000000000004711-_ty6mHZUMhCId2ZVRDMiEQ.log"),
          std::string("t/ASNFZ4mrze8RIjNEVWZ3iA/7/99999999999999999999-_ty6mHZUMhCId2ZVRDMiEQ.log"),
          std::string("t/ASNFZ4mrze8RIjNEVWZ3i!/7/00000000000000004711-_ty6mHZUMhCId2ZVRDMiEQ.log"),
          std::string(
              "t/ASNFZ4mrze8RIjNEVWZ3iA/7/00000000000000004711-_ty6mHZUMhCId2ZVRDMiE!.log")}) {
        auto parsed = parse_key(key);
        ASSERT_FALSE(parsed) << key;
        EXPECT_EQ(parsed.error().code, ErrorCode::invalid_request);
    }
}

TEST(Layout, KeysOfStores) {
    for (std::string_view key : {"a", "a/b", "..a/.b", "A-_.9/0"})
        EXPECT_TRUE(check_key(key)) << key;
    std::string longest(1024, 'a');
    EXPECT_TRUE(check_key(longest));
    for (std::string_view key : {"", "/", "a/", "/a", "a//b", ".", "..", "a/../b", "a/.", "a b",
                                 "a~", "a\n", "a%2f", "\xc3\xa4"}) {
        EXPECT_FALSE(check_key(key)) << key;
    }
    EXPECT_FALSE(check_key(longest + "a"));
}

}  // namespace
}  // namespace millrace::storage::remote
