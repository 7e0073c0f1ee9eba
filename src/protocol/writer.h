#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/chain.h"
#include "base/result.h"
#include "base/uuid.h"

namespace millrace {

// Writes the primitives of Kafka's messages. Small values go into one growing buffer; records and
// large bytes are spliced between its parts without a copy. As with Reader the first failure
// sticks, and error() tells it.
class Writer {
  public:
    Writer() = default;
    explicit Writer(std::size_t capacity) : buffer_(capacity) {}
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;

    // Bytes so far, with what is spliced.
    std::uint64_t size() const { return buffer_.size() + spliced_size_; }
    bool ok() const { return problem_ == Problem::none; }
    [[gnu::cold]] Error error(std::string_view message, std::int16_t version) const;
    Chain finish() &&;
    // For messages without file ranges.
    Slice finish_in_memory() &&;

    void write_bool(bool value) { number(static_cast<std::int8_t>(value)); }
    void write_int8(std::int8_t value) { number(value); }
    void write_int16(std::int16_t value) { number(value); }
    void write_int32(std::int32_t value) { number(value); }
    void write_int64(std::int64_t value) { number(value); }
    void write_uint16(std::uint16_t value) { number(value); }
    void write_uint32(std::uint32_t value) { number(value); }
    void write_float64(double value) { number(std::bit_cast<std::int64_t>(value)); }
    void write_error_code(ErrorCode value) { number(static_cast<std::int16_t>(value)); }
    void write_uuid(const Uuid& id) {
        std::uint8_t* at = buffer_.extend(16);
        store_be(at, id.high);
        store_be(at + 8, id.low);
    }
    void write_uvarint(std::uint32_t value) {
        if (value < 0x80) [[likely]] {
            buffer_.push_back(static_cast<std::uint8_t>(value));
        } else {
            long_uvarint(value);
        }
    }
    void write_raw(Bytes bytes) { buffer_.append(bytes); }
    // Overwrites four bytes that were written at `position`, before anything was spliced.
    void patch_int32(std::size_t position, std::int32_t value) {
        CHECK(position + 4 <= buffer_.size());
        store_be(buffer_.data() + position, value);
    }

    void write_string(std::string_view value, const char* field, bool compact);
    void write_string(const std::optional<std::string>& value, const char* field, bool compact,
                      bool nullable);
    void write_string(const std::optional<std::string_view>& value, const char* field, bool compact,
                      bool nullable);
    void write_bytes(const Slice& value, const char* field, bool compact);
    void write_bytes(const std::optional<Slice>& value, const char* field, bool compact,
                     bool nullable);
    void write_records(const std::optional<Chain>& value, const char* field, bool compact,
                       bool nullable);

    void write_count(std::size_t count, const char* field, bool compact);
    // Of an array or of bytes.
    void write_null(const char* field, bool compact, bool nullable);
    void write_array(const std::vector<std::int8_t>& values, const char* field, bool compact);
    void write_array(const std::vector<std::int16_t>& values, const char* field, bool compact);
    void write_array(const std::vector<std::int32_t>& values, const char* field, bool compact);
    void write_array(const std::vector<std::int64_t>& values, const char* field, bool compact);
    void write_array(const std::vector<Uuid>& values, const char* field, bool compact);
    void write_array(const std::vector<std::string>& values, const char* field, bool compact);
    void write_array(const std::vector<std::string_view>& values, const char* field, bool compact);
    template <typename T>
    void write_array(const std::optional<std::vector<T>>& values, const char* field, bool compact,
                     bool nullable) {
        if (values) {
            write_array(*values, field, compact);
        } else {
            write_null(field, compact, nullable);
        }
    }
    void write_presence(bool present, const char* field, bool tagged, bool nullable);

    // A tagged field: its number and size go in front of what is written between the two. The size
    // is not known before, so the value moves up when the size needs more than a byte.
    std::size_t begin_tag(std::uint32_t number);
    void end_tag(std::size_t begin);

    // Reports a field that has a value the version cannot express.
    [[gnu::cold]] void unsupported(const char* field) { failed(Problem::unsupported, field); }
    void expect_version(std::int16_t version, std::int16_t first, std::int16_t last) {
        if (version < first || version > last) [[unlikely]]
            failed(Problem::bad_version, "");
    }

  private:
    enum class Problem : std::uint8_t { none, unsupported, null, too_long, bad_version };
    struct Splice {
        std::size_t position;  // in buffer_
        Chain::Piece piece;
    };
    static constexpr std::size_t most_string_bytes = 0x7fff;
    static constexpr std::uint64_t most_elements = 0x7ffffffe;  // or bytes: one less than int32 has
    static constexpr std::size_t least_spliced = 1024;

    template <typename T>
    void number(T value) {
        store_be(buffer_.extend(sizeof(T)), value);
    }
    template <typename T>
    void write_numbers(const std::vector<T>& values, const char* field, bool compact);
    void long_uvarint(std::uint32_t value);
    void write_length(std::uint64_t length, const char* field, bool compact);
    void put(const Slice& slice);
    [[gnu::cold]] void failed(Problem problem, const char* field);

    Buffer buffer_;
    std::vector<Splice> splices_;
    std::uint64_t spliced_size_ = 0;
    int open_tags_ = 0;  // their values may still move: nothing is spliced inside
    Problem problem_ = Problem::none;
    const char* field_ = "";
};

}  // namespace millrace
