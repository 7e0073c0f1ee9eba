#include "broker/partitions/partitions.h"

#include "broker/log.h"
#include "core/metadata/topic_names.h"
#include "env/disk.h"
#include "metrics/declared.h"

namespace millrace::broker {

namespace declared = metrics::declared;

Partitions::Partitions(env::Shard& shard, std::int32_t node_id, metrics::Registry& registry)
    : shard_(shard), node_id_(node_id), metrics_(registry), scope_(shard) {
    watch(registry);
}

// ReplicaManager's figures, as far as they are sums over partitions.
void Partitions::watch(metrics::Registry& registry) {
    auto sum = [&](const metrics::GaugeDeclaration& declaration, auto of) {
        readings_.push_back(registry.read_gauge(declaration, {}, [this, of] {
            double total = 0;
            for (const auto& [id, partition] : partitions_) total += of(*partition);
            return total;
        }));
    };
    using P = const Partition&;
    sum(declared::replica_manager_partition_count, [](P) { return 1; });
    sum(declared::replica_manager_leader_count, [](P p) { return p.is_leader() ? 1 : 0; });
    sum(declared::replica_manager_under_replicated_partitions,
        [](P p) { return p.is_under_replicated() ? 1 : 0; });
    sum(declared::replica_manager_under_min_isr_partition_count,
        [](P p) { return p.isr_against_minimum() < 0 ? 1 : 0; });
    sum(declared::replica_manager_at_min_isr_partition_count,
        [](P p) { return p.isr_against_minimum() == 0 ? 1 : 0; });
    sum(declared::replica_manager_reassigning_partitions,
        [](P p) { return p.is_leader() && p.state().is_reassigning() ? 1 : 0; });
    sum(declared::replica_manager_partitions_with_late_transactions_count,
        [](P p) { return p.has_late_transaction() ? 1 : 0; });
    sum(declared::replica_manager_producer_id_count,
        [](P p) { return static_cast<double>(p.producer_count()); });
    readings_.push_back(
        registry.read_gauge(declared::replica_manager_offline_replica_count, {},
                            [this] { return static_cast<double>(offline_.size()); }));
}

Task<void> Partitions::apply(PartitionChanges changes) {
    NodeTerms node = changes.node;
    for (DeletedDirectory& each : changes.deleted) {
        scope_.spawn(wipe_later(*each.directory, std::move(each.path),
                                Duration::milliseconds(node.directory_delete_delay_ms)));
    }
    for (PartitionRemoval& removal : changes.removals) co_await remove(removal, node);
    for (const PartitionOffline& each : changes.offline) offline_.insert(each.id);
    for (PartitionUpdate& update : changes.updates) {
        std::shared_ptr<Partition> partition = find(update.id);
        if (!partition) continue;
        Partition::Role before = partition->role();
        partition->update(update.state);
        lead_or_follow(partition, before);
    }
    for (PartitionConfiguration& each : changes.configurations) {
        if (std::shared_ptr<Partition> partition = find(each.id)) {
            configure(*partition, each.config, node);
            for (LeadershipListener* listener : listeners_) listener->configured(partition);
        }
    }
}

void Partitions::lead_or_follow(const std::shared_ptr<Partition>& partition,
                                const Partition::Role& before) {
    Partition::Role now = partition->role();
    if (now == before) return;
    for (LeadershipListener* listener : listeners_) {
        if (before.leads && !now.leads) listener->resigned(*partition);
        if (before.follows() && !now.follows()) listener->unfollowed(*partition);
        if (now.leads && !before.leads) listener->elected(partition);
        if (now.follows()) listener->followed(partition);
    }
}

void Partitions::end_role(const Partition& partition) {
    for (LeadershipListener* listener : listeners_) {
        if (partition.is_leader()) {
            listener->resigned(partition);
        } else {
            listener->unfollowed(partition);
        }
    }
}

bool Partitions::is_tiered(const std::string& topic, const config::TopicConfig& config,
                           const NodeTerms& node) const {
    return node.remote_storage && config.remote_storage_enable() && !config.compacts() &&
           !metadata::is_internal_topic(topic) && topic != metadata::remote_log_metadata_topic;
}

void Partitions::configure(Partition& partition, const config::TopicConfig& config,
                           const NodeTerms& node) {
    bool tiered = is_tiered(partition.identity().topic, config, node);
    partition.configure(config, node);
    partition.log().options().tiered = tiered;
    if (FutureReplica* future = partition.future()) future->log().options().tiered = tiered;
}

Task<bool> Partitions::open(PartitionOpening opening, NodeTerms node) {
    TopicIdPartition id{opening.identity.topic_id, opening.identity.index};
    storage::PartitionName name{opening.identity.topic, opening.identity.index};
    if (opening.origin.path.empty()) {
        Result<std::string> path = opening.directory->create_partition(name, id.topic_id);
        if (!path) {
            LOG_ERROR("cannot make {}: {}", name.to_string(), path.error().message);
            opening.directory->health().fail(path.error());
            offline_.insert(id);
            co_return false;
        }
        opening.origin.path = *path;
        opening.origin.clean_shutdown = false;  // a power cut may have left parts of it
    }
    opening.origin.options = log_options(opening.config, node);
    opening.origin.options.tiered = is_tiered(opening.identity.topic, opening.config, node);
    auto log = co_await storage::Log::open(shard_, opening.directory->health(), opening.origin);
    if (!log) {
        LOG_ERROR("cannot open {}: {}", name.to_string(), log.error().message);
        bool whole_directory = log.error().code == ErrorCode::kafka_storage_error;
        if (whole_directory) opening.directory->health().fail(log.error());
        offline_.insert(id);
        co_return false;
    }
    if (opening.directory->health().failed()) {
        co_await (*log)->abandon();
        offline_.insert(id);
        co_return false;
    }
    auto partition = std::make_shared<Partition>(shard_, std::move(opening.identity), node_id_,
                                                 *opening.directory, std::move(*log), metrics_);
    configure(*partition, opening.config, node);
    if (log_work_ != nullptr) partition->listen(*log_work_);
    if (host_ != nullptr) partition->lead_for(*host_);
    partition->restore_high_watermark(opening.high_watermark);
    if (node.flush_acks_all) partition->hide_unsynced();
    partition->update(opening.state);
    partitions_[id] = partition;
    lead_or_follow(partition, {});
    co_return partition->hides_unsynced();
}

// A failure closes the log and its directory.
Task<void> Partitions::sync_recovered(TopicIdPartition id) {
    std::shared_ptr<Partition> partition = find(id);
    if (!partition) co_return;
    Result<> synced = co_await partition->sync_recovered();
    if (synced || find(id) != partition || !partition->hides_unsynced()) co_return;
    LOG_ERROR("cannot sync {}: {}", partition->identity().to_string(), synced.error().message);
}

Task<void> Partitions::take_offline(const storage::LogDirectory& directory) {
    std::size_t lost = 0;
    auto all = partitions_;
    for (const auto& [id, partition] : all) {
        co_await partition->settled();
        FutureReplica* future = partition->future();
        if (future != nullptr && &future->directory() == &directory) {
            co_await partition->end_future();
        }
        if (&partition->directory() != &directory || find(id) != partition) continue;
        offline_.insert(id);
        partitions_.erase(id);
        end_role(*partition);
        co_await partition->go_offline();
        ++lost;
    }
    if (lost > 0) LOG_WARN("{} replicas are offline since {} failed", lost, directory.path());
}

Task<void> Partitions::remove(PartitionRemoval removal, NodeTerms node) {
    // What lies in a directory that is offline is found stray when it is back.
    offline_.erase(removal.id);
    auto found = partitions_.find(removal.id);
    if (found == partitions_.end()) co_return;
    std::shared_ptr<Partition> partition = found->second;
    partitions_.erase(found);
    end_role(*partition);
    partition->update({});  // requests under way hear that this node does not lead
    Duration delay = Duration::milliseconds(node.directory_delete_delay_ms);
    co_await partition->retire();
    if (FutureReplica* future = partition->future()) give_up(*future, *partition);
    const Partition::Identity& identity = partition->identity();
    storage::LogDirectory& directory = partition->directory();
    if (directory.health().failed()) co_return;
    Result<std::string> path =
        directory.rename_deleted({identity.topic, identity.index}, shard_.random());
    if (!path) {
        LOG_ERROR("cannot delete {}: {}", identity.to_string(), path.error().message);
        directory.health().fail(path.error());
        co_return;
    }
    LOG_INFO("{} is deleted; its files go in {} ms", identity.to_string(), delay.ms());
    wipe(directory, *path, delay);
}

// One at a time: what else is lasting must not wait behind those of a large topic.
Task<void> Partitions::wipe_later(storage::LogDirectory& directory, std::string path,
                                  Duration delay) {
    co_await env::sleep_for(shard_, delay);
    while (wiping_) co_await wiped_.wait();
    struct Turn {
        Partitions& partitions;
        explicit Turn(Partitions& p) : partitions(p) { p.wiping_ = true; }
        ~Turn() {
            partitions.wiping_ = false;
            partitions.wiped_.notify_one();
        }
    } turn(*this);
    std::string name = path.substr(path.rfind('/') + 1);
    Result<> wiped = co_await directory.remove(shard_, name);
    if (!wiped) LOG_WARN("cannot remove {}: {}", path, wiped.error().message);
}

Task<void> Partitions::stop() {
    co_await scope_.close();
    auto stopping = partitions_;  // a directory that fails meanwhile takes its own out
    for (auto& [id, partition] : stopping) {
        end_role(*partition);
        co_await partition->settled();
    }
}

std::vector<Partitions::OpenLog> Partitions::open_logs() const {
    std::vector<OpenLog> logs;
    logs.reserve(partitions_.size());
    for (const auto& [id, partition] : partitions_) {
        logs.push_back({id, &partition->directory()});
        if (FutureReplica* future = partition->future()) logs.push_back({id, &future->directory()});
    }
    return logs;
}

Task<Result<>> Partitions::close_log(OpenLog closing) {
    std::shared_ptr<Partition> partition = find(closing.id);
    if (!partition) co_return Result<>{};  // the directory has failed
    std::shared_ptr<storage::Log> log = partition->share_log();
    std::shared_ptr<FutureReplica> future = partition->share_future();
    if (future && &future->directory() == closing.directory) log = future->share_log();
    Result<> closed = co_await log->close();
    if (!closed) {
        LOG_ERROR("cannot close {}: {}", partition->identity().to_string(), closed.error().message);
    }
    co_return closed;
}

Task<void> Partitions::save_epochs_of_starts() {
    auto all = partitions_;
    for (const auto& [id, partition] : all) {
        std::vector<std::shared_ptr<storage::Log>> logs{partition->share_log()};
        if (FutureReplica* future = partition->future()) logs.push_back(future->share_log());
        for (const auto& log : logs) {
            if (log->saved_start_offset() < log->start_offset()) (void)co_await log->save_epochs();
        }
    }
}

std::vector<Partitions::Offsets> Partitions::offsets() const {
    std::vector<Offsets> all;
    all.reserve(partitions_.size());
    for (const auto& [id, partition] : partitions_) {
        storage::Log& log = partition->log();
        storage::PartitionName name{partition->identity().topic, partition->identity().index};
        all.push_back({.directory = partition->directory().path(),
                       .name = name,
                       .recovery_point = log.flushed_end_offset(),
                       .log_start = log.saved_start_offset(),
                       .high_watermark = partition->high_watermark(),
                       .first_dirty = log.first_dirty_offset()});
        FutureReplica* future = partition->future();
        if (future == nullptr) continue;
        storage::Log& copy = future->log();
        all.push_back({.directory = future->directory().path(),
                       .name = name,
                       .recovery_point = copy.flushed_end_offset(),
                       .log_start = copy.saved_start_offset(),
                       .high_watermark = std::min(copy.end_offset(), partition->high_watermark())});
    }
    return all;
}

}  // namespace millrace::broker
