#include "broker/remote/remote_storage.h"

#include <algorithm>
#include <functional>

#include "broker/log.h"
#include "core/metadata/topic_names.h"
#include "metrics/declared.h"

namespace millrace::broker {

using metadata::remote_log_metadata_topic;
namespace declared = metrics::declared;

namespace {

TopicIdPartition id_of(const Partition& partition) {
    return {partition.identity().topic_id, partition.identity().index};
}

}  // namespace

RemoteStorage::RemoteStorage(Node node, Ways ways)
    : shard_(ways.router.here()),
      node_id_(node.id),
      ways_(ways),
      metrics_(ways.metrics),
      metadata_(shard_, node.id, ways.router, ways.metadata, ways.config),
      services_{.shard = shard_,
                .node_id = node.id,
                .config = ways.config,
                .store = node.store,
                .indexes = node.indexes.cache,
                .reader = node.indexes.reader,
                .metadata = metadata_,
                .quotas = node.quotas,
                .metrics = metrics_,
                .copies = {},
                .removals = {},
                .reads = {},
                .read_ahead = {}},
      leftovers_(services_, ways.metadata),
      scope_(shard_) {
    watch();
}

// Parts of a node's figures: idle parts of the workers of all shards make one of the node.
void RemoteStorage::watch() {
    auto read = [&](const metrics::GaugeDeclaration& declaration, std::function<double()> value) {
        readings_.push_back(ways_.metrics.read_gauge(declaration, {}, std::move(value)));
    };
    auto idle = [this](const WorkSlots& slots, std::int32_t of_node) {
        auto most = static_cast<double>(services_.share(of_node));
        return std::max(0.0, 1 - static_cast<double>(slots.used()) / most) /
               shard_.shards().count();
    };
    read(declared::remote_log_manager_remote_log_manager_tasks_avg_idle_percent, [this, idle] {
        return idle(services_.copies, ways_.config.remote_log_manager_copier_thread_pool_size());
    });
    read(declared::remote_storage_thread_pool_remote_log_reader_avg_idle_percent,
         [this, idle] { return idle(services_.reads, ways_.config.remote_log_reader_threads()); });
    read(declared::remote_storage_thread_pool_remote_log_reader_task_queue_size,
         [this] { return static_cast<double>(services_.reads.waiting()); });
}

void RemoteStorage::create_topic(RemoteLogMetadataTopic topic) {
    scope_.spawn(create_metadata_topic(shard_, ways_.controllers, ways_.metadata, topic));
}

void RemoteStorage::elected(const std::shared_ptr<Partition>& partition) {
    if (partition->identity().topic == remote_log_metadata_topic) {
        scope_.spawn(leftovers_.sweep(partition->identity().index));
    } else if (partition->is_tiered()) {
        scope_.spawn(begin(partition));
    }
}

// A partition that has left this node may have gone with its topic; the image that says so may
// come later.
void RemoteStorage::resigned(const Partition& partition) {
    bool left = ways_.partitions.find(id_of(partition)) == nullptr;
    end(id_of(partition), left ? Fate::go_with_the_topic : Fate::stay);
}

void RemoteStorage::followed(const std::shared_ptr<Partition>& partition) {
    if (partition->is_tiered()) scope_.spawn(begin(partition));
}

// What is in the store is the leader's to remove. Who begins to lead goes on with what it knows.
void RemoteStorage::unfollowed(const Partition& partition) {
    if (!partition.is_leader()) end(id_of(partition), Fate::stay);
}

void RemoteStorage::configured(const std::shared_ptr<Partition>& partition) {
    TopicIdPartition id = id_of(*partition);
    if (partition->is_tiered()) {
        scope_.spawn(begin(partition));
        return;
    }
    if (!partitions_.contains(id)) return;
    if (!partition->is_leader()) return end(id, Fate::stay);
    // What is only remote goes with the rest that is remote.
    storage::Log& log = partition->log();
    Result<> moved = partition->advance_start(log.local_start_offset());
    if (!moved) LOG_ERROR("{}: {}", partition->identity().to_string(), moved.error().message);
    end(id, Fate::go);
}

Task<void> RemoteStorage::begin(std::shared_ptr<Partition> partition) {
    TopicIdPartition id = id_of(*partition);
    co_await ended_.until([&] { return !ending_.contains(id); });
    bool has_role = partition->is_leader() || partition->role().follows();
    if (!has_role || !partition->is_tiered()) co_return;
    if (auto found = partitions_.find(id); found != partitions_.end()) {
        if (partition->is_leader() && !found->second->leads()) found->second->lead();
        co_return;
    }
    auto tiered = std::make_shared<TieredPartition>(services_, partition);
    partitions_[id] = tiered;
    partition->set_remote_log(tiered);
    tiered->start();
}

void RemoteStorage::end(const TopicIdPartition& id, Fate fate) {
    auto found = partitions_.find(id);
    if (found == partitions_.end()) return;
    std::shared_ptr<TieredPartition> tiered = std::move(found->second);
    partitions_.erase(found);
    scope_.spawn(stop(id, std::move(tiered), fate));
}

Task<void> RemoteStorage::stop(TopicIdPartition id, std::shared_ptr<TieredPartition> tiered,
                               Fate fate) {
    struct Ending {
        RemoteStorage& storage;
        const TopicIdPartition& id;
        Ending(RemoteStorage& s, const TopicIdPartition& i) : storage(s), id(i) {
            storage.ending_.insert(id);
        }
        ~Ending() {
            storage.ending_.erase(storage.ending_.find(id));
            storage.ended_.notify_all();
        }
    };
    {
        Ending ending(*this, id);
        Cancellation shield(shard_);
        co_await tiered->stop().under(shield);
        if (fate == Fate::go) co_await tiered->remove_all();
    }
    if (fate == Fate::go_with_the_topic && co_await topic_is_gone(id)) {
        co_await tiered->remove_all();
    }
}

// Waits until it is, or this node does not have the partition for another reason.
Task<bool> RemoteStorage::topic_is_gone(TopicIdPartition id) {
    metadata::ImagePtr image = co_await ways_.metadata.until([&](const metadata::Image& now) {
        const metadata::Partition* partition = now.topics.find(id.topic_id, id.partition);
        return partition == nullptr || !metadata::contains(partition->replicas, node_id_);
    });
    co_return image->topics.find(id.topic_id) == nullptr;
}

Task<void> RemoteStorage::close() {
    while (!partitions_.empty()) end(TopicIdPartition(partitions_.begin()->first), Fate::stay);
    co_await scope_.close();
    co_await metadata_.close();
}

}  // namespace millrace::broker
