#include "cli/message_reader.h"

#include <fmt/core.h>

#include "config/text.h"

namespace millrace::cli {

bool is_true(std::string_view text) {
    return config::equal_ignoring_case(config::trim(text), "true");
}

Result<MessageReader> MessageReader::create(const config::Properties& properties) {
    MessageReader reader;
    auto set_text = [&](std::string_view key, std::string& into) {
        if (const config::Property* found = properties.find(key)) into = found->value;
    };
    reader.parse_key_ = is_true(properties.get("parse.key"));
    reader.parse_headers_ = is_true(properties.get("parse.headers"));
    reader.ignore_error_ = is_true(properties.get("ignore.error"));
    set_text("key.separator", reader.key_separator_);
    set_text("headers.delimiter", reader.headers_delimiter_);
    set_text("headers.separator", reader.headers_separator_);
    set_text("headers.key.separator", reader.headers_key_separator_);
    if (const config::Property* found = properties.find("null.marker")) {
        reader.null_marker_ = found->value;
    }
    RETURN_IF_ERROR(reader.check_separators());
    return reader;
}

Result<> MessageReader::check_separators() const {
    struct Separator {
        const char* name;
        const std::string* text;
    };
    const Separator separators[] = {{"headers.delimiter", &headers_delimiter_},
                                    {"headers.separator", &headers_separator_},
                                    {"headers.key.separator", &headers_key_separator_},
                                    {"key.separator", &key_separator_}};
    for (const Separator& a : separators) {
        if (a.text->empty()) {
            return fail(ErrorCode::invalid_config, fmt::format("{} must not be empty", a.name));
        }
        if (null_marker_ && *a.text == *null_marker_) {
            return fail(
                ErrorCode::invalid_config,
                fmt::format("null.marker and {} must differ: both are '{}'", a.name, *a.text));
        }
        for (const Separator& b : separators) {
            bool of_headers = &b < &separators[3] && &a < &b;
            if (of_headers && *a.text == *b.text) {
                return fail(
                    ErrorCode::invalid_config,
                    fmt::format("{} and {} must differ: both are '{}'", a.name, b.name, *a.text));
            }
        }
    }
    return {};
}

Result<std::optional<std::string_view>> MessageReader::take(std::string_view& rest,
                                                            std::string_view separator,
                                                            const char* name, std::string_view line,
                                                            std::uint64_t number) const {
    std::size_t at = rest.find(separator);
    if (at == std::string_view::npos) {
        if (ignore_error_) return std::nullopt;
        return fail(ErrorCode::invalid_record,
                    fmt::format("No {} '{}' in line {}: '{}'", name, separator, number, line));
    }
    std::string_view taken = rest.substr(0, at);
    rest.remove_prefix(at + separator.size());
    return taken;
}

Result<const MessageReader::Message*> MessageReader::read(std::string_view line,
                                                          std::uint64_t number) {
    message_.key.reset();
    message_.headers.clear();
    std::string_view rest = line;
    if (parse_headers_) {
        ASSIGN_OR_RETURN(auto headers,
                         take(rest, headers_delimiter_, "headers.delimiter", line, number));
        if (headers && headers != null_marker_) RETURN_IF_ERROR(read_headers(*headers, number));
    }
    if (parse_key_) {
        ASSIGN_OR_RETURN(auto key, take(rest, key_separator_, "key.separator", line, number));
        if (key) message_.key = bytes_or_null(*key);
    }
    message_.value = bytes_or_null(rest);
    return &message_;
}

Result<> MessageReader::read_headers(std::string_view text, std::uint64_t number) {
    for (bool more = true; more;) {
        std::size_t end = text.find(headers_separator_);
        more = end != std::string_view::npos;
        std::string_view pair = text.substr(0, end);
        if (more) text.remove_prefix(end + headers_separator_.size());
        std::size_t at = pair.find(headers_key_separator_);
        if (at == std::string_view::npos) {
            if (!ignore_error_) {
                return fail(ErrorCode::invalid_record,
                            fmt::format("No headers.key.separator '{}' in the header '{}' of line "
                                        "{}",
                                        headers_key_separator_, pair, number));
            }
            message_.headers.push_back({pair, std::nullopt});
            continue;
        }
        std::string_view key = pair.substr(0, at);
        if (key == null_marker_) {
            return fail(ErrorCode::invalid_record,
                        fmt::format("The key of a header in line {} is the null marker '{}', but "
                                    "keys of headers cannot be null",
                                    number, key));
        }
        message_.headers.push_back(
            {key, bytes_or_null(pair.substr(at + headers_key_separator_.size()))});
    }
    return {};
}

}  // namespace millrace::cli
