#include "broker/coordinators/share_host.h"

#include "broker/log.h"
#include "env/shard.h"

namespace millrace::broker {
namespace {

using Outcome = share::ShareCoordinator::Outcome;

Outcome outcome_of(ErrorCode code) { return {code, std::string(meaning_of(code))}; }

}  // namespace

ShareHost::ShareHost(env::Shard& shard, std::shared_ptr<Partition> partition,
                     const config::BrokerConfig& config, ShareFigures& figures)
    : shard_(shard),
      config_(config),
      figures_(figures),
      coordinator_(
          {.updates_per_snapshot = config.share_coordinator_snapshot_update_records_per_snapshot(),
           .cold_snapshot_interval_ms =
               config.share_coordinator_cold_partition_snapshot_interval_ms()}),
      log_(shard, std::move(partition), *this,
           {.load_bytes = static_cast<std::uint64_t>(config.share_coordinator_load_buffer_size()),
            .base_sequence = 0,
            .codec = codec_of_id(config.share_coordinator_state_topic_compression_codec())
                         .value_or(Codec::none),
            .linger = Duration::milliseconds(config.share_coordinator_append_linger_ms()),
            .patience = Duration::milliseconds(config.share_coordinator_write_timeout_ms())}) {}

Task<void> ShareHost::stop() {
    log_.refuse();
    co_await log_.stop();
}

void ShareHost::loaded() {
    figures_.loads.loaded(log_.load_time(), shard_.now());
    log_.scope().spawn(snapshot_cold());
    log_.scope().spawn(prune());
    LOG_DEBUG("{} holds {} share partitions", log_.partition().identity().to_string(),
              coordinator_.size());
}

// Requests -------------------------------------------------------------------------------------

Task<Outcome> ShareHost::initialize(share::ShareKey key, std::int32_t state_epoch,
                                    share::Offset start) {
    auto done = co_await log_.run(
        [&] { return coordinator_.initialize(key, state_epoch, start, shard_.wall_ms()); });
    co_return done ? *std::move(done) : outcome_of(done.error());
}

Task<Outcome> ShareHost::write(share::ShareKey key, Coordinator::Write what) {
    Time began = shard_.now();
    auto done = co_await log_.run([&] {
        figures_.writes.add(1);
        return coordinator_.write(key, what, shard_.wall_ms());
    });
    figures_.written(shard_.now() - began, shard_.now());
    co_return done ? *std::move(done) : outcome_of(done.error());
}

Task<share::ShareCoordinator::Read> ShareHost::read(share::ShareKey key,
                                                    std::int32_t leader_epoch) {
    // A leader of a newer epoch is noted.
    auto done = co_await log_.run(
        [&] { return coordinator_.read(key, leader_epoch, shard_.wall_ms()); }, {},
        [&](const auto& decision) { figures_.writes.add(decision.records.empty() ? 0 : 1); });
    if (done) co_return *std::move(done);
    co_return Coordinator::Read{.outcome = outcome_of(done.error()), .batches = {}};
}

Task<share::ShareCoordinator::Summary> ShareHost::summarize(share::ShareKey key) {
    auto done = co_await log_.run(
        [&] { return share::Decision<Coordinator::Summary>{coordinator_.summarize(key), {}}; });
    if (done) co_return *std::move(done);
    co_return Coordinator::Summary{.outcome = outcome_of(done.error())};
}

Task<Outcome> ShareHost::remove(share::ShareKey key) {
    auto done = co_await log_.run([&] { return coordinator_.remove(key); });
    co_return done ? *std::move(done) : outcome_of(done.error());
}

Task<void> ShareHost::forget_topics(const std::set<Uuid>& topics) {
    if (ready() != ErrorCode::none) co_return;
    auto forgotten = co_await log_.run([&] { return coordinator_.forget_topics(topics); });
    if (!forgotten) {
        LOG_WARN("the share state of deleted topics stays in {}: {}",
                 log_.partition().identity().to_string(), name_of(forgotten.error()));
    }
}

// What comes by itself -------------------------------------------------------------------------

// Until the scope ends.
Task<void> ShareHost::snapshot_cold() {
    auto interval =
        Duration::milliseconds(config_.share_coordinator_cold_partition_snapshot_interval_ms());
    for (;;) {
        co_await env::sleep_for(shard_, interval);
        auto done = co_await log_.run([&] { return coordinator_.snapshot_cold(shard_.wall_ms()); });
        if (!done) {
            LOG_WARN("no snapshots are written to {}: {}", log_.partition().identity().to_string(),
                     name_of(done.error()));
        }
    }
}

// The topic is not compacted: what later records have made redundant is deleted. Until the scope
// ends.
Task<void> ShareHost::prune() {
    auto interval =
        Duration::milliseconds(config_.share_coordinator_state_topic_prune_interval_ms());
    for (;;) {
        co_await env::sleep_for(shard_, interval);
        // What tells that others are redundant must not be lost itself.
        if (co_await log_.settled() != ErrorCode::none) continue;
        std::optional<std::int64_t> offset = coordinator_.redundant_below();
        Partition& partition = log_.partition();
        if (!offset || *offset <= partition.log().start_offset() ||
            *offset > partition.high_watermark())
            continue;
        Result<storage::Offset> deleted = partition.delete_records(*offset);
        if (deleted) {
            figures_.pruned(partition.identity(), *deleted);
        } else {
            LOG_WARN("redundant records stay in {}: {}", partition.identity().to_string(),
                     deleted.error().message);
        }
    }
}

}  // namespace millrace::broker
