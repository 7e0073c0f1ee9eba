#include "protocol/writer.h"

#include <cstring>
#include <fmt/core.h>
#include <variant>

#include "base/varint.h"

namespace millrace {
void Writer::failed(Problem problem, const char* field) {
    if (!ok()) return;
    problem_ = problem;
    field_ = field;
}

Error Writer::error(std::string_view message, std::int16_t version) const {
    auto made = [&](ErrorCode code, std::string_view what) {
        return Error{code, fmt::format("{} version {}{}{} {}", message, version,
                                       *field_ == '\0' ? "" : ": ", field_, what)};
    };
    switch (problem_) {
        case Problem::none:
            return {ErrorCode::none, {}};
        case Problem::unsupported:
            return made(ErrorCode::unsupported_version,
                        "has a value, but this version has no such field: leave it at its default "
                        "or use a version that has it");
        case Problem::null:
            return made(ErrorCode::invalid_request, "is null, which this version does not allow");
        case Problem::too_long:
            return made(ErrorCode::invalid_request, "is longer than its length field can tell");
        case Problem::bad_version:
            return made(ErrorCode::unsupported_version, "does not exist");
    }
    return {};
}

Chain Writer::finish() && {
    CHECK(open_tags_ == 0);
    if (splices_.empty()) return Chain(std::move(buffer_).freeze());
    Slice all = std::move(buffer_).freeze();
    Chain chain;
    std::size_t from = 0;
    for (Splice& splice : splices_) {
        chain.append(all.slice(from, splice.position - from));
        std::visit([&](auto& piece) { chain.append(std::move(piece)); }, splice.piece);
        from = splice.position;
    }
    chain.append(all.slice(from));
    return chain;
}

Slice Writer::finish_in_memory() && { return std::move(*this).finish().in_memory(); }

void Writer::long_uvarint(std::uint32_t value) {
    put_uvarint(buffer_.extend(uvarint_size(value)), value);
}

void Writer::write_length(std::uint64_t length, const char* field, bool compact) {
    if (length > most_elements) {
        failed(Problem::too_long, field);
        length = 0;
    }
    if (compact) {
        write_uvarint(static_cast<std::uint32_t>(length + 1));
    } else {
        write_int32(static_cast<std::int32_t>(length));
    }
}

void Writer::write_string(std::string_view value, const char* field, bool compact) {
    if (value.size() > most_string_bytes) [[unlikely]] {
        failed(Problem::too_long, field);
        value = {};
    }
    if (compact) {
        write_uvarint(static_cast<std::uint32_t>(value.size() + 1));
    } else {
        write_int16(static_cast<std::int16_t>(value.size()));
    }
    buffer_.append(value);
}

void Writer::write_string(const std::optional<std::string_view>& value, const char* field,
                          bool compact, bool nullable) {
    if (value) return write_string(*value, field, compact);
    if (!nullable) failed(Problem::null, field);
    if (compact) {
        write_uvarint(0);
    } else {
        write_int16(-1);
    }
}

void Writer::write_string(const std::optional<std::string>& value, const char* field, bool compact,
                          bool nullable) {
    write_string(value ? std::optional<std::string_view>(*value) : std::nullopt, field, compact,
                 nullable);
}

void Writer::put(const Slice& slice) {
    if (slice.size() < least_spliced || open_tags_ > 0) return buffer_.append(slice.bytes());
    spliced_size_ += slice.size();
    splices_.push_back({buffer_.size(), slice});
}

void Writer::write_bytes(const Slice& value, const char* field, bool compact) {
    write_length(value.size(), field, compact);
    put(value);
}

void Writer::write_bytes(const std::optional<Slice>& value, const char* field, bool compact,
                         bool nullable) {
    if (value) {
        write_bytes(*value, field, compact);
    } else {
        write_null(field, compact, nullable);
    }
}

void Writer::write_records(const std::optional<Chain>& value, const char* field, bool compact,
                           bool nullable) {
    if (!value) return write_null(field, compact, nullable);
    write_length(value->size(), field, compact);
    for (const Chain::Piece& piece : value->pieces()) {
        if (const auto* slice = std::get_if<Slice>(&piece)) {
            put(*slice);
            continue;
        }
        CHECK(open_tags_ == 0);  // no schema has records inside a tag
        spliced_size_ += std::get<FileRange>(piece).size;
        splices_.push_back({buffer_.size(), piece});
    }
}

void Writer::write_count(std::size_t count, const char* field, bool compact) {
    write_length(count, field, compact);
}

void Writer::write_null(const char* field, bool compact, bool nullable) {
    if (!nullable) failed(Problem::null, field);
    if (compact) {
        write_uvarint(0);
    } else {
        write_int32(-1);
    }
}

template <typename T>
void Writer::write_numbers(const std::vector<T>& values, const char* field, bool compact) {
    write_count(values.size(), field, compact);
    std::uint8_t* at = buffer_.extend(values.size() * sizeof(T));
    for (T each : values) {
        store_be(at, each);
        at += sizeof(T);
    }
}

void Writer::write_array(const std::vector<std::int8_t>& values, const char* field, bool compact) {
    write_numbers(values, field, compact);
}
void Writer::write_array(const std::vector<std::int16_t>& values, const char* field, bool compact) {
    write_numbers(values, field, compact);
}
void Writer::write_array(const std::vector<std::int32_t>& values, const char* field, bool compact) {
    write_numbers(values, field, compact);
}
void Writer::write_array(const std::vector<std::int64_t>& values, const char* field, bool compact) {
    write_numbers(values, field, compact);
}
void Writer::write_array(const std::vector<Uuid>& values, const char* field, bool compact) {
    write_count(values.size(), field, compact);
    for (const Uuid& each : values) write_uuid(each);
}
void Writer::write_array(const std::vector<std::string>& values, const char* field, bool compact) {
    write_count(values.size(), field, compact);
    for (const std::string& each : values) write_string(each, field, compact);
}
void Writer::write_array(const std::vector<std::string_view>& values, const char* field,
                         bool compact) {
    write_count(values.size(), field, compact);
    for (std::string_view each : values) write_string(each, field, compact);
}

void Writer::write_presence(bool present, const char* field, bool tagged, bool nullable) {
    if (!present && !nullable) failed(Problem::null, field);
    if (tagged) {
        write_uvarint(present ? 1 : 0);
    } else {
        write_int8(present ? 1 : -1);
    }
}

std::size_t Writer::begin_tag(std::uint32_t number) {
    write_uvarint(number);
    buffer_.push_back(0);
    ++open_tags_;
    return buffer_.size();
}

void Writer::end_tag(std::size_t begin) {
    --open_tags_;
    std::size_t size = buffer_.size() - begin;
    std::size_t more = uvarint_size(size) - 1;
    if (more > 0) {
        buffer_.extend(more);
        std::memmove(buffer_.data() + begin + more, buffer_.data() + begin, size);
    }
    put_uvarint(buffer_.data() + begin - 1, size);
}

}  // namespace millrace
