#include "cli/deserializers.h"

#include <bit>
#include <cstdint>
#include <fmt/format.h>
#include <iterator>

#include "config/value.h"

namespace millrace::cli {

namespace {

constexpr std::string_view package = "org.apache.kafka.common.serialization.";

std::unexpected<Error> wrong_size(Bytes bytes, std::string_view kind, std::size_t size) {
    return fail(ErrorCode::invalid_record,
                fmt::format("{} bytes are no {}, which has {}", bytes.size(), kind, size));
}

Result<> text(Bytes bytes, std::string& out) {
    out.append(as_string(bytes));
    return {};
}

template <typename T>
Result<> integer(Bytes bytes, std::string& out) {
    if (bytes.size() != sizeof(T)) return wrong_size(bytes, "integer", sizeof(T));
    fmt::format_to(std::back_inserter(out), "{}", load_be<T>(bytes.data()));
    return {};
}

Result<> float64(Bytes bytes, std::string& out) {
    if (bytes.size() != 8) return wrong_size(bytes, "double", 8);
    out += config::to_text(std::bit_cast<double>(load_be<std::int64_t>(bytes.data())));
    return {};
}

Result<> float32(Bytes bytes, std::string& out) {
    if (bytes.size() != 4) return wrong_size(bytes, "float", 4);
    float number = std::bit_cast<float>(load_be<std::int32_t>(bytes.data()));
    std::string shortest = fmt::format("{}", number);
    if (shortest.find_first_not_of("-0123456789") == std::string::npos) shortest += ".0";
    out += shortest;
    return {};
}

Result<> boolean(Bytes bytes, std::string& out) {
    if (bytes.size() != 1 || bytes[0] > 1) return wrong_size(bytes, "boolean", 1);
    out += bytes[0] == 1 ? "true" : "false";
    return {};
}

// A printable byte as it is, another as \xNN, as Java's Bytes says itself.
Result<> escaped(Bytes bytes, std::string& out) {
    for (std::uint8_t byte : bytes) {
        if (byte >= ' ' && byte <= '~' && byte != '\\') {
            out += static_cast<char>(byte);
        } else {
            fmt::format_to(std::back_inserter(out), "\\x{:02X}", byte);
        }
    }
    return {};
}

struct Named {
    std::string_view name;
    Deserializer deserializer;
};
constexpr Named built_in[] = {
    {"StringDeserializer", text},
    {"UUIDDeserializer", text},
    {"ByteArrayDeserializer", text},
    {"ByteBufferDeserializer", text},
    {"BytesDeserializer", escaped},
    {"ShortDeserializer", integer<std::int16_t>},
    {"IntegerDeserializer", integer<std::int32_t>},
    {"LongDeserializer", integer<std::int64_t>},
    {"FloatDeserializer", float32},
    {"DoubleDeserializer", float64},
    {"BooleanDeserializer", boolean},
};

}  // namespace

Result<Deserializer> find_deserializer(std::string_view class_name) {
    std::string_view name = class_name;
    if (name.starts_with(package)) name.remove_prefix(package.size());
    for (const Named& one : built_in) {
        if (one.name == name) return one.deserializer;
    }
    return fail(ErrorCode::invalid_config,
                fmt::format("The deserializer {} is not built in: there are those of {}* for "
                            "strings, numbers, booleans, UUIDs and bytes.",
                            class_name, package));
}

bool is_utf8(Bytes bytes) {
    for (std::size_t i = 0; i < bytes.size();) {
        std::uint8_t lead = bytes[i];
        std::size_t size = lead < 0x80   ? 1
                           : lead < 0xc2 ? 0
                           : lead < 0xe0 ? 2
                           : lead < 0xf0 ? 3
                           : lead < 0xf5 ? 4
                                         : 0;
        if (size == 0 || bytes.size() - i < size) return false;
        for (std::size_t j = 1; j < size; ++j) {
            if ((bytes[i + j] & 0xc0U) != 0x80) return false;
        }
        bool overlong =
            (lead == 0xe0 && bytes[i + 1] < 0xa0) || (lead == 0xf0 && bytes[i + 1] < 0x90);
        bool outside =
            (lead == 0xed && bytes[i + 1] > 0x9f) || (lead == 0xf4 && bytes[i + 1] > 0x8f);
        if (overlong || outside) return false;
        i += size;
    }
    return true;
}

std::string base64(Bytes bytes) {
    constexpr std::string_view digits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string out;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        std::size_t here = std::min<std::size_t>(3, bytes.size() - i);
        std::uint32_t group = 0;
        for (std::size_t j = 0; j < 3; ++j) {
            group = group << 8U | (j < here ? bytes[i + j] : 0U);
        }
        for (std::size_t j = 0; j < 4; ++j) {
            out += j <= here ? digits[group >> (18 - 6 * j) & 63U] : '=';
        }
    }
    return out;
}

}  // namespace millrace::cli
