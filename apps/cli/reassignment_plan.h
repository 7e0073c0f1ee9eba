#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "client/topic_partition.h"

namespace millrace::cli {

// A partition on one broker.
struct Replica {
    std::int32_t broker = -1;
    client::TopicPartition partition;

    auto operator<=>(const Replica&) const = default;
};
std::string to_string(const Replica& replica);  // "topic-0-3", as Kafka's tools have it

using Assignment = std::map<client::TopicPartition, std::vector<std::int32_t>>;

// What --reassignment-json-file asks for:
// {"version": 1, "partitions": [{"topic": "t", "partition": 0, "replicas": [1, 2],
// "log_dirs": ["any", "/data"]}]}; log_dirs may be left out.
struct ReassignmentPlan {
    Assignment replicas;
    std::map<Replica, std::string> directories;  // of those that are not "any"

    // Errors are Kafka's sentences; a partition is named once.
    static Result<ReassignmentPlan> parse(std::string_view path, std::string_view text);
    // Whether it may be executed: there is something, and no replica list is empty or names a
    // broker twice.
    Result<> check_executable() const;
};

// A plan as a file of --reassignment-json-file has it, on any log directory.
boost::json::value plan_document(const Assignment& assignment);

// The topics of --topics-to-move-json-file: {"version": 1, "topics": [{"topic": "t"}]}.
Result<std::vector<std::string>> parse_topics_to_move(std::string_view path, std::string_view text);

}  // namespace millrace::cli
