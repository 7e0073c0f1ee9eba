#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "core/groups/streams_group_records.h"
#include "core/metadata/image.h"
#include "protocol/create_topics.h"
#include "protocol/streams_group_heartbeat.h"

namespace millrace::groups {

// StatusCode of a StreamsGroupHeartbeat's answer (KIP-1071).
enum class StreamsStatus : std::int8_t {
    stale_topology = 0,
    missing_source_topics = 1,
    incorrectly_partitioned_topics = 2,
    missing_internal_topics = 3,
    shutdown_application = 4,
    assignment_delayed = 5,
};
StreamsGroupHeartbeatResponse::Status told_of(StreamsStatus status, std::string detail);

// As it is written. Error streams_invalid_topology: it contradicts itself.
Result<StreamsTopology> topology_of(const StreamsGroupHeartbeatRequest::Topology& told);
// The same, in whatever order its subtopologies are.
bool is_same(const StreamsTopology& a, const StreamsTopology& b);
// Source, repartition and changelog topics.
std::set<std::string> required_topics(const StreamsTopology& topology);
std::vector<const StreamsTopology::Subtopology*> by_id(const StreamsTopology& topology);
// The subtopology that has the topic for a source; null when none has.
const StreamsTopology::Subtopology* subtopology_that_reads(const StreamsTopology& topology,
                                                           const std::string& topic);

// A topology with the topics that there are.
struct ConfiguredTopology {
    struct InternalTopic {
        std::int32_t partitions = 0;
        std::int16_t replication_factor = 0;  // 0: the broker's default
        std::map<std::string, std::string> configs;
    };
    struct Subtopology {
        std::int32_t tasks = 0;
        std::set<std::string> source_topics;
        std::map<std::string, InternalTopic> repartition_source_topics;
        std::set<std::string> repartition_sink_topics;
        std::map<std::string, InternalTopic> changelog_topics;
        bool is_stateful() const { return !changelog_topics.empty(); }
    };
    std::int32_t epoch = 0;
    std::map<std::string, Subtopology> subtopologies;  // none when sources are wrong
    std::vector<CreateTopicsRequest::CreatableTopic> missing;
    std::optional<StreamsGroupHeartbeatResponse::Status> problem;
    bool is_ready() const { return !problem; }
};

// How many partitions internal topics have follows from the sources (KIP-1071). Error
// streams_invalid_topology: it follows from nothing.
Result<ConfiguredTopology> configure(const StreamsTopology& topology, const metadata::Image& image);

}  // namespace millrace::groups
