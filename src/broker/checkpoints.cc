#include "broker/checkpoints.h"

#include <iterator>

#include "broker/log.h"

namespace millrace::broker {

using storage::CheckpointKind;

Checkpoints::Checkpoints(PartitionRouter& router, LogDirectories& directories,
                         const config::BrokerConfig& config)
    : router_(router), directories_(directories), config_(config), scope_(router.here()) {}

Task<std::vector<Partitions::Offsets>> Checkpoints::gather(CheckpointKind kind) {
    std::vector<Partitions::Offsets> all;
    for (int shard = 0; shard < router_.shards(); ++shard) {
        auto some = co_await router_.on(
            shard, [kind](Partitions& partitions) -> Task<std::vector<Partitions::Offsets>> {
                if (kind == CheckpointKind::log_start) co_await partitions.save_epochs_of_starts();
                co_return partitions.offsets();
            });
        all.insert(all.end(), std::make_move_iterator(some.begin()),
                   std::make_move_iterator(some.end()));
    }
    co_return all;
}

class Checkpoints::Turn {
  public:
    Turn(Checkpoints& checkpoints, CheckpointKind kind) : checkpoints_(checkpoints), kind_(kind) {
        checkpoints_.under_way_.insert(kind_);
    }
    Turn(const Turn&) = delete;
    ~Turn() {
        checkpoints_.under_way_.erase(kind_);
        checkpoints_.written_once_.notify_all();
    }

  private:
    Checkpoints& checkpoints_;
    CheckpointKind kind_;
};

Task<Result<>> Checkpoints::write(CheckpointKind kind) {
    while (under_way_.contains(kind)) co_await written_once_.wait();
    Turn turn(*this, kind);
    std::vector<Partitions::Offsets> offsets = co_await gather(kind);
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

Task<Result<>> Checkpoints::write_all() {
    Result<> result;
    for (CheckpointKind kind : {CheckpointKind::recovery_point, CheckpointKind::log_start,
                                CheckpointKind::high_watermark, CheckpointKind::cleaner}) {
        Result<> done = co_await write(kind);
        if (result) result = done;
    }
    co_return result;
}

void Checkpoints::start() {
    auto delay = Duration::milliseconds(config_.log_initial_task_delay_ms());
    auto high_watermarks =
        Duration::milliseconds(config_.replica_high_watermark_checkpoint_interval_ms());
    scope_.spawn(repeat(CheckpointKind::high_watermark, high_watermarks, high_watermarks));
    scope_.spawn(repeat(CheckpointKind::recovery_point, delay,
                        Duration::milliseconds(config_.log_flush_offset_checkpoint_interval_ms())));
    scope_.spawn(
        repeat(CheckpointKind::log_start, delay,
               Duration::milliseconds(config_.log_flush_start_offset_checkpoint_interval_ms())));
}

// What fails is logged by write().
Task<void> Checkpoints::repeat(CheckpointKind kind, Duration delay, Duration interval) {
    co_await env::sleep_for(router_.here(), delay);
    for (;;) {
        (void)co_await write(kind);
        co_await env::sleep_for(router_.here(), interval);
    }
}

}  // namespace millrace::broker
