#include "core/controller/partition_index.h"

#include "core/metadata/changes.h"

namespace millrace::controller {
namespace {

template <typename Key>
void take_out(std::map<Key, PartitionKeys>& sets, const Key& key, const PartitionKey& partition) {
    auto at = sets.find(key);
    if (at == sets.end()) return;
    at->second.erase(partition);
    if (at->second.empty()) sets.erase(at);
}

}  // namespace

const PartitionKeys& PartitionIndex::leaderless() const { return led_by(metadata::no_leader); }

void PartitionIndex::update(const metadata::Changes& changes) {
    for (const metadata::TopicChange& topic : changes.topics) {
        const Uuid& id = topic.topic().id;
        for (const metadata::PartitionChange& change : topic.partitions) {
            PartitionKey key{id, change.index};
            if (change.before != nullptr) remove(key, *change.before);
            if (change.after != nullptr) add(key, *change.after);
        }
    }
}

void PartitionIndex::add(const PartitionKey& key, const metadata::Partition& partition) {
    for (std::int32_t broker : partition.isr) isr_[broker].insert(key);
    for (std::int32_t broker : partition.elr) elr_[broker].insert(key);
    leaders_[partition.leader].insert(key);
    for (const Uuid& directory : partition.directories) {
        if (!metadata::is_reserved_directory(directory)) directories_[directory].insert(key);
    }
}

void PartitionIndex::remove(const PartitionKey& key, const metadata::Partition& partition) {
    for (std::int32_t broker : partition.isr) take_out(isr_, broker, key);
    for (std::int32_t broker : partition.elr) take_out(elr_, broker, key);
    take_out(leaders_, partition.leader, key);
    for (const Uuid& directory : partition.directories) take_out(directories_, directory, key);
}

}  // namespace millrace::controller
