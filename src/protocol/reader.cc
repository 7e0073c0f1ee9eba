#include "protocol/reader.h"

#include <fmt/core.h>

#include "base/varint.h"

namespace millrace {

void Reader::failed(Problem problem, const char* field, std::uint64_t amount) {
    if (!ok()) return;
    problem_ = problem;
    field_ = field;
    amount_ = amount;
    left_ = remaining();
    position_ = static_cast<std::uint64_t>(at_ - begin_);
    at_ = end_;  // nothing is left, so that every later read ends at once
}

Error Reader::error(std::string_view message) const {
    std::string what;
    switch (problem_) {
        case Problem::none:
            return {ErrorCode::none, {}};
        case Problem::cut_short:
            what = fmt::format("needs {} bytes, {} are left", amount_, left_);
            break;
        case Problem::null:
            what = "is null, which this version does not allow";
            break;
        case Problem::bad_length:
            what = fmt::format("has a length of {}", amount_);
            break;
        case Problem::too_many:
            what = fmt::format("claims {} elements in {} bytes", amount_, left_);
            break;
        case Problem::bad_varint:
            what = "is a varint that is cut short or beyond 32 bits";
            break;
        case Problem::bad_tag:
            what = "have one that this version does not allow";
            break;
        case Problem::bad_version:
            what = fmt::format("has no version {}", static_cast<std::int16_t>(amount_));
            break;
    }
    std::string_view dot = message.empty() || *field_ == '\0' ? "" : ".";
    return {problem_ == Problem::bad_version ? ErrorCode::unsupported_version
                                             : ErrorCode::invalid_request,
            fmt::format("{}{}{} at byte {} {}", message, dot, field_, position_, what)};
}

void Reader::expect_version(std::int16_t version, std::int16_t first, std::int16_t last) {
    if (version >= first && version <= last) [[likely]]
        return;
    failed(Problem::bad_version, "", static_cast<std::uint16_t>(version));
}

std::uint32_t Reader::long_uvarint(const char* field) {
    std::uint64_t value = 0;
    const std::uint8_t* behind = get_uvarint(at_, end_, value, max_uvarint32_size);
    if (behind == nullptr) {
        failed(Problem::bad_varint, field);
        return 0;
    }
    at_ = behind;
    return static_cast<std::uint32_t>(value);
}

std::optional<std::size_t> Reader::string_size(const char* field, bool compact, bool nullable) {
    std::int64_t size = compact ? std::int64_t{read_uvarint(field)} - 1 : read_int16(field);
    if (!ok()) return std::nullopt;
    if (size < 0) {
        if (!nullable) failed(Problem::null, field);
        return std::nullopt;
    }
    if (static_cast<std::size_t>(size) > most_string_bytes) {
        failed(Problem::bad_length, field, static_cast<std::uint64_t>(size));
        return std::nullopt;
    }
    if (!has(static_cast<std::size_t>(size), field)) return std::nullopt;
    return static_cast<std::size_t>(size);
}

std::optional<std::size_t> Reader::bytes_size(const char* field, bool compact, bool nullable) {
    std::int64_t size = compact ? std::int64_t{read_uvarint(field)} - 1 : read_int32(field);
    if (!ok()) return std::nullopt;
    if (size < 0) {
        if (!nullable) failed(Problem::null, field);
        return std::nullopt;
    }
    if (!has(static_cast<std::size_t>(size), field)) return std::nullopt;
    return static_cast<std::size_t>(size);
}

Slice Reader::take_slice(std::size_t size) {
    Bytes bytes(at_, size);
    at_ += size;
    if (!shares_) return Slice::copy(bytes);
    return frame_.slice(static_cast<std::size_t>(bytes.data() - begin_), size);
}

void Reader::read_string(std::string_view& to, const char* field, bool compact) {
    auto size = string_size(field, compact, false);
    to = size ? as_string(read_raw(*size)) : std::string_view{};
}

void Reader::read_string(std::string& to, const char* field, bool compact) {
    std::string_view view;
    read_string(view, field, compact);
    to = view;
}

void Reader::read_string(std::optional<std::string_view>& to, const char* field, bool compact,
                         bool nullable) {
    auto size = string_size(field, compact, nullable);
    to.reset();
    if (size) to = as_string(read_raw(*size));
}

void Reader::read_string(std::optional<std::string>& to, const char* field, bool compact,
                         bool nullable) {
    std::optional<std::string_view> view;
    read_string(view, field, compact, nullable);
    to = view;
}

void Reader::read_bytes(Slice& to, const char* field, bool compact) {
    auto size = bytes_size(field, compact, false);
    to = size ? take_slice(*size) : Slice();
}

void Reader::read_bytes(std::optional<Slice>& to, const char* field, bool compact, bool nullable) {
    auto size = bytes_size(field, compact, nullable);
    to.reset();
    if (size) to = take_slice(*size);
}

void Reader::read_records(std::optional<Chain>& to, const char* field, bool compact,
                          bool nullable) {
    auto size = bytes_size(field, compact, nullable);
    to.reset();
    if (size) to.emplace(take_slice(*size));
}

std::optional<std::size_t> Reader::read_count(const char* field, bool compact, bool nullable,
                                              std::size_t least_size) {
    std::int64_t count = compact ? std::int64_t{read_uvarint(field)} - 1 : read_int32(field);
    if (!ok()) return std::nullopt;
    if (count < 0) {
        if (!nullable) failed(Problem::null, field);
        return std::nullopt;
    }
    if (static_cast<std::size_t>(count) > remaining() / least_size) {
        failed(Problem::too_many, field, static_cast<std::uint64_t>(count));
        return std::nullopt;
    }
    return static_cast<std::size_t>(count);
}

bool Reader::take_null(bool compact) {
    std::size_t size = compact ? 1 : 4;
    if (remaining() < size) return false;
    if (compact ? *at_ != 0 : load_be<std::int32_t>(at_) >= 0) return false;
    at_ += size;
    return true;
}

// The elements have their size on the wire in memory, too: what they claim is there.
template <typename T>
void Reader::read_numbers(std::vector<T>& to, const char* field, bool compact) {
    std::size_t count = read_count(field, compact, false, sizeof(T)).value_or(0);
    to.resize(count);
    for (T& each : to) {
        each = load_be<T>(at_);
        at_ += sizeof(T);
    }
}

void Reader::read_array(std::vector<std::int8_t>& to, const char* field, bool compact) {
    read_numbers(to, field, compact);
}
void Reader::read_array(std::vector<std::int16_t>& to, const char* field, bool compact) {
    read_numbers(to, field, compact);
}
void Reader::read_array(std::vector<std::int32_t>& to, const char* field, bool compact) {
    read_numbers(to, field, compact);
}
void Reader::read_array(std::vector<std::int64_t>& to, const char* field, bool compact) {
    read_numbers(to, field, compact);
}

void Reader::read_array(std::vector<Uuid>& to, const char* field, bool compact) {
    to.resize(read_count(field, compact, false, 16).value_or(0));
    for (Uuid& each : to) each = read_uuid(field);
}

void Reader::read_array(std::vector<std::string>& to, const char* field, bool compact) {
    std::size_t count = read_count(field, compact, false, compact ? 1 : 2).value_or(0);
    to.clear();
    reserve(to, count);
    for (std::size_t i = 0; i < count && ok(); ++i) read_string(to.emplace_back(), field, compact);
}

void Reader::read_array(std::vector<std::string_view>& to, const char* field, bool compact) {
    std::size_t count = read_count(field, compact, false, compact ? 1 : 2).value_or(0);
    to.clear();
    reserve(to, count);
    for (std::size_t i = 0; i < count && ok(); ++i) read_string(to.emplace_back(), field, compact);
}

bool Reader::read_presence(const char* field, bool tagged, bool nullable) {
    bool present = tagged ? read_uvarint(field) > 0 : read_int8(field) >= 0;
    if (!present && !nullable) failed(Problem::null, field);
    return present && ok();
}

std::uint32_t Reader::read_tag_count(const char* owner) {
    std::uint32_t count = read_uvarint(owner);
    if (count <= remaining() / 2) [[likely]]
        return count;  // a number and a size at least
    failed(Problem::too_many, owner, count);
    return 0;
}

Reader::Tag Reader::read_tag(const char* owner) {
    Tag tag;
    tag.number = read_uvarint(owner);
    tag.size = read_uvarint(owner);
    return tag;
}

void Reader::skip_tags(const char* owner) {
    for (std::uint32_t left = read_tag_count(owner); left > 0 && ok(); --left) {
        read_raw(read_tag(owner).size, owner);
    }
}

}  // namespace millrace
