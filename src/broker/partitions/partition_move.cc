#include <fmt/core.h>

#include "base/random.h"
#include "broker/log.h"
#include "broker/partitions/partition.h"
#include "env/disk.h"
#include "env/shard.h"

namespace millrace::broker {
namespace {

constexpr std::uint64_t copied_at_once = 1 << 20;

}  // namespace

void Partition::begin_future(std::shared_ptr<FutureReplica> future) {
    future_ = std::move(future);
    future_->log().options() = log_->options();
}

Task<std::shared_ptr<FutureReplica>> Partition::end_future() {
    co_await settled();
    std::shared_ptr<FutureReplica> ended = std::move(future_);
    if (ended) co_await ended->log().abandon();
    co_return ended;
}

Task<Result<Partition::Switched>> Partition::switch_to_future() {
    std::shared_ptr<FutureReplica> future = future_;
    // Most of it before anybody has to wait.
    CO_RETURN_IF_ERROR(co_await future->log().durable(future->log().end_offset()));
    if (future != future_ || retired_) co_return fail(ErrorCode::not_leader_or_follower);

    struct Switching {
        explicit Switching(Partition& p) : partition(p) { partition.switching_ = true; }
        Switching(const Switching&) = delete;
        ~Switching() {
            partition.switching_ = false;
            partition.switched_.notify_all();
        }
        Partition& partition;
    } switching(*this);
    Gate::Shut shut(gate_);
    CO_RETURN_IF_ERROR(co_await catch_up(*future));
    Switched switched{.left = directory_};
    left_ = log_;
    CO_RETURN_IF_ERROR(co_await rename_logs(*future, switched));
    co_await left_->abandon();
    LOG_INFO("{} has moved from {} to {}", name_, switched.left->path(), directory_->path());
    co_return switched;
}

// All that the current log holds is durable in both, and nothing is on its way into it.
Task<Result<>> Partition::catch_up(FutureReplica& future) {
    while (true) {
        log_->write_queued();
        CO_RETURN_IF_ERROR(co_await log_->durable(log_->end_offset()));
        std::uint64_t copied = 0;
        do {
            ASSIGN_OR_CO_RETURN(copied, co_await future.copy(*log_, copied_at_once));
        } while (copied > 0);
        CO_RETURN_IF_ERROR(co_await future.log().durable(future.log().end_offset()));
        co_await future.log().settled();
        co_await log_->settled();
        if (retired_) co_return fail(ErrorCode::not_leader_or_follower);
        bool all_durable = log_->flushed_end_offset() == log_->end_offset();
        if (all_durable && future.has_caught_up(*log_)) co_return Result<>{};
        if (future.log().end_offset() >= log_->end_offset()) continue;
        co_return fail(ErrorCode::kafka_storage_error,
                       fmt::format("{} cannot be copied beyond offset {}", log_->path(),
                                   future.log().end_offset()));
    }
}

Task<Result<>> Partition::rename_logs(FutureReplica& future, Switched& switched) {
    storage::PartitionName name{identity_.topic, identity_.index};
    storage::LogDirectory& from = *directory_;
    storage::LogDirectory& to = future.directory();
    auto aside = from.set_aside(log_->path(), name, "-delete", shard_.random());
    if (!aside) {
        from.health().fail(aside.error());
        co_return fail(aside.error());
    }
    std::string live = log_->path();
    log_->renamed(*aside);
    Result<> synced;
    co_await env::blocking(shard_, [&] { synced = from.sync(shard_.disk()); });
    if (!synced) from.health().fail(synced.error());

    Result<> renamed = shard_.disk().rename(future.log().path(), to.path_of(name));
    if (!renamed) {
        to.health().fail(renamed.error());
        if (Result<> back = shard_.disk().rename(*aside, live)) {
            log_->renamed(live);
        } else {
            from.health().fail(back.error());
        }
        co_return renamed;
    }
    future.log().renamed(to.path_of(name));
    take_over(future);
    co_await env::blocking(shard_, [&] { synced = to.sync(shard_.disk()); });
    if (!synced) {
        to.health().fail(synced.error());  // and what was left stays on disk
    } else if (!from.health().failed()) {
        switched.path = *aside;
    }
    co_return Result<>{};
}

void Partition::take_over(FutureReplica& future) {
    std::shared_ptr<storage::Log> left = std::exchange(log_, future.share_log());
    directory_ = &future.directory();
    future_.reset();
    left->listen(nullptr);
    log_->listen(this);
    if (Result<> moved = log_->advance_start(left->start_offset()); !moved) {
        LOG_ERROR("{}: {}", name_, moved.error().message);
    }
    if (work_ != nullptr) work_->files_doomed(*this, shard_.wall_ms());
    log_->set_first_dirty_offset(left->first_dirty_offset());
    if (auto latest = left->epochs().latest()) log_->begin_epoch(latest->epoch);
    advance_high_watermark();
}

}  // namespace millrace::broker
