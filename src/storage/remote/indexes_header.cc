#include "storage/remote/indexes_header.h"

#include <charconv>
#include <fmt/core.h>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/crc32c.h"
#include "storage/text_lines.h"

namespace millrace::storage::remote {
namespace {

constexpr std::string_view first_word = "millrace-remote-segment";
constexpr std::string_view version = "1";
constexpr std::string_view end_word = "\nend ";
constexpr std::size_t crc_digits = 8;

std::string hex(std::uint32_t crc) { return fmt::format("{:08x}", crc); }

std::optional<std::uint32_t> parse_hex(std::string_view text) {
    std::uint32_t value = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 16);
    bool good = error == std::errc() && end == text.data() + text.size();
    return good && text == hex(value) ? std::optional(value) : std::nullopt;
}

// Takes the lines of a header one by one; the first that is not as it should be is remembered.
class Lines {
  public:
    Lines(std::string_view text, std::string_view name) : rest_(text), name_(name) {}

    // The fields behind `key`, so many of them.
    std::vector<std::string_view> take(std::string_view key, std::size_t fields) {
        ++line_;
        std::size_t end = std::min(rest_.find('\n'), rest_.size());
        auto found = split_fields(rest_.substr(0, end));
        rest_.remove_prefix(std::min(end + 1, rest_.size()));
        if (found.size() != fields + 1 || found[0] != key) {
            expected(fmt::format("{} and {} words", key, fields));
            return std::vector<std::string_view>(fields);
        }
        found.erase(found.begin());
        return found;
    }
    template <typename T>
    T number(std::string_view key, std::int64_t least) {
        std::string_view field = take(key, 1)[0];
        auto value = parse_number<T>(field);
        if (value && std::cmp_greater_equal(*value, least)) return *value;
        expected(fmt::format("{} and a number of at least {}", key, least));
        return T{};
    }
    Uuid id(std::string_view key) {
        auto parsed = Uuid::parse(take(key, 1)[0]);
        if (!parsed) expected(fmt::format("{} and an id", key));
        return parsed.value_or(Uuid());
    }
    void expected(std::string_view what) {
        if (error_) return;
        error_ = Error{
            ErrorCode::corrupt_message,
            fmt::format("the object {} is damaged: its line {} is not {}", name_, line_, what)};
    }
    const std::optional<Error>& error() const { return error_; }

  private:
    std::string_view rest_;
    std::string_view name_;
    std::size_t line_ = 0;
    std::optional<Error> error_;
};

}  // namespace

std::string IndexesHeader::to_text() const {
    std::string text = fmt::format(
        "{} {}\ntopic {}\ntopic-id {}\npartition {}\nsegment-id {}\nstart-offset {}\n"
        "end-offset {}\nmax-timestamp {}\nbroker-id {}\nlog-bytes {}\n",
        first_word, version, segment.topic, segment.topic_id.to_string(), segment.partition,
        segment.id.to_string(), segment.start_offset, segment.end_offset, segment.max_timestamp,
        segment.broker_id, segment.size);
    for (std::size_t i = 0; i < index_types; ++i) {
        text += fmt::format("{} {} {}\n", name_of(static_cast<IndexType>(i)), parts[i].size,
                            hex(parts[i].crc));
    }
    text += fmt::format("{}{}\n\n", end_word.substr(1), hex(crc32c(as_bytes(text))));
    CHECK(text.size() <= longest);
    return text;
}

Result<IndexesHeader> IndexesHeader::parse(std::string_view text, std::string_view name) {
    text = text.substr(0, longest);
    if (!text.starts_with(first_word)) {
        return fail(ErrorCode::corrupt_message,
                    fmt::format("the object {} does not begin with {}", name, first_word));
    }
    std::string_view first = text.substr(0, std::min(text.find('\n'), text.size()));
    if (first != fmt::format("{} {}", first_word, version)) {
        return fail(ErrorCode::kafka_storage_error,
                    fmt::format("the object {} begins with '{}', where this version knows {} {}: "
                                "a newer one may have written it",
                                name, first, first_word, version));
    }
    std::size_t end = text.find(end_word);
    std::string_view lines = text.substr(0, end == std::string_view::npos ? 0 : end + 1);
    std::string_view last = text.substr(lines.size());
    std::size_t whole = end_word.size() - 1 + crc_digits + 2;
    std::string_view crc = last.substr(0, whole);
    if (lines.empty() || crc != fmt::format("end {}\n\n", hex(crc32c(as_bytes(lines))))) {
        return fail(ErrorCode::corrupt_message,
                    fmt::format("the object {} is damaged: its header and the checksum at its end "
                                "do not agree",
                                name));
    }

    Lines in(lines, name);
    IndexesHeader header;
    RemoteLogSegment& segment = header.segment;
    in.take(first_word, 1);
    segment.topic = in.take("topic", 1)[0];
    segment.topic_id = in.id("topic-id");
    segment.partition = in.number<std::int32_t>("partition", 0);
    segment.id = in.id("segment-id");
    segment.start_offset = in.number<Offset>("start-offset", 0);
    segment.end_offset = in.number<Offset>("end-offset", segment.start_offset);
    segment.max_timestamp = in.number<Timestamp>("max-timestamp", -1);
    segment.broker_id = in.number<std::int32_t>("broker-id", -1);
    segment.size = in.number<std::uint64_t>("log-bytes", 0);
    std::uint64_t at = lines.size() + whole;
    for (std::size_t i = 0; i < index_types; ++i) {
        auto fields = in.take(name_of(static_cast<IndexType>(i)), 2);
        auto size = parse_number<std::uint32_t>(fields[0]);
        auto checksum = parse_hex(fields[1]);
        if (!size || !checksum) in.expected("an index's size and checksum");
        header.parts[i] = {.offset = at, .size = size.value_or(0), .crc = checksum.value_or(0)};
        at += header.parts[i].size;
    }
    if (in.error()) return fail(*in.error());
    if (header.to_text() != text.substr(0, lines.size() + whole)) {
        return fail(ErrorCode::corrupt_message,
                    fmt::format("the object {} is damaged: its header is not spelled as it would "
                                "have been written",
                                name));
    }
    return header;
}

}  // namespace millrace::storage::remote
