// Bytes that claim more than they have: an error that names the field, and no memory for the claim.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "base/random.h"
#include "protocol/all_messages.h"
#include "protocol/count_allocations.h"
#include "protocol/join_group.h"
#include "protocol/metadata.h"
#include "protocol/produce.h"
#include "protocol/reader.h"
#include "protocol/writer.h"

namespace millrace {
namespace {

using testing::HasSubstr;

using Input = std::vector<std::uint8_t>;

TEST(Hostile, array_of_two_billion_in_ten_bytes_allocates_next_to_nothing) {
    const Input bytes{0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0};
    AllocationCount allocated;
    Reader in(bytes);
    Result<MetadataRequest> request = MetadataRequest::decode(in, 1);
    EXPECT_LT(allocated.bytes(), 1024U);  // the sentence of the error
    ASSERT_FALSE(request);
    EXPECT_EQ(request.error().code, ErrorCode::invalid_request);
    EXPECT_THAT(request.error().message, HasSubstr("MetadataRequest.Topics"));
    EXPECT_THAT(request.error().message, HasSubstr("2147483647"));
}

TEST(Hostile, records_of_two_billion_bytes_allocate_next_to_nothing) {
    Writer out;
    out.write_int16(-1);               // TransactionalId
    out.write_int16(1);                // Acks
    out.write_int32(1000);             // TimeoutMs
    out.write_int32(1);                // TopicData
    out.write_string("t", "", false);  //
    out.write_int32(1);                // PartitionData
    out.write_int32(0);                // Index
    out.write_int32(0x7fffffff);       // Records
    Slice bytes = std::move(out).finish_in_memory();
    AllocationCount allocated;
    Reader in(bytes);
    Result<ProduceRequest> request = ProduceRequest::decode(in, 8);
    EXPECT_LT(allocated.bytes(), 1024U);
    ASSERT_FALSE(request);
    EXPECT_THAT(request.error().message, HasSubstr("PartitionProduceData.Records"));
}

// Every claim is plausible by the bytes that follow, but the elements are rubbish from the first
// on.
TEST(Hostile, room_is_made_as_elements_arrive_not_as_they_are_claimed) {
    Input bytes(4 << 20, 0xff);
    store_be(bytes.data(), std::int32_t{1 << 20});
    AllocationCount allocated;
    Reader in(bytes);
    EXPECT_FALSE(JoinGroupRequest::decode(in, 0));
    Reader again(bytes);
    EXPECT_FALSE(MetadataRequest::decode(again, 1));
    EXPECT_LT(allocated.bytes(), 200U << 10U);
}

// A number and a size in each tag: two bytes for a loop of four billion.
TEST(Hostile, tag_count_beyond_the_bytes_is_refused) {
    const Input bytes{0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0};
    Reader in(bytes);
    in.skip_tags("tags");
    EXPECT_FALSE(in.ok());
    EXPECT_THAT(in.error("X").message, HasSubstr("4294967295"));
}

// Puts the greatest length, of both encodings, at every place of the default of every message.
TEST(Hostile, no_length_of_any_message_is_believed) {
    const Input lengths[] = {{0x7f, 0xff, 0xff, 0xff},
                             {0xff, 0xff, 0xff, 0xff, 0x0f},
                             {0xff, 0xff, 0xff, 0x7f},
                             {0x7f, 0xff}};
    int inputs = 0;
    for (const MessageInfo& message : all_messages()) {
        for (std::int16_t version = message.min_version; version <= message.max_version;
             ++version) {
            Result<Slice> start = message.initial(version);
            if (!start) continue;
            for (const Input& length : lengths) {
                for (std::size_t at = 0; at < start->size(); ++at) {
                    Input input(start->data(), start->data() + at);
                    input.insert(input.end(), length.begin(), length.end());
                    input.resize(input.size() + 6);
                    AllocationCount allocated;
                    Bytes bytes(input);
                    (void)message.again(bytes, version);
                    ASSERT_LT(allocated.bytes(), 16U << 10U)
                        << message.name << " version " << version << " at " << at;
                    ++inputs;
                }
            }
        }
    }
    EXPECT_GT(inputs, 10000);
}

TEST(Hostile, every_message_is_refused_when_it_is_cut_anywhere) {
    for (const MessageInfo& message : all_messages()) {
        for (std::int16_t version = message.min_version; version <= message.max_version;
             ++version) {
            Result<Slice> whole = message.initial(version);
            if (!whole) continue;
            for (std::size_t size = 0; size < whole->size(); ++size) {
                Bytes bytes = whole->bytes().first(size);
                Result<Slice> made = message.again(bytes, version);
                ASSERT_FALSE(made) << message.name << " version " << version << " at " << size;
                ASSERT_THAT(made.error().message, HasSubstr(std::string(message.name)));
            }
        }
    }
}

TEST(Hostile, noise_never_does_harm) {
    const std::uint64_t seed = 20260724;
    SCOPED_TRACE(seed);
    Random random(seed);
    for (int i = 0; i < 200000; ++i) {
        const MessageInfo& message = all_messages()[random.below(all_messages().size())];
        auto version = static_cast<std::int16_t>(
            random.between(message.min_version - 1, message.max_version + 1));
        Input input(random.below(96));
        std::uint64_t bound = random.chance(0.5) ? 256 : 3;
        for (std::uint8_t& byte : input) byte = static_cast<std::uint8_t>(random.below(bound));
        Bytes bytes(input);
        Result<Slice> first = message.again(bytes, version);
        if (!first) continue;
        ASSERT_GE(version, message.min_version);
        ASSERT_LE(version, message.max_version);
        Bytes rest = first->bytes();
        Result<Slice> second = message.again(rest, version);
        ASSERT_TRUE(second) << message.name << " version " << version;
        ASSERT_TRUE(rest.empty());
        ASSERT_EQ(first->view(), second->view()) << message.name << " version " << version;
    }
}

}  // namespace
}  // namespace millrace
