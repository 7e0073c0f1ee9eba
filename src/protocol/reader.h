#pragma once

#include <algorithm>
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

// Reads the primitives of Kafka's messages (schema/NOTATION.md) from bytes of unknown origin.
//
// The first failure sticks: later reads give zeros and empty values, no array goes on, and
// error() says which field it was. So generated code reads field after field and asks once.
// `field` names a value in that error. `compact` is the encoding of flexible versions.
class Reader {
  public:
    // Bytes fields share the frame.
    explicit Reader(Slice frame) : frame_(std::move(frame)), shares_(true) { use(frame_.bytes()); }
    // Bytes fields are copies.
    explicit Reader(Bytes bytes) { use(bytes); }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

    std::size_t remaining() const { return static_cast<std::size_t>(end_ - at_); }
    bool ok() const { return problem_ == Problem::none; }
    // The failure, when there is one, told of `message`, the name of what was read.
    [[gnu::cold]] Error error(std::string_view message) const;

    bool read_bool(const char* field = "") { return read_int8(field) != 0; }
    std::int8_t read_int8(const char* field = "") { return number<std::int8_t>(field); }
    std::int16_t read_int16(const char* field = "") { return number<std::int16_t>(field); }
    std::int32_t read_int32(const char* field = "") { return number<std::int32_t>(field); }
    std::int64_t read_int64(const char* field = "") { return number<std::int64_t>(field); }
    std::uint16_t read_uint16(const char* field = "") { return number<std::uint16_t>(field); }
    std::uint32_t read_uint32(const char* field = "") { return number<std::uint32_t>(field); }
    double read_float64(const char* field = "") {
        return std::bit_cast<double>(number<std::int64_t>(field));
    }
    ErrorCode read_error_code(const char* field = "") { return ErrorCode{read_int16(field)}; }
    Uuid read_uuid(const char* field = "") {
        if (!has(16, field)) [[unlikely]]
            return {};
        Uuid id{load_be<std::uint64_t>(at_), load_be<std::uint64_t>(at_ + 8)};
        at_ += 16;
        return id;
    }
    std::uint32_t read_uvarint(const char* field = "") {
        if (at_ != end_ && *at_ < 0x80) [[likely]]
            return *at_++;
        return long_uvarint(field);
    }
    // The next `size` bytes as they lie in the frame.
    Bytes read_raw(std::size_t size, const char* field = "") {
        if (!has(size, field)) [[unlikely]]
            return {};
        Bytes raw(at_, size);
        at_ += size;
        return raw;
    }

    // A value for a field that may be null takes null in the versions where `nullable` holds; in
    // the others, and for fields that are never null, null is a failure. A string_view points into
    // the frame.
    void read_string(std::string& to, const char* field, bool compact);
    void read_string(std::string_view& to, const char* field, bool compact);
    void read_string(std::optional<std::string>& to, const char* field, bool compact,
                     bool nullable);
    void read_string(std::optional<std::string_view>& to, const char* field, bool compact,
                     bool nullable);
    void read_bytes(Slice& to, const char* field, bool compact);
    void read_bytes(std::optional<Slice>& to, const char* field, bool compact, bool nullable);
    void read_records(std::optional<Chain>& to, const char* field, bool compact, bool nullable);

    // The number of elements that follow; fails when they cannot fit into what is left, each having
    // at least `least_size` bytes. nullopt for null.
    std::optional<std::size_t> read_count(const char* field, bool compact, bool nullable,
                                          std::size_t least_size);
    // Makes room for what is probably true of a claimed number of elements: a vector grows beyond
    // it only as elements are really read.
    template <typename T>
    static void reserve(std::vector<T>& to, std::size_t count) {
        to.reserve(std::min(count, std::max<std::size_t>(1, most_reserved / sizeof(T))));
    }
    // Arrays of primitives.
    void read_array(std::vector<std::int8_t>& to, const char* field, bool compact);
    void read_array(std::vector<std::int16_t>& to, const char* field, bool compact);
    void read_array(std::vector<std::int32_t>& to, const char* field, bool compact);
    void read_array(std::vector<std::int64_t>& to, const char* field, bool compact);
    void read_array(std::vector<Uuid>& to, const char* field, bool compact);
    void read_array(std::vector<std::string>& to, const char* field, bool compact);
    void read_array(std::vector<std::string_view>& to, const char* field, bool compact);
    template <typename T>
    void read_array(std::optional<std::vector<T>>& to, const char* field, bool compact,
                    bool nullable) {
        to.reset();
        if (nullable && take_null(compact)) return;
        read_array(to.emplace(), field, compact);
    }
    // Whether a struct that may be null follows: a sign byte, or a uvarint where it is a tag's
    // value.
    bool read_presence(const char* field, bool tagged, bool nullable);

    // The tail of tagged fields: how many there are, and one after the other.
    std::uint32_t read_tag_count(const char* owner);
    struct Tag {
        std::uint32_t number = 0;
        std::uint32_t size = 0;
    };
    Tag read_tag(const char* owner);
    // A tail of which no tag is known.
    void skip_tags(const char* owner);

    // Fails: a known tag that this version does not have.
    [[gnu::cold]] void refuse_tag(const char* owner) { failed(Problem::bad_tag, owner); }

    // A place to come back to.
    using Mark = const std::uint8_t*;
    Mark mark() const { return at_; }
    void rewind(Mark mark) { at_ = mark; }

    // Fails unless first <= version <= last.
    void expect_version(std::int16_t version, std::int16_t first, std::int16_t last);

  private:
    enum class Problem : std::uint8_t {
        none,
        cut_short,
        null,
        bad_length,
        too_many,
        bad_varint,
        bad_tag,
        bad_version,
    };
    static constexpr std::size_t most_string_bytes = 0x7fff;
    static constexpr std::size_t most_reserved = 64 << 10;

    void use(Bytes bytes) {
        at_ = bytes.data();
        end_ = at_ + bytes.size();
        begin_ = at_;
    }
    bool has(std::size_t size, const char* field) {
        if (remaining() >= size) [[likely]]
            return true;
        failed(Problem::cut_short, field, size);
        return false;
    }
    template <typename T>
    T number(const char* field) {
        if (!has(sizeof(T), field)) [[unlikely]]
            return 0;
        T value = load_be<T>(at_);
        at_ += sizeof(T);
        return value;
    }
    template <typename T>
    void read_numbers(std::vector<T>& to, const char* field, bool compact);
    std::uint32_t long_uvarint(const char* field);
    // Steps over the null of an array or stays.
    bool take_null(bool compact);
    // The length of a string, or nullopt for null; of bytes and records likewise.
    std::optional<std::size_t> string_size(const char* field, bool compact, bool nullable);
    std::optional<std::size_t> bytes_size(const char* field, bool compact, bool nullable);
    Slice take_slice(std::size_t size);
    [[gnu::cold]] void failed(Problem problem, const char* field, std::uint64_t amount = 0);

    const std::uint8_t* at_ = nullptr;
    const std::uint8_t* end_ = nullptr;
    const std::uint8_t* begin_ = nullptr;
    Slice frame_;
    bool shares_ = false;
    Problem problem_ = Problem::none;
    const char* field_ = "";
    std::uint64_t amount_ = 0;  // what was wanted, for the error
    std::uint64_t left_ = 0;    // what there was
    std::uint64_t position_ = 0;
};

}  // namespace millrace
