#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "client/admin.h"

namespace millrace::client {

// Partitions of subtopologies: each is a task.
struct StreamsTasks {
    std::string subtopology;
    std::vector<std::int32_t> partitions;
};
struct StreamsAssignment {
    std::vector<StreamsTasks> active;
    std::vector<StreamsTasks> standby;
    std::vector<StreamsTasks> warmup;
};
struct StreamsMemberDescription {
    std::string id;
    std::string client_id;
    std::string host;
    std::string process_id;
    std::int32_t epoch = 0;
    bool is_classic = false;
    StreamsAssignment assignment;
    StreamsAssignment target;
};
struct StreamsSubtopology {
    std::string id;
    std::vector<std::string> source_topics;
    std::vector<std::string> repartition_source_topics;
    std::vector<std::string> changelog_topics;
};
struct StreamsGroupDescription {
    std::string id;
    std::string state;  // "Stable", "Empty", "NotReady", ...
    std::int32_t epoch = 0;
    std::int32_t assignment_epoch = 0;
    std::int32_t topology_epoch = 0;
    std::int32_t coordinator = -1;
    std::vector<StreamsSubtopology> subtopologies;
    std::vector<StreamsMemberDescription> members;
};
// Streams groups (KIP-1071). GROUP_ID_NOT_FOUND where there is none of that name.
Task<Outcomes<std::string, StreamsGroupDescription>> describe_streams_groups(
    Admin& admin, std::vector<std::string> ids);

}  // namespace millrace::client
