#include "broker/partitions/upkeep.h"

#include "broker/log.h"

namespace millrace::broker {
namespace {

// Ends in a later turn of the loop.
env::Sleep let_loop_turn(env::Shard& shard) { return env::sleep_for(shard, Duration()); }

}  // namespace

Upkeep::Upkeep(env::Shard& shard, Partitions& partitions, const config::BrokerConfig& config)
    : shard_(shard), partitions_(partitions), config_(config), scope_(shard) {
    partitions_.listen(static_cast<LogWorkListener&>(*this));
}

void Upkeep::start(SaveLogStarts save_log_starts) {
    save_log_starts_ = std::move(save_log_starts);
    auto delay = Duration::milliseconds(config_.log_initial_task_delay_ms());
    auto producers = Duration::milliseconds(config_.producer_id_expiration_check_interval_ms());
    scope_.spawn(repeat(delay, Duration::milliseconds(config_.log_retention_check_interval_ms()),
                        &Upkeep::retain));
    scope_.spawn(repeat(delay, Duration::milliseconds(config_.log_flush_scheduler_interval_ms()),
                        &Upkeep::flush_overdue));
    scope_.spawn(repeat(producers, producers, &Upkeep::expire_producers));
    scope_.spawn(flush_rolled());
    scope_.spawn(remove_files());
}

Task<void> Upkeep::repeat(Duration delay, Duration interval, Task<void> (Upkeep::*round)()) {
    co_await env::sleep_for(shard_, delay);
    for (;;) {
        co_await (this->*round)();
        co_await env::sleep_for(shard_, interval);
    }
}

std::vector<std::shared_ptr<Partition>> Upkeep::all() const {
    std::vector<std::shared_ptr<Partition>> all;
    all.reserve(partitions_.all().size());
    for (const auto& [id, partition] : partitions_.all()) all.push_back(partition);
    return all;
}

Task<void> Upkeep::retain() {
    std::vector<std::pair<std::shared_ptr<Partition>, storage::Offset>> shorter;
    for (const auto& partition : all()) {
        std::shared_ptr<storage::Log> held = partition->share_log();
        storage::Log& log = *held;
        if (partition->is_copied()) {
            co_await retain_locally(*partition, log);
            log.release_files();
            co_await let_loop_turn(shard_);
            continue;
        }
        auto below = co_await log.expire(partition->retention(), partition->high_watermark());
        if (below && *below) shorter.emplace_back(partition, **below);
        if (!below && log.takes_appends()) {
            LOG_WARN("{} is not shortened: {}", log.path(), below.error().message);
        }
        log.release_files();
        co_await let_loop_turn(shard_);
    }
    if (shorter.empty()) co_return;
    if (Result<> saved = co_await save_log_starts_(); !saved) {
        LOG_ERROR("cannot write where logs start: {}", saved.error().message);
    }
    // Where that failed the log directory has, and its logs refuse.
    for (const auto& [partition, below] : shorter) {
        if (!partition->log().takes_appends()) continue;
        if (Result<> removed = partition->log().remove_below(below); !removed) {
            LOG_ERROR("cannot remove segments: {}", removed.error().message);
        }
        co_await let_loop_turn(shard_);
    }
}

Task<void> Upkeep::retain_locally(Partition& partition, storage::Log& log) {
    auto to = co_await log.expire_locally(partition.local_retention(), partition.copied_end(),
                                          partition.high_watermark());
    Result<> shortened;
    if (!to) {
        shortened = fail(to.error());
    } else if (*to) {
        shortened = co_await log.advance_local_start(**to);
    }
    if (!shortened && log.takes_appends()) {
        LOG_WARN("{} is not shortened: {}", log.path(), shortened.error().message);
    }
}

Task<void> Upkeep::flush_overdue() {
    for (const auto& partition : all()) {
        std::shared_ptr<storage::Log> held = partition->share_log();
        storage::Log& log = *held;
        bool unflushed = log.flushed_end_offset() < log.end_offset() && log.takes_appends();
        if (!unflushed || shard_.wall_ms() - log.last_flush() < partition->flush_ms()) continue;
        // What fails closes the log, which is said there.
        (void)co_await log.durable(log.end_offset());
    }
}

Task<void> Upkeep::expire_producers() {
    for (const auto& partition : all()) {
        partition->log().expire_producers();
        co_await let_loop_turn(shard_);
    }
}

void Upkeep::rolled(Partition& partition) {
    rolled_.insert(partition.id());
    has_rolled_.notify_all();
}

// Recovery need not look at complete segments again.
Task<void> Upkeep::flush_rolled() {
    for (;;) {
        while (rolled_.empty()) co_await has_rolled_.wait();
        auto partition = partitions_.find(rolled_.extract(rolled_.begin()).value());
        if (!partition || !partition->log().takes_appends()) continue;
        std::shared_ptr<storage::Log> log = partition->share_log();
        (void)co_await log->durable(log->active_segment_base());
    }
}

void Upkeep::files_doomed(Partition& partition, Timestamp due) {
    doomed_.emplace(due, partition.id());
    has_doomed_.notify_all();
}

Task<void> Upkeep::remove_files() {
    for (;;) {
        while (doomed_.empty()) co_await has_doomed_.wait();
        auto [due, id] = *doomed_.begin();
        if (due > shard_.wall_ms()) {
            Time until = shard_.now() + Duration::milliseconds(due - shard_.wall_ms());
            co_await env::with_deadline(shard_, until, has_doomed_.until([&, first = due] {
                return doomed_.begin()->first < first;
            }));
            continue;
        }
        doomed_.erase(doomed_.begin());
        auto partition = partitions_.find(id);
        if (!partition) continue;  // its whole directory goes
        std::shared_ptr<storage::Log> log = partition->share_log();
        auto next = co_await log->remove_deleted();
        if (next) doomed_.emplace(*next, id);
    }
}

}  // namespace millrace::broker
