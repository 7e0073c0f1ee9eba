#include "storage/remote/layout.h"

#include <fmt/core.h>
#include <vector>

#include "storage/text_lines.h"

namespace millrace::storage::remote {
namespace {

constexpr std::string_view log_suffix = ".log";
constexpr std::string_view indexes_suffix = ".indexes";
constexpr std::size_t offset_digits = 20;
constexpr std::size_t id_letters = 22;

std::string key(const RemoteLogSegment& segment, std::string_view suffix) {
    return fmt::format("{}{:020}-{}{}",
                       partition_prefix(segment.topic, segment.topic_id, segment.partition),
                       segment.start_offset, segment.id.to_string(), suffix);
}

std::vector<std::string_view> split(std::string_view text) {
    std::vector<std::string_view> names;
    for (;;) {
        std::size_t slash = text.find('/');
        names.push_back(text.substr(0, slash));
        if (slash == std::string_view::npos) return names;
        text.remove_prefix(slash + 1);
    }
}

}  // namespace

std::string_view name_of(IndexType type) {
    constexpr std::string_view names[] = {"offset-index", "time-index", "transaction-index",
                                          "leader-epochs", "producer-snapshot"};
    return names[static_cast<std::size_t>(type)];
}

std::string log_key(const RemoteLogSegment& segment) { return key(segment, log_suffix); }
std::string indexes_key(const RemoteLogSegment& segment) { return key(segment, indexes_suffix); }

std::string topic_prefix(std::string_view topic, const Uuid& topic_id) {
    return fmt::format("{}/{}/", topic, topic_id.to_string());
}

std::string partition_prefix(std::string_view topic, const Uuid& topic_id, std::int32_t partition) {
    return fmt::format("{}{}/", topic_prefix(topic, topic_id), partition);
}

Result<ObjectName> parse_key(std::string_view key) {
    auto none = [&] {
        return fail(ErrorCode::invalid_request,
                    fmt::format("the object {} is none of a segment's: those are named "
                                "TOPIC/TOPIC_ID/PARTITION/OFFSET-SEGMENT_ID.log or .indexes",
                                key));
    };
    std::vector<std::string_view> names = split(key);
    if (names.size() != 4 || names[3].size() <= offset_digits + 1 + id_letters) return none();
    auto topic_id = Uuid::parse(names[1]);
    auto partition = parse_number<std::int32_t>(names[2]);
    auto offset = parse_number<Offset>(names[3].substr(0, offset_digits));
    auto id = Uuid::parse(names[3].substr(offset_digits + 1, id_letters));
    if (!topic_id || !partition || !offset || !id) return none();

    ObjectName name;
    name.segment.topic = names[0];
    name.segment.topic_id = *topic_id;
    name.segment.partition = *partition;
    name.segment.start_offset = *offset;
    name.segment.id = *id;
    name.kind = key.ends_with(indexes_suffix) ? ObjectKind::indexes : ObjectKind::log;
    // One spelling each: what does not come out the same was none.
    bool same =
        key == (name.kind == ObjectKind::log ? log_key(name.segment) : indexes_key(name.segment));
    if (!same || names[0].empty() || *partition < 0 || *offset < 0) return none();
    return name;
}

}  // namespace millrace::storage::remote
