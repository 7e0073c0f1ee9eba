#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "client/topic_partition.h"

namespace millrace::cli {

// A file that says something of partitions, as several of Kafka's tools take it:
// {"version": 1, "partitions": [{"topic": "t", "partition": 0, …}]}; the version may be left out.
struct PartitionFile {
    struct Entry {
        client::TopicPartition partition;
        const boost::json::object* members = nullptr;  // of `document`
    };
    boost::json::value document;
    std::vector<Entry> entries;

    // Errors are sentences that begin with the path; a partition may be named once.
    static Result<PartitionFile> parse(std::string_view path, std::string_view text);
};

// What is wrong with a file that a flag names.
std::unexpected<Error> malformed(std::string_view path, std::string_view what);

}  // namespace millrace::cli
