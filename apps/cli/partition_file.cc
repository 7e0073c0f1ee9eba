#include "cli/partition_file.h"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <fmt/format.h>
#include <set>
#include <string>

#include "cli/arguments.h"

namespace millrace::cli {

namespace {

namespace json = boost::json;

Result<client::TopicPartition> partition_of(std::string_view path, const json::value& entry) {
    const json::object* members = entry.if_object();
    const json::value* topic = members == nullptr ? nullptr : members->if_contains("topic");
    const json::value* index = members == nullptr ? nullptr : members->if_contains("partition");
    if (topic == nullptr || !topic->is_string() || index == nullptr || !index->is_int64()) {
        return malformed(path,
                         "each of the partitions needs a topic (text) and a partition (a whole "
                         "number)");
    }
    auto number = parse_int32(std::to_string(index->get_int64()));
    if (!number) return malformed(path, "a partition is no number of 32 bits");
    return client::TopicPartition{std::string(topic->get_string()), *number};
}

}  // namespace

std::unexpected<Error> malformed(std::string_view path, std::string_view what) {
    return misuse(fmt::format("{}: {}", path, what));
}

Result<PartitionFile> PartitionFile::parse(std::string_view path, std::string_view text) {
    PartitionFile file;
    boost::system::error_code broken;
    file.document = json::parse(json::string_view(text.data(), text.size()), broken);
    if (broken || !file.document.is_object()) {
        return malformed(path, "The input string is not a valid JSON");
    }
    const json::object& root = file.document.get_object();
    if (const json::value* version = root.if_contains("version")) {
        if (!version->is_int64() || version->get_int64() != 1) {
            return malformed(path, "Not supported version field value: it has to be 1");
        }
    }
    const json::value* partitions = root.if_contains("partitions");
    if (partitions == nullptr || !partitions->is_array()) {
        return malformed(path, "Missing partitions field");
    }
    std::set<client::TopicPartition> named;
    for (const json::value& entry : partitions->get_array()) {
        ASSIGN_OR_RETURN(auto partition, partition_of(path, entry));
        if (!named.insert(partition).second) {
            return malformed(path, fmt::format("it names {} twice", to_string(partition)));
        }
        file.entries.push_back({std::move(partition), entry.if_object()});
    }
    return file;
}

}  // namespace millrace::cli
