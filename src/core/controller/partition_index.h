#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <set>

#include "base/uuid.h"

namespace millrace::metadata {
struct Changes;
struct Partition;
}  // namespace millrace::metadata

namespace millrace::controller {

struct PartitionKey {
    Uuid topic;
    std::int32_t index = 0;
    auto operator<=>(const PartitionKey&) const = default;
};
using PartitionKeys = std::set<PartitionKey>;

// Which partitions a broker or directory has a part in, so that what happens to it costs what it
// holds and not what the cluster holds.
class PartitionIndex {
  public:
    void update(const metadata::Changes& changes);

    const PartitionKeys& in_isr(std::int32_t broker) const { return find(isr_, broker); }
    const PartitionKeys& in_elr(std::int32_t broker) const { return find(elr_, broker); }
    const PartitionKeys& led_by(std::int32_t broker) const { return find(leaders_, broker); }
    const PartitionKeys& leaderless() const;
    const PartitionKeys& in_directory(const Uuid& id) const { return find(directories_, id); }

    bool operator==(const PartitionIndex&) const = default;

  private:
    template <typename Key>
    static const PartitionKeys& find(const std::map<Key, PartitionKeys>& sets, const Key& key) {
        static const PartitionKeys none;
        auto at = sets.find(key);
        return at == sets.end() ? none : at->second;
    }
    void add(const PartitionKey& key, const metadata::Partition& partition);
    void remove(const PartitionKey& key, const metadata::Partition& partition);

    std::map<std::int32_t, PartitionKeys> isr_;
    std::map<std::int32_t, PartitionKeys> elr_;
    std::map<std::int32_t, PartitionKeys> leaders_;  // leaderless ones under no_leader
    std::map<Uuid, PartitionKeys> directories_;
};

}  // namespace millrace::controller
