#include "broker/remote/tiered_partition.h"

#include <algorithm>
#include <utility>

#include "base/random.h"
#include "broker/log.h"
#include "broker/remote/remote_quotas.h"
#include "config/broker_config.h"
#include "storage/remote/lineage.h"
#include "storage/remote/remote_retention.h"

namespace millrace::broker {

namespace remote = storage::remote;
using remote::RemoteLogSegmentMetadata;
using remote::RemoteLogSegmentState;
using storage::Offset;

namespace {

// Pauses between tries of something that fails: longer each time, and never two nodes in step.
class Backoff {
  public:
    Backoff(const config::BrokerConfig& config, Random& random)
        : config_(config), random_(random) {}
    void succeeded() { failures_ = 0; }
    Duration failed() {
        std::int64_t first = config_.remote_log_manager_task_retry_backoff_ms();
        std::int64_t most = config_.remote_log_manager_task_retry_backoff_max_ms();
        std::int64_t pause = first;
        for (int i = 0; i < failures_ && pause < most; ++i) pause *= 2;
        ++failures_;
        auto spread = static_cast<std::int64_t>(static_cast<double>(std::min(pause, most)) *
                                                config_.remote_log_manager_task_retry_jitter());
        return Duration::milliseconds(std::min(pause, most) + random_.between(-spread, spread));
    }

  private:
    const config::BrokerConfig& config_;
    Random& random_;
    int failures_ = 0;
};

// 0 without a limit.
double in_percent(std::uint64_t bytes, std::int64_t limit) {
    return limit <= 0 ? 0 : static_cast<double>(bytes * 100 / static_cast<std::uint64_t>(limit));
}

remote::RemotePartition remote_partition(const Partition::Identity& identity) {
    return {identity.topic, identity.topic_id, identity.index};
}

}  // namespace

TieredPartition::TieredPartition(RemoteServices& services, std::shared_ptr<Partition> partition)
    : services_(services),
      partition_(std::move(partition)),
      metrics_(services.metrics.topic(partition_->identity().topic)),
      followed_(services.metadata.follow(remote_partition(partition_->identity()))),
      scope_(services.shard) {
    metrics_->add(&figures_);
}

void TieredPartition::start() {
    scope_.spawn(sweep_forever());
    if (partition_->is_leader()) lead();
}

void TieredPartition::lead() {
    leads_ = true;
    watch();
    scope_.spawn(run());
}

void TieredPartition::watch() {
    readings_ = services_.metrics.watch(
        partition_->identity().topic, partition_->identity().index,
        [this] { return in_percent(total_bytes_, partition_->retention().bytes); },
        [this] {
            return in_percent(partition_->log().size(), partition_->local_retention().bytes);
        });
}

TieredPartition::~TieredPartition() {
    metrics_->remove(&figures_);
    services_.metadata.unfollow(*followed_);
}

Task<void> TieredPartition::stop() {
    partition_->set_remote_log(nullptr);
    co_await scope_.close();
}

Duration TieredPartition::interval() const {
    return Duration::milliseconds(services_.config.remote_log_manager_task_interval_ms());
}

Task<void> TieredPartition::run() {
    co_await followed_->changed.until([&] { return followed_->ready; });
    if (Result<> settled = settle(); !settled) {
        LOG_ERROR("{}: {}", partition_->identity().to_string(), settled.error().message);
        co_return;
    }
    scope_.spawn(copy_forever());
    co_await expire_forever();
}

// What was read ahead and nobody comes for.
Task<void> TieredPartition::sweep_forever() {
    for (;;) {
        co_await env::sleep_for(services_.shard, interval());
        ahead_.sweep();
    }
}

Offset TieredPartition::highest_offset() const { return leads_ ? copied_ : highest_copied(); }

// What was copied once may have been removed since: where tiering was switched off for a while.
Offset TieredPartition::highest_copied() const {
    const storage::Log& log = partition_->log();
    return std::min(
        remote::highest_copied_offset(followed_->segments, log.epochs(), log.end_offset()),
        remote::readable_until(followed_->segments, log.epochs(), log.local_start_offset(),
                               log.end_offset()) -
            1);
}

// The file of the epochs has no checksum, and nothing here tells of what is in remote storage only.
void TieredPartition::recover_epochs() {
    storage::Log& log = partition_->log();
    Offset local = log.local_start_offset();
    if (local == log.start_offset()) return;
    storage::LeaderEpochs told = remote::epochs_told(followed_->segments, log.epochs(), local);
    auto first = told.earliest();
    if (!first || first->start_offset >= local) return;
    Offset from = std::max(first->start_offset, log.start_offset());
    auto reach = [&](const storage::LeaderEpochs& epochs) {
        return remote::readable_until(followed_->segments, epochs, from, log.end_offset());
    };
    if (reach(log.epochs()) >= local || reach(told) < local) return;
    LOG_WARN(
        "{} has lost the leader epochs of offsets below {}: they are taken from what "
        "remote storage has of it",
        partition_->identity().to_string(), local);
    log.adopt_epochs(std::move(told));
}

// A new leader's log begins and is copied as remote storage says, whatever this node knew of it.
Result<> TieredPartition::settle() {
    recover_epochs();
    storage::Log& log = partition_->log();
    auto start = remote::remote_log_start(followed_->segments, log.epochs());
    if (start) RETURN_IF_ERROR(partition_->advance_start(*start));
    copied_ = highest_copied();
    LOG_INFO("{} begins at {}, is here from {} on, and copied up to {}",
             partition_->identity().to_string(), log.start_offset(), log.local_start_offset(),
             copied_);
    return {};
}

// Copying --------------------------------------------------------------------------------------

Task<void> TieredPartition::copy_forever() {
    Backoff backoff(services_.config, services_.shard.random());
    for (;;) {
        bool done = true;
        if (partition_->config().remote_log_copy_disable()) {
            figures_.copy_lag_bytes = figures_.copy_lag_segments = 0;
        } else {
            done = co_await copy_complete_segments();
            measure_copy_lag();
        }
        if (done) backoff.succeeded();
        co_await env::sleep_for(services_.shard,
                                done ? interval() : std::min(interval(), backoff.failed()));
    }
}

Task<bool> TieredPartition::copy_complete_segments() {
    for (;;) {
        std::shared_ptr<storage::Log> held = partition_->share_log();  // another may replace it
        storage::Log& log = *held;
        Offset from = std::max(copied_ + 1, log.start_offset());
        auto segment = log.complete_segment(from, partition_->last_stable_offset());
        Result<> copied;
        if (!segment) {
            copied = fail(segment.error());
        } else if (!*segment) {
            co_return true;
        } else {
            co_await services_.quotas.copy(
                services_.shard, services_.config.remote_log_manager_copy_max_bytes_per_second(),
                (*segment)->size);
            WorkSlots::Slot slot = co_await services_.copies.take(
                services_.share(services_.config.remote_log_manager_copier_thread_pool_size()));
            if (held != partition_->share_log()) continue;
            copied = co_await copy_to_remote(work(), log, **segment, being_copied_);
        }
        if (!copied) {
            metrics_->copy_errors.mark();
            LOG_WARN("{} cannot be copied to remote storage from {} on: {}",
                     partition_->identity().to_string(), from, copied.error().message);
            co_return false;
        }
        copied_ = std::max(copied_, (*segment)->end - 1);
        measure_copy_lag();
        if (partition_->config().remote_log_copy_disable()) co_return true;
    }
}

void TieredPartition::measure_copy_lag() {
    storage::Log& log = partition_->log();
    auto [bytes, segments] = log.size_from(std::max(copied_ + 1, log.local_start_offset()));
    auto [active_bytes, active] = log.size_from(log.active_segment_base());
    figures_.copy_lag_bytes = static_cast<double>(bytes - std::min(bytes, active_bytes));
    figures_.copy_lag_segments = static_cast<double>(segments - std::min(segments, active));
}

// Removing -------------------------------------------------------------------------------------

Task<void> TieredPartition::expire_forever() {
    Backoff backoff(services_.config, services_.shard.random());
    for (;;) {
        Result<> expired = co_await expire();
        if (expired) {
            backoff.succeeded();
        } else {
            LOG_WARN("what has expired of {} stays in remote storage for now: {}",
                     partition_->identity().to_string(), expired.error().message);
        }
        co_await env::sleep_for(services_.shard,
                                expired ? interval() : std::min(interval(), backoff.failed()));
    }
}

// The log's start moves first: nobody is sent to a segment that is about to go.
Task<Result<>> TieredPartition::expire() {
    storage::Log& log = partition_->log();
    const config::TopicConfig& config = partition_->config();
    Time began = services_.shard.now();
    remote::RemoteExpiry expiry = remote::choose_expired(
        followed_->segments, {.retention_ms = config.deletes() ? config.retention_ms() : -1,
                              .retention_bytes = config.deletes() ? config.retention_bytes() : -1,
                              .now = services_.shard.wall_ms(),
                              .log_start = log.start_offset(),
                              .log_end = log.end_offset(),
                              .epochs = &log.epochs(),
                              .only_local_bytes = log.size_from(copied_ + 1).first,
                              .broker_id = services_.node_id,
                              .being_copied = &being_copied_});
    figures_.size_computation_ms = static_cast<double>((services_.shard.now() - began).ms());
    std::vector<RemoteLogSegmentMetadata> segments;
    for (const RemoteLogSegmentMetadata* each : expiry.segments) segments.push_back(*each);
    total_bytes_ = expiry.total_bytes;
    figures_.delete_lag_segments = static_cast<double>(segments.size());
    figures_.delete_lag_bytes = figures_.size_bytes = 0;
    for (const auto& each : segments) {
        figures_.delete_lag_bytes += static_cast<double>(each.segment.size);
    }
    for (const auto& [id, metadata] : followed_->segments.all()) {
        if (metadata.state == RemoteLogSegmentState::copy_segment_started) continue;
        figures_.size_bytes += static_cast<double>(metadata.segment.size);
    }
    figures_.metadata_count = static_cast<double>(followed_->segments.all().size());
    if (expiry.log_start) CO_RETURN_IF_ERROR(partition_->advance_start(*expiry.log_start));
    if (segments.empty()) co_return Result<>{};
    Result<> removed = co_await remove_from_remote(work(), std::move(segments));
    if (removed) figures_.delete_lag_segments = figures_.delete_lag_bytes = 0;
    co_return removed;
}

Task<void> TieredPartition::remove_all() {
    Backoff backoff(services_.config, services_.shard.random());
    co_await followed_->changed.until([&] { return followed_->ready; });
    while (!followed_->segments.empty()) {
        std::vector<RemoteLogSegmentMetadata> segments;
        for (const auto& [id, metadata] : followed_->segments.all()) segments.push_back(metadata);
        Result<> removed = co_await remove_from_remote(work(), std::move(segments));
        if (removed) continue;
        LOG_WARN("what {} has in remote storage cannot be removed now: {}",
                 partition_->identity().to_string(), removed.error().message);
        co_await env::sleep_for(services_.shard, backoff.failed());
    }
}
}  // namespace millrace::broker
