#include "client/topic_partition.h"

#include <fmt/core.h>

namespace millrace::client {

std::string to_string(const TopicPartition& partition) {
    return fmt::format("{}-{}", partition.topic, partition.partition);
}

}  // namespace millrace::client
