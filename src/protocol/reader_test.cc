#include "protocol/reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <limits>

#include "protocol/writer.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Input = std::vector<std::uint8_t>;

TEST(Reader, numbers_are_big_endian) {
    const Input bytes{1,    0xff, 0x80, 0x00, 0x7f, 0xff, 0xff, 0xfe, 0xff, 0xff, 0xff,
                      0xff, 0xff, 0xff, 0xff, 0xfd, 0xff, 0xfe, 0xff, 0xff, 0xff, 0xfd};
    Reader in(bytes);
    EXPECT_TRUE(in.read_bool());
    EXPECT_EQ(in.read_int8(), -1);
    EXPECT_EQ(in.read_int16(), std::numeric_limits<std::int16_t>::min());
    EXPECT_EQ(in.read_int32(), std::numeric_limits<std::int32_t>::max() - 1);
    EXPECT_EQ(in.read_int64(), -3);
    EXPECT_EQ(in.read_uint16(), 0xfffe);
    EXPECT_EQ(in.read_uint32(), 0xfffffffdU);
    EXPECT_TRUE(in.ok());
    EXPECT_EQ(in.remaining(), 0U);
}

TEST(Reader, first_failure_sticks_and_names_its_field) {
    const Input bytes{0, 0, 0, 7, 1, 2};
    Reader in(bytes);
    EXPECT_EQ(in.read_int32("A"), 7);
    EXPECT_EQ(in.read_int32("B"), 0);
    EXPECT_EQ(in.read_int16("C"), 0);
    EXPECT_FALSE(in.ok());
    Error error = in.error("Thing");
    EXPECT_EQ(error.code, ErrorCode::invalid_request);
    EXPECT_EQ(error.message, "Thing.B at byte 4 needs 4 bytes, 2 are left");
}

TEST(Reader, bytes_share_the_frame_they_came_from) {
    const Input bytes{0, 0, 0, 2, 5, 6, 9};
    Slice frame = Slice::copy(bytes);
    Slice part;
    Reader in(frame);
    in.read_bytes(part, "", false);
    EXPECT_EQ(part.data(), frame.data() + 4);
    EXPECT_EQ(part.size(), 2U);

    Reader copying{Bytes(bytes)};
    copying.read_bytes(part, "", false);
    EXPECT_NE(part.data(), bytes.data() + 4);
    EXPECT_THAT(part.bytes(), ElementsAre(5, 6));
}

TEST(Reader, null_is_a_failure_where_it_is_not_allowed) {
    for (bool compact : {false, true}) {
        const Input bytes = compact ? Input{0} : Input{0xff, 0xff, 0xff, 0xff};
        std::optional<std::string> text = "before";
        Reader nullable(bytes);
        nullable.read_string(text, "Name", compact, true);
        EXPECT_TRUE(nullable.ok());
        EXPECT_FALSE(text);
        Reader strict(bytes);
        strict.read_string(text, "Name", compact, false);
        EXPECT_THAT(strict.error("X").message, HasSubstr("X.Name at byte"));
        EXPECT_THAT(strict.error("X").message, HasSubstr("null"));

        std::optional<std::vector<std::int32_t>> numbers;
        Reader array(bytes);
        array.read_array(numbers, "", compact, true);
        EXPECT_TRUE(array.ok());
        EXPECT_FALSE(numbers);
        Reader strict_array(bytes);
        strict_array.read_array(numbers, "", compact, false);
        EXPECT_FALSE(strict_array.ok());
    }
}

TEST(Reader, string_beyond_32767_bytes_is_refused_in_the_compact_form_too) {
    Writer out;
    out.write_uvarint(32768 + 1);
    std::string text(32768, 'x');
    out.write_raw(as_bytes(text));
    Slice bytes = std::move(out).finish_in_memory();
    std::string read;
    Reader in(bytes);
    in.read_string(read, "Name", true);
    EXPECT_FALSE(in.ok());
    EXPECT_THAT(in.error("X").message, HasSubstr("32768"));
}

TEST(Reader, varints_end_within_five_bytes) {
    const Input most{0xff, 0xff, 0xff, 0xff, 0x0f};
    EXPECT_EQ(Reader(most).read_uvarint(), 0xffffffffU);
    for (const Input& bad : {Input{0xff, 0xff, 0xff, 0xff, 0xff, 0x00}, Input{0x80}, Input{},
                             Input{0xff, 0xff, 0xff, 0xff, 0x1f}}) {
        Reader in(bad);
        EXPECT_EQ(in.read_uvarint("N"), 0U);
        EXPECT_FALSE(in.ok());
    }
}

TEST(Reader, unknown_tags_are_stepped_over) {
    const Input bytes{2, 5, 3, 1, 2, 3, 9, 0, 42};
    Reader in(bytes);
    in.skip_tags("tags");
    EXPECT_TRUE(in.ok());
    EXPECT_EQ(in.read_int8(), 42);

    const Input cut{1, 5, 4, 1, 2, 3};
    Reader short_in(cut);
    short_in.skip_tags("tags");
    EXPECT_FALSE(short_in.ok());
}

TEST(Reader, counts_fit_into_what_is_left) {
    const Input bytes{0, 0, 0, 3, 1, 2, 3, 4, 5};
    Reader fits(bytes);
    EXPECT_EQ(fits.read_count("", false, false, 1), 3U);
    Reader beyond(bytes);
    EXPECT_FALSE(beyond.read_count("Topics", false, false, 2));
    EXPECT_EQ(beyond.error("X").message, "X.Topics at byte 4 claims 3 elements in 5 bytes");
}

}  // namespace
}  // namespace millrace
