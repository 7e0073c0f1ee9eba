#pragma once

#include <compare>
#include <cstdint>
#include <string>

namespace millrace::client {

struct TopicPartition {
    std::string topic;
    std::int32_t partition = 0;

    auto operator<=>(const TopicPartition&) const = default;
};
std::string to_string(const TopicPartition& partition);  // "topic-0", as Kafka's logs have it

}  // namespace millrace::client
