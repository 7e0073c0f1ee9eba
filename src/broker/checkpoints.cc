#include "broker/checkpoints.h"

#include <iterator>

#include "broker/log.h"

namespace millrace::broker {

using storage::CheckpointKind;

Checkpoints::Checkpoints(PartitionRouter& router, LogDirectories& directories,
                         const config::BrokerConfig& config)
    : router_(router), directories_(directories), config_(config), scope_(router.here()) {}

Task<std::vector<Partitions::Offsets>> Checkpoints::gather() {
    std::vector<Partitions::Offsets> all;
    for (int shard = 0; shard < router_.shards(); ++shard) {
        auto some = co_await router_.on(
            shard, [](Partitions& partitions) -> Task<std::vector<Partitions::Offsets>> {
                co_return partitions.offsets();
            });
        all.insert(all.end(), std::make_move_iterator(some.begin()),
                   std::make_move_iterator(some.end()));
    }
    co_return all;
}

Task<Result<>> Checkpoints::write(CheckpointKind kind,
                                  const std::vector<Partitions::Offsets>& offsets) {
    Result<> result;
    for (const auto& directory : directories_.all()) {
        if (directory->health().failed()) continue;
        storage::OffsetCheckpoint checkpoint;
        for (const Partitions::Offsets& each : offsets) {
            if (each.directory != directory->path()) continue;
            if (kind == CheckpointKind::recovery_point) {
                checkpoint[each.name] = each.recovery_point;
            } else if (kind == CheckpointKind::high_watermark) {
                checkpoint[each.name] = each.high_watermark;
            } else if (kind == CheckpointKind::cleaner) {
                if (each.first_dirty) checkpoint[each.name] = *each.first_dirty;
            } else if (each.log_start > 0) {
                checkpoint[each.name] = each.log_start;
            }
        }
        auto& last = written_[{directory.get(), kind}];
        if (last == checkpoint && !checkpoint.empty()) continue;
        Result<> done = co_await directory->write_checkpoint(router_.here(), kind, checkpoint);
        if (done) {
            last = std::move(checkpoint);
        } else {
            LOG_ERROR("{}", done.error().message);
            directory->health().fail(done.error());
            if (result) result = done;
        }
    }
    co_return result;
}

Task<Result<>> Checkpoints::write_cleaner() {
    co_return co_await write(CheckpointKind::cleaner, co_await gather());
}

Task<Result<>> Checkpoints::write_all() {
    std::vector<Partitions::Offsets> offsets = co_await gather();
    Result<> result;
    for (CheckpointKind kind : {CheckpointKind::recovery_point, CheckpointKind::log_start,
                                CheckpointKind::high_watermark, CheckpointKind::cleaner}) {
        Result<> done = co_await write(kind, offsets);
        if (result) result = done;
    }
    co_return result;
}

Task<void> Checkpoints::run() {
    env::Shard& shard = router_.here();
    Time next_flush = shard.now();
    for (;;) {
        co_await env::sleep_for(
            shard, Duration::milliseconds(config_.replica_high_watermark_checkpoint_interval_ms()));
        std::vector<Partitions::Offsets> offsets = co_await gather();
        co_await write(CheckpointKind::high_watermark, offsets);
        if (shard.now() < next_flush) continue;
        next_flush =
            shard.now() + Duration::milliseconds(config_.log_flush_offset_checkpoint_interval_ms());
        co_await write(CheckpointKind::recovery_point, offsets);
        co_await write(CheckpointKind::log_start, offsets);
    }
}

}  // namespace millrace::broker
