#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "config/properties.h"
#include "records/record.h"

namespace millrace::cli {

// A line of text as key, value and headers, as Kafka's LineMessageReader takes it apart.
class MessageReader {
  public:
    // parse.key, key.separator, parse.headers, headers.delimiter, headers.separator,
    // headers.key.separator, ignore.error, null.marker; other properties say nothing to it.
    static Result<MessageReader> create(const config::Properties& properties);

    struct Message {
        std::optional<Bytes> key;
        std::optional<Bytes> value;
        std::vector<RecordHeader> headers;
    };
    // Views into the line, that hold until the next call. The line's number is for errors.
    Result<const Message*> read(std::string_view line, std::uint64_t number);

  private:
    Result<> check_separators() const;
    std::optional<Bytes> bytes_or_null(std::string_view text) const {
        if (null_marker_ && text == *null_marker_) return std::nullopt;
        return as_bytes(text);
    }
    Result<std::optional<std::string_view>> take(std::string_view& rest, std::string_view separator,
                                                 const char* name, std::string_view line,
                                                 std::uint64_t number) const;
    Result<> read_headers(std::string_view text, std::uint64_t number);

    bool parse_key_ = false;
    bool parse_headers_ = false;
    bool ignore_error_ = false;
    std::string key_separator_ = "\t";
    std::string headers_delimiter_ = "\t";
    std::string headers_separator_ = ",";
    std::string headers_key_separator_ = ":";
    std::optional<std::string> null_marker_;
    Message message_;
};

// What Java's parseBoolean makes of a property.
bool is_true(std::string_view text);

}  // namespace millrace::cli
