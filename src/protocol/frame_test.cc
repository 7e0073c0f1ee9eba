#include "protocol/frame.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "protocol/api_versions.h"
#include "protocol/list_groups.h"

namespace millrace {
namespace {

using testing::ElementsAre;

TEST(Api, table_says_what_is_served) {
    const ApiInfo* produce = find_api(ApiKey::produce);
    ASSERT_NE(produce, nullptr);
    EXPECT_EQ(produce->name, "Produce");
    EXPECT_EQ(produce->min_version, 3);
    EXPECT_EQ(produce->advertised_min, 0);
    EXPECT_TRUE(produce->on_broker);
    EXPECT_FALSE(produce->on_controller);

    const ApiInfo* init = find_api(ApiKey::init_producer_id);
    EXPECT_EQ(init->max_version, 5);
    EXPECT_TRUE(init->latest_unstable);
    EXPECT_TRUE(find_api(ApiKey::vote)->cluster_action);
    EXPECT_TRUE(find_api(ApiKey::create_topics)->forwarded);

    EXPECT_EQ(find_api(std::int16_t{4}), nullptr);  // LeaderAndIsr has no version
    EXPECT_EQ(find_api(std::int16_t{-1}), nullptr);
    EXPECT_EQ(find_api(std::int16_t{1000}), nullptr);
    EXPECT_EQ(all_apis().size(), 89U);
    for (const ApiInfo& api : all_apis()) EXPECT_EQ(find_api(api.key), &api);
}

TEST(Api, header_versions_follow_flexibility) {
    EXPECT_EQ(request_header_version(ApiKey::list_groups, 2), 1);
    EXPECT_EQ(request_header_version(ApiKey::list_groups, 3), 2);
    EXPECT_EQ(response_header_version(ApiKey::list_groups, 2), 0);
    EXPECT_EQ(response_header_version(ApiKey::list_groups, 3), 1);
    EXPECT_EQ(request_header_version(ApiKey::sasl_handshake, 1), 1);
    EXPECT_EQ(request_header_version(ApiKey::api_versions, 99), 2);
    EXPECT_EQ(response_header_version(ApiKey::api_versions, 4), 0);
}

TEST(Frame, request_comes_back) {
    ListGroupsRequest request{.states_filter = {"Stable"}};
    for (std::int16_t version : {std::int16_t{4}, std::int16_t{5}}) {
        Result<Chain> frame = encode_request(77, "me", version, request);
        ASSERT_TRUE(frame);
        Slice bytes = frame->in_memory();
        Reader in(bytes);
        EXPECT_EQ(static_cast<std::size_t>(in.read_int32()), bytes.size() - 4);
        Result<RequestHeader> header = decode_request_header(in);
        ASSERT_TRUE(header);
        EXPECT_EQ(header->request_api_key, 16);
        EXPECT_EQ(header->request_api_version, version);
        EXPECT_EQ(header->correlation_id, 77);
        EXPECT_EQ(header->client_id, "me");
        Result<ListGroupsRequest> back = ListGroupsRequest::decode(in, version);
        ASSERT_TRUE(back);
        EXPECT_EQ(*back, request);
        EXPECT_EQ(in.remaining(), 0U);
    }
}

TEST(Frame, response_comes_back) {
    ListGroupsResponse response{.groups = {{.group_id = "g"}}};
    Result<Chain> frame = encode_response(-5, ApiKey::list_groups, 5, response);
    ASSERT_TRUE(frame);
    Slice bytes = frame->in_memory();
    Reader in(bytes);
    EXPECT_EQ(static_cast<std::size_t>(in.read_int32()), bytes.size() - 4);
    EXPECT_EQ(decode_response_header(in, ApiKey::list_groups, 5), -5);
    EXPECT_EQ(ListGroupsResponse::decode(in, 5), response);
    EXPECT_EQ(in.remaining(), 0U);
}

TEST(Frame, response_to_api_versions_has_the_old_header) {
    Result<Chain> frame = encode_response(1, ApiKey::api_versions, 3, ApiVersionsResponse());
    ASSERT_TRUE(frame);
    EXPECT_THAT(frame->in_memory().bytes(),
                ElementsAre(0, 0, 0, 12, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0));
}

TEST(Frame, response_that_the_version_cannot_say_is_an_error) {
    ListGroupsResponse response{.groups = {{.group_id = "g", .group_type = "share"}}};
    EXPECT_TRUE(encode_response(1, ApiKey::list_groups, 4, response));  // ignorable
    response.groups[0].group_id = std::string(40000, 'g');
    EXPECT_FALSE(encode_response(1, ApiKey::list_groups, 4, response));
}

TEST(Frame, header_of_an_unknown_api_is_read_in_the_old_form) {
    const std::vector<std::uint8_t> bytes{0x7f, 0, 0, 1, 0, 0, 0, 9, 0xff, 0xff};
    Reader in{Bytes(bytes)};
    Result<RequestHeader> header = decode_request_header(in);
    ASSERT_TRUE(header);
    EXPECT_EQ(header->request_api_key, 0x7f00);
    EXPECT_FALSE(header->client_id);
    Reader cut{Bytes(bytes).first(3)};
    EXPECT_FALSE(decode_request_header(cut));
}

}  // namespace
}  // namespace millrace
