// What generated code does beyond the bytes of the vectors: defaults, and what it refuses.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/all_messages.h"
#include "protocol/api_versions.h"
#include "protocol/consumer_group_member_metadata.h"
#include "protocol/create_topics.h"
#include "protocol/fetch.h"
#include "protocol/fetch_snapshot.h"
#include "protocol/list_groups.h"
#include "protocol/metadata.h"
#include "protocol/offset_commit.h"
#include "protocol/partition_record.h"
#include "protocol/produce.h"
#include "protocol/reader.h"
#include "protocol/writer.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

template <typename Message>
Result<Slice> encode(const Message& message, std::int16_t version) {
    Writer out;
    RETURN_IF_ERROR(message.encode(out, version));
    return std::move(out).finish_in_memory();
}

TEST(Messages, fields_have_the_defaults_of_the_schema) {
    FetchRequest fetch;
    EXPECT_EQ(fetch.replica_id, -1);
    EXPECT_EQ(fetch.max_bytes, 0x7fffffff);
    EXPECT_FALSE(fetch.cluster_id);
    EXPECT_EQ(FetchRequest::FetchPartition().high_watermark, 0x7fffffffffffffff);
    EXPECT_TRUE(MetadataRequest().allow_auto_topic_creation);
    EXPECT_EQ(MetadataRequest().topics, std::vector<MetadataRequest::MetadataRequestTopic>());
    EXPECT_EQ(MetadataResponse().cluster_authorized_operations,
              std::numeric_limits<std::int32_t>::min());
    EXPECT_EQ(CreateTopicsRequest().timeout_ms, 60000);
    EXPECT_FALSE(PartitionRecord().eligible_leader_replicas);
    EXPECT_TRUE(ConsumerGroupMemberMetadataValue().classic_member_metadata);
}

TEST(Messages, constants_tell_key_and_versions) {
    static_assert(FetchRequest::api_key == ApiKey::fetch);
    static_assert(FetchRequest::min_version == 4 && FetchRequest::max_version == 18);
    static_assert(PartitionRecord::record_type == 3);
    static_assert(OffsetCommitKey::record_type == 1);
    static_assert(std::is_same_v<ListGroupsRequest::Response, ListGroupsResponse>);
}

TEST(Messages, field_that_a_version_lacks_reads_as_its_default) {
    Result<Slice> bytes = encode(MetadataResponse{.brokers = {{.node_id = 3, .host = "h"}}}, 0);
    ASSERT_TRUE(bytes);
    Reader in(*bytes);
    Result<MetadataResponse> read = MetadataResponse::decode(in, 0);
    ASSERT_TRUE(read);
    EXPECT_EQ(read->controller_id, -1);
    EXPECT_EQ(read->brokers.at(0).host, "h");
}

TEST(Messages, value_that_a_version_cannot_say_is_refused_unless_ignorable) {
    ListGroupsRequest request{.states_filter = {"Stable"}};
    EXPECT_TRUE(encode(request, 4));
    Result<Slice> old = encode(request, 3);
    ASSERT_FALSE(old);
    EXPECT_EQ(old.error().code, ErrorCode::unsupported_version);
    EXPECT_THAT(old.error().message, HasSubstr("ListGroupsRequest version 3: StatesFilter"));

    ListGroupsResponse response{.throttle_time_ms = 5};  // ignorable
    EXPECT_TRUE(encode(response, 0));
}

TEST(Messages, tagged_value_that_a_version_cannot_say_is_refused_unless_ignorable) {
    FetchRequest request;
    request.replica_state.replica_id = 4;
    EXPECT_TRUE(encode(request, 15));
    Result<Slice> old = encode(request, 14);
    ASSERT_FALSE(old);
    EXPECT_THAT(old.error().message, HasSubstr("FetchRequest version 14: ReplicaState"));

    FetchRequest named{.cluster_id = "c"};  // ignorable
    EXPECT_TRUE(encode(named, 11));
}

TEST(Messages, null_is_refused_in_versions_that_do_not_have_it) {
    MetadataRequest request{.topics = std::nullopt};
    EXPECT_TRUE(encode(request, 1));
    Result<Slice> old = encode(request, 0);
    ASSERT_FALSE(old);
    EXPECT_THAT(old.error().message, HasSubstr("MetadataRequest version 0: Topics is null"));
    EXPECT_FALSE(encode(FetchSnapshotResponse{.topics = {{.partitions = {{}}}}}, 0));
}

TEST(Messages, versions_beyond_the_schema_are_refused) {
    EXPECT_EQ(encode(FetchRequest(), 19).error().code, ErrorCode::unsupported_version);
    Slice bytes = *encode(FetchRequest(), 18);
    Reader in(bytes);
    EXPECT_EQ(FetchRequest::decode(in, 19).error().code, ErrorCode::unsupported_version);
    Reader older(bytes);
    EXPECT_EQ(FetchRequest::decode(older, 3).error().code, ErrorCode::unsupported_version);
}

// A later duplicate wins and order is not checked, as in Apache's readers; the size of a known tag
// is what its value takes.
TEST(Messages, known_tags_may_repeat_and_come_in_any_order) {
    Slice plain = *encode(ApiVersionsResponse(), 3);
    std::vector<std::uint8_t> bytes(plain.data(), plain.data() + plain.size() - 1);
    for (std::uint8_t byte : {3, 3, 1, 1, 1, 8, 0, 0, 0, 0, 0, 0, 0, 9, 3, 1, 0})
        bytes.push_back(byte);
    Reader in{Bytes(bytes)};
    Result<ApiVersionsResponse> read = ApiVersionsResponse::decode(in, 3);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(in.remaining(), 0U);
    EXPECT_EQ(read->finalized_features_epoch, 9);
    EXPECT_FALSE(read->zk_migration_ready);
}

TEST(Messages, tag_of_a_later_version_is_refused_in_an_earlier_one) {
    Slice plain = *encode(FetchRequest(), 14);
    std::vector<std::uint8_t> bytes(plain.data(), plain.data() + plain.size() - 1);
    for (std::uint8_t byte : {1, 1, 0}) bytes.push_back(byte);  // ReplicaState is of version 15
    Reader in{Bytes(bytes)};
    Result<FetchRequest> read = FetchRequest::decode(in, 14);
    ASSERT_FALSE(read);
    EXPECT_THAT(read.error().message, HasSubstr("FetchRequest.tags"));
}

TEST(Messages, hot_messages_view_their_frame) {
    ProduceRequest request{
        .acks = 1,
        .topic_data = {{.name = "topic",
                        .partition_data = {{.index = 2, .records = Slice::copy("records")}}}},
    };
    Slice frame = *encode(request, 12);
    Reader in(frame);
    Result<ProduceRequest> read = ProduceRequest::decode(in, 12);
    ASSERT_TRUE(read);
    auto inside = [&](const void* at) {
        return at > frame.data() && at < frame.data() + frame.size();
    };
    const auto& topic = read->topic_data.at(0);
    EXPECT_EQ(topic.name, "topic");
    EXPECT_TRUE(inside(topic.name.data()));
    Slice records = topic.partition_data.at(0).records->in_memory();
    EXPECT_EQ(records.view(), "records");
    EXPECT_TRUE(inside(records.data()));
}

TEST(Messages, table_is_in_the_order_of_names) {
    EXPECT_TRUE(std::ranges::is_sorted(all_messages(), {}, &MessageInfo::name));
    EXPECT_EQ(find_message("FetchRequest")->max_version, 18);
    EXPECT_EQ(find_message("LeaderAndIsrRequest"), nullptr);
}

}  // namespace
}  // namespace millrace
