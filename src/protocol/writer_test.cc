#include "protocol/writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <memory>

#include "protocol/reader.h"

namespace millrace {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Writer, lengths_of_both_forms) {
    Writer out;
    out.write_string("ab", "", false);
    out.write_string("ab", "", true);
    out.write_string(std::optional<std::string>(), "", false, true);
    out.write_string(std::optional<std::string>(), "", true, true);
    out.write_array(std::vector<std::int16_t>{1, 2}, "", true);
    Slice bytes = std::move(out).finish_in_memory();
    EXPECT_THAT(bytes.bytes(),
                ElementsAre(0, 2, 'a', 'b', 3, 'a', 'b', 0xff, 0xff, 0, 3, 0, 1, 0, 2));
}

TEST(Writer, null_where_it_is_not_allowed_is_an_error) {
    Writer out;
    out.write_string(std::optional<std::string>(), "Name", true, false);
    EXPECT_FALSE(out.ok());
    EXPECT_EQ(out.error("ThingRequest", 3).message,
              "ThingRequest version 3: Name is null, which this version does not allow");
}

TEST(Writer, string_beyond_32767_bytes_is_an_error) {
    Writer fits;
    fits.write_string(std::string(32767, 'x'), "Name", true);
    EXPECT_TRUE(fits.ok());
    Writer out;
    out.write_string(std::string(32768, 'x'), "Name", true);
    EXPECT_FALSE(out.ok());
    EXPECT_THAT(out.error("T", 0).message, HasSubstr("Name"));
}

TEST(Writer, records_are_spliced_between_its_bytes) {
    Slice large = Slice::copy(std::string(5000, 'r'));
    Slice small = Slice::copy(std::string("few"));
    FileRange range{.file = nullptr, .offset = 10, .size = 70000};
    Chain in_file;
    in_file.append(range);

    Writer out;
    out.write_int8(1);
    out.write_records(Chain(large), "", false, true);
    out.write_records(Chain(small), "", false, true);
    out.write_records(in_file, "", false, true);
    out.write_int8(2);
    EXPECT_EQ(out.size(), 1 + 4 + 5000 + 4 + 3 + 4 + 70000 + 1U);
    Chain chain = std::move(out).finish();
    EXPECT_EQ(chain.size(), 1 + 4 + 5000 + 4 + 3 + 4 + 70000 + 1U);

    ASSERT_EQ(chain.pieces().size(), 5U);
    EXPECT_EQ(std::get<Slice>(chain.pieces()[1]).data(), large.data());
    EXPECT_EQ(std::get<Slice>(chain.pieces()[2]).size(), 4 + 3 + 4U);
    EXPECT_EQ(std::get<FileRange>(chain.pieces()[3]).size, 70000U);
    EXPECT_THAT(std::get<Slice>(chain.pieces()[4]).bytes(), ElementsAre(2));
}

TEST(Writer, tags_carry_their_size_however_long_it_gets) {
    for (std::size_t size : {0U, 1U, 125U, 126U, 127U, 128U, 3000U, 20000U}) {
        Writer out;
        std::size_t tag = out.begin_tag(7);
        out.write_bytes(Slice::copy(std::string(size, 'v')), "", true);
        out.end_tag(tag);
        out.write_int8(42);
        Slice bytes = std::move(out).finish_in_memory();

        Reader in(bytes);
        Reader::Tag read = in.read_tag("");
        EXPECT_EQ(read.number, 7U);
        Reader value(in.read_raw(read.size));
        Slice back;
        value.read_bytes(back, "", true);
        EXPECT_EQ(back.view(), std::string(size, 'v'));
        EXPECT_EQ(value.remaining(), 0U);
        EXPECT_EQ(in.read_int8(), 42);
        EXPECT_EQ(in.remaining(), 0U);
        EXPECT_TRUE(in.ok());
    }
}

TEST(Writer, nested_tags_are_moved_together) {
    Writer out;
    std::size_t outer = out.begin_tag(1);
    std::size_t inner = out.begin_tag(2);
    out.write_string(std::string(200, 'x'), "", true);
    out.end_tag(inner);
    out.end_tag(outer);
    Slice bytes = std::move(out).finish_in_memory();

    Reader in(bytes);
    Reader value(in.read_raw(in.read_tag("").size));
    EXPECT_EQ(in.remaining(), 0U);
    Reader last(value.read_raw(value.read_tag("").size));
    EXPECT_EQ(value.remaining(), 0U);
    std::string text;
    last.read_string(text, "", true);
    EXPECT_EQ(text, std::string(200, 'x'));
}

}  // namespace
}  // namespace millrace
