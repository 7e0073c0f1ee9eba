#include "broker/cleaner/log_cleaner.h"

#include <algorithm>
#include <iterator>

#include "broker/checkpoints.h"
#include "broker/log.h"
#include "env/shard.h"

namespace millrace::broker {
namespace {

// Dynamic configs are noticed so soon.
constexpr Duration longest_sleep = Duration::seconds(1);
// Others have their turn, whatever log.cleaner.backoff.ms says.
constexpr Duration shortest_sleep = Duration::milliseconds(10);

double megabytes(std::uint64_t bytes) { return static_cast<double>(bytes) / (1024 * 1024); }

void report(const DirtyLog& log, const storage::CompactionReport& done, Duration took) {
    const storage::CompactionStats& stats = done.stats;
    LOG_INFO(
        "{} is compacted from {} to {} in {} ms: {:.1f} MiB with {} records were read and "
        "{:.1f} MiB written; {} records stay; {:.0f}% of the memory for keys was used",
        log.name, log.section->first_dirty, done.first_dirty, took.ms(),
        megabytes(stats.bytes_read), stats.records_read, megabytes(stats.bytes_written),
        stats.records_kept, 100 * done.map_utilization);
    if (stats.records_without_key == 0) return;
    LOG_WARN("{} held {} records without a key, which compaction has removed", log.name,
             stats.records_without_key);
}

}  // namespace

LogCleaner::LogCleaner(PartitionRouter& router, Checkpoints& checkpoints,
                       const config::BrokerConfig& config, metrics::Registry& registry)
    : shard_(router.here()),
      router_(router),
      checkpoints_(checkpoints),
      config_(config),
      throttle_(shard_, config.log_cleaner_io_max_bytes_per_second()),
      metrics_(shard_, registry, config.log_directories()),
      scope_(shard_) {}

void LogCleaner::start() {
    if (config_.log_cleaner_enable()) scope_.spawn(keep_threads());
}

// As many coroutines as there are to be threads: each has one step of work on a helper at a time.
Task<void> LogCleaner::keep_threads() {
    for (;;) {
        throttle_.set_rate(config_.log_cleaner_io_max_bytes_per_second());
        while (threads_ < static_cast<std::size_t>(config_.log_cleaner_threads())) {
            scope_.spawn(work(threads_++));
        }
        co_await env::sleep_for(shard_, longest_sleep);
    }
}

Task<void> LogCleaner::work(std::size_t thread) {
    // The last one goes first when there are to be fewer.
    while (thread + 1 < threads_ ||
           threads_ <= static_cast<std::size_t>(config_.log_cleaner_threads())) {
        if (!co_await clean_filthiest(thread)) co_await pause();
    }
    --threads_;
}

Task<void> LogCleaner::pause() {
    Time begun = shard_.now();
    for (;;) {
        auto backoff = Duration::milliseconds(config_.log_cleaner_backoff_ms());
        Time until = begun + std::max(backoff, shortest_sleep);
        if (shard_.now() >= until) co_return;
        co_await env::sleep_until(shard_, std::min(until, shard_.now() + longest_sleep));
    }
}

// Choosing -------------------------------------------------------------------------------------

Task<std::vector<DirtyLog>> LogCleaner::survey() {
    std::vector<DirtyLog> all;
    for (int shard = 0; shard < router_.shards(); ++shard) {
        Timestamp now = shard_.wall_ms();
        auto some = co_await router_.on(
            shard, [now](const Partitions& partitions) -> Task<std::vector<DirtyLog>> {
                co_return dirty_logs(partitions, now);
            });
        all.insert(all.end(), std::make_move_iterator(some.begin()),
                   std::make_move_iterator(some.end()));
    }
    co_return all;
}

// One at a time, so that two threads do not choose the same log.
Task<std::optional<DirtyLog>> LogCleaner::grab_filthiest() {
    while (choosing_) co_await chosen_.wait();
    struct Turn {
        LogCleaner& cleaner;
        explicit Turn(LogCleaner& c) : cleaner(c) { c.choosing_ = true; }
        ~Turn() {
            cleaner.choosing_ = false;
            cleaner.chosen_.notify_one();
        }
    } turn(*this);
    std::vector<DirtyLog> logs = co_await survey();
    std::erase_if(uncleanable_, [&](const TopicIdPartition& id) {
        return std::ranges::find(logs, id, &DirtyLog::id) == logs.end();
    });
    double dirtiest = 0;
    std::int64_t delay_ms = 0;
    const DirtyLog* filthiest = nullptr;
    for (const DirtyLog& log : logs) {
        if (in_progress_.contains(log.id) || uncleanable_.contains(log.id)) continue;
        if (!log.section) {
            LOG_WARN("{} is not compacted any more: {}", log.name, log.section.error().message);
            uncleanable_.insert(log.id);
            continue;
        }
        const storage::DirtySection& section = *log.section;
        if (section.checkpoint_was_wrong) {
            LOG_DEBUG("{} is compacted from its start on: its checkpoint names no offset of it",
                      log.name);
        }
        dirtiest = std::max(dirtiest, section.ratio());
        delay_ms = std::max(delay_ms, section.delay_ms);
        if (!section.is_due(log.min_ratio)) continue;
        if (filthiest == nullptr || section.ratio() > filthiest->section->ratio()) filthiest = &log;
    }
    metrics_.surveyed(logs, uncleanable_);
    metrics_.dirtiest(dirtiest);
    if (filthiest == nullptr) co_return std::nullopt;
    metrics_.late_by(delay_ms);
    in_progress_.insert(filthiest->id);
    co_return *filthiest;
}

// Compacting -----------------------------------------------------------------------------------

Task<bool> LogCleaner::clean_filthiest(std::size_t thread) {
    std::optional<DirtyLog> log = co_await grab_filthiest();
    if (!log) co_return false;
    Time begun = shard_.now();
    Result<storage::CompactionReport> done = co_await clean(log->id);
    Duration took = shard_.now() - begun;
    in_progress_.erase(log->id);
    if (!done) {
        // The log's directory is offline already.
        if (done.error().code == ErrorCode::kafka_storage_error) co_return false;
        LOG_WARN("{} is not compacted any more until the next start: {}", log->name,
                 done.error().message);
        uncleanable_.insert(log->id);
        co_return false;
    }
    if (!done->finished) co_return false;
    metrics_.cleaned(thread, *done, took);
    report(*log, *done, took);
    co_await save_checkpoints();
    co_return true;
}

storage::CompactionTerms LogCleaner::terms() const {
    auto threads = static_cast<std::size_t>(std::max(config_.log_cleaner_threads(), 1));
    auto part_of = [&](std::int64_t memory) {
        return static_cast<std::size_t>(std::max<std::int64_t>(memory, 0)) / threads;
    };
    return {.map_memory = part_of(config_.log_cleaner_dedupe_buffer_size()),
            .map_load_factor = config_.log_cleaner_io_buffer_load_factor(),
            .io_buffer_size = part_of(config_.log_cleaner_io_buffer_size()) / 2,
            .step_bytes = throttle_.portion()};
}

Task<Result<storage::CompactionReport>> LogCleaner::clean(const TopicIdPartition& id) {
    storage::CompactionTerms terms = this->terms();
    auto there = [&](Partitions& partitions) -> Task<Result<storage::CompactionReport>> {
        env::Shard& shard = partitions.shard();
        terms.pace = [this, &shard](std::uint64_t bytes) {
            return env::call_on(shard, shard_.id(), [this, bytes](env::Shard&) {
                metrics_.moved(bytes);
                return throttle_.take(bytes);
            });
        };
        return compact(partitions, id, terms);
    };
    co_return co_await router_.on(router_.owner(id), there);
}

// Whoever comes while it is written has it written once more.
Task<void> LogCleaner::save_checkpoints() {
    save_again_ = true;
    if (saving_) co_return;
    struct Turn {
        bool& saving;
        explicit Turn(bool& s) : saving(s) { s = true; }
        ~Turn() { saving = false; }
    } turn(saving_);
    while (std::exchange(save_again_, false)) {
        Result<> saved = co_await checkpoints_.write(storage::CheckpointKind::cleaner);
        if (!saved) LOG_ERROR("{}", saved.error().message);
    }
}

}  // namespace millrace::broker
