#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "core/groups/consumer_group.h"
#include "core/metadata/image.h"

namespace millrace::groups {

// Hashes of what assignments depend on, as Apache Kafka 4.3.1 makes them (KIP-1101): a group whose
// hash differs from the one in its records is assigned anew.
class TopicHashes {
  public:
    // Of a group that subscribes to these; topics that do not exist count for nothing.
    std::int64_t of(const SubscribedTopics& topics, const metadata::Image& image);
    // The topic has changed.
    void forget(const std::string& topic) { by_topic_.erase(topic); }

  private:
    std::map<std::string, std::uint64_t> by_topic_;
};

// Its id, name and partitions, and on which racks their replicas are.
std::uint64_t hash_of(const metadata::Topic& topic, const metadata::Image& image);

}  // namespace millrace::groups
