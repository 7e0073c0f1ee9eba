#include "broker/cleaner/cleaner_metrics.h"

#include <algorithm>

#include "env/shard.h"
#include "metrics/declared.h"

namespace millrace::broker {

namespace declared = metrics::declared;

CleanerMetrics::CleanerMetrics(env::Shard& shard, metrics::Registry& registry,
                               const std::vector<std::string>& directories)
    : shard_(shard), io_(registry.meter(declared::throttler_cleaner_io)), last_run_(shard.now()) {
    for (const std::string& directory : directories) directories_[directory] = {};
    watch(registry);
}

void CleanerMetrics::watch(metrics::Registry& registry) {
    auto read = [&](const metrics::GaugeDeclaration& declaration, metrics::Labels labels,
                    auto value) {
        readings_.push_back(registry.read_gauge(declaration, std::move(labels),
                                                [value] { return static_cast<double>(value()); }));
    };
    auto largest = [this](auto of) {
        double most = 0;
        for (const auto& [thread, round] : last_) most = std::max(most, of(round));
        return static_cast<std::int64_t>(most);
    };
    read(declared::log_cleaner_max_buffer_utilization_percent, {}, [largest] {
        return largest([](const LastRound& round) { return round.report.map_utilization * 100; });
    });
    read(declared::log_cleaner_max_clean_time_secs, {}, [largest] {
        return largest([](const LastRound& round) { return round.took.in_seconds(); });
    });
    read(declared::log_cleaner_cleaner_recopy_percent, {}, [this] {
        std::uint64_t read_bytes = 0;
        std::uint64_t written = 0;
        for (const auto& [thread, round] : last_) {
            read_bytes += round.report.stats.bytes_read;
            written += round.report.stats.bytes_written;
        }
        return 100 * written / std::max<std::uint64_t>(read_bytes, 1);
    });
    read(declared::log_cleaner_max_compaction_delay_secs, {}, [this] { return delay_ms_ / 1000; });
    // A log that cannot be compacted is left out; nothing else ends a cleaner.
    read(declared::log_cleaner_dead_thread_count, {}, [] { return 0; });
    read(declared::log_cleaner_manager_max_dirty_percent, {},
         [this] { return static_cast<std::int64_t>(dirtiest_ * 100); });
    read(declared::log_cleaner_manager_time_since_last_run_ms, {},
         [this] { return (shard_.now() - last_run_).ms(); });
    for (const auto& [directory, figures] : directories_) {
        const Uncleanable* of = &figures;
        read(declared::log_cleaner_manager_uncleanable_partitions_count, {directory},
             [of] { return of->logs; });
        read(declared::log_cleaner_manager_uncleanable_bytes, {directory},
             [of] { return of->bytes; });
    }
}

void CleanerMetrics::surveyed(const std::vector<DirtyLog>& logs,
                              const std::set<TopicIdPartition>& uncleanable) {
    last_run_ = shard_.now();
    for (auto& [directory, figures] : directories_) figures = {};
    for (const DirtyLog& log : logs) {
        auto directory = directories_.find(log.directory);
        if (!uncleanable.contains(log.id) || directory == directories_.end()) continue;
        ++directory->second.logs;
        if (log.section) directory->second.bytes += log.section->dirty_bytes;
    }
}

void CleanerMetrics::cleaned(std::size_t thread, const storage::CompactionReport& report,
                             Duration took) {
    last_[thread] = {report, took};
}

}  // namespace millrace::broker
