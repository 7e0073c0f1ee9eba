#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "base/time.h"
#include "core/metadata/image.h"

namespace millrace::groups {

// Which groups may change their protocol while they have members.
enum class MigrationPolicy : std::uint8_t { disabled, upgrade, downgrade, bidirectional };

// What the configs of a group, or else of the broker, say of a consumer or share group.
struct GroupTimes {
    Duration session_timeout = Duration::milliseconds(45'000);
    Duration heartbeat_interval = Duration::milliseconds(5'000);
    Duration assignment_interval = Duration::milliseconds(1'000);
};

// Of groups of the consumer protocol: group.consumer.*.
struct ConsumerGroupOptions {
    std::vector<std::string> assignors = {"uniform", "range"};  // the first is the default
    std::size_t max_size = 2147483647;
    MigrationPolicy migration = MigrationPolicy::bidirectional;
    Duration regex_refresh_interval = Duration::seconds(600);
    std::function<GroupTimes(const metadata::Image&, const std::string& group)> times =
        [](const metadata::Image&, const std::string&) { return GroupTimes(); };
};

// Of share groups: group.share.*.
struct ShareGroupOptions {
    std::size_t max_size = 200;
    Duration initialize_retry_interval = Duration::milliseconds(30'000);
    std::function<GroupTimes(const metadata::Image&, const std::string& group)> times =
        [](const metadata::Image&, const std::string&) { return GroupTimes(); };
};

// What the configs of a streams group, or else of the broker, say.
struct StreamsSettings {
    GroupTimes times;
    Duration initial_rebalance_delay = Duration::milliseconds(3'000);
    std::int32_t num_standby_replicas = 0;
};

// Of streams groups: group.streams.*.
struct StreamsGroupOptions {
    std::size_t max_size = 2147483647;
    std::function<StreamsSettings(const metadata::Image&, const std::string& group)> settings =
        [](const metadata::Image&, const std::string&) { return StreamsSettings(); };
};

// Broker configs that the coordinator follows; Kafka's names and defaults.
struct GroupOptions {
    Duration min_session_timeout = Duration::milliseconds(6'000);  // group.min.session.timeout.ms
    Duration max_session_timeout =
        Duration::milliseconds(1'800'000);  // group.max.session.timeout.ms
    Duration initial_rebalance_delay = Duration::milliseconds(3'000);
    std::size_t max_size = 2147483647;                        // group.max.size
    std::size_t max_offset_metadata_bytes = 4096;             // offset.metadata.max.bytes
    Duration offsets_retention = Duration::seconds(604'800);  // offsets.retention.minutes
    Duration offsets_retention_check_interval = Duration::seconds(600);  // .check.interval.ms
    ConsumerGroupOptions consumer;
    ShareGroupOptions share;
    StreamsGroupOptions streams;
};

}  // namespace millrace::groups
