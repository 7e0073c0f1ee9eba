#include "core/groups/topic_hash.h"

#include <algorithm>
#include <vector>
#include <xxhash.h>

#include "base/java_hash.h"

namespace millrace::groups {
namespace {

// What is hashed, little-endian.
class HashedBytes {
  public:
    template <typename Integer>
    void put(Integer value) {
        for (std::size_t i = 0; i < sizeof(Integer); ++i) {
            bytes_.push_back(
                static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> (8 * i)));
        }
    }
    // The characters, and how many.
    void put(const std::u16string& chars) {
        for (char16_t c : chars) put<std::uint16_t>(c);
        put(static_cast<std::int32_t>(chars.size()));
    }
    std::uint64_t hash() const { return XXH3_64bits(bytes_.data(), bytes_.size()); }

  private:
    std::vector<std::uint8_t> bytes_;
};

constexpr std::uint8_t topic_hash_version = 0;

std::vector<std::string> racks_of(const metadata::Partition& partition,
                                  const metadata::Image& image) {
    std::vector<std::string> racks;
    for (std::int32_t replica : partition.replicas) {
        const metadata::Broker* broker = image.brokers.find(replica);
        if (broker != nullptr && broker->rack) racks.push_back(*broker->rack);
    }
    std::ranges::sort(racks);
    return racks;
}

}  // namespace

std::uint64_t hash_of(const metadata::Topic& topic, const metadata::Image& image) {
    HashedBytes bytes;
    bytes.put(topic_hash_version);
    bytes.put(topic.id.high);
    bytes.put(topic.id.low);
    bytes.put(java_chars(topic.name));
    bytes.put(static_cast<std::int32_t>(topic.partitions.size()));
    for (const auto& [index, partition] : topic.partitions) {
        bytes.put(index);
        for (const std::string& rack : racks_of(*partition, image)) {
            std::u16string chars = java_chars(rack);
            bytes.put(static_cast<std::int32_t>(chars.size()));
            bytes.put(chars);
        }
    }
    return bytes.hash();
}

std::int64_t TopicHashes::of(const SubscribedTopics& topics, const metadata::Image& image) {
    HashedBytes bytes;
    bool any = false;
    for (const auto& [name, count] : topics) {
        const metadata::Topic* topic = image.topics.find(std::string_view(name));
        if (topic == nullptr) continue;
        auto [known, made] = by_topic_.try_emplace(name, 0);
        if (made) known->second = hash_of(*topic, image);
        bytes.put(known->second);
        any = true;
    }
    return any ? static_cast<std::int64_t>(bytes.hash()) : 0;
}

}  // namespace millrace::groups
