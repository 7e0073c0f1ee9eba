#include <algorithm>
#include <fmt/core.h>
#include <utility>

#include "broker/log.h"
#include "broker/partitions/partition.h"
#include "broker/partitions/replicated_append.h"
#include "env/shard.h"

namespace millrace::broker {

using replication::Leader;
using replication::LeaderActions;

void Partition::restore_high_watermark(storage::Offset offset) {
    high_watermark_ = std::clamp(offset, log_->start_offset(), log_->end_offset());
}

void Partition::update(const metadata::Partition& state) {
    bool led = is_leader();
    bool new_epoch = state_.leader != state.leader || state_.leader_epoch != state.leader_epoch;
    // The controller's answers may be ahead of its images.
    bool behind = !new_epoch && followers_ && state.epoch < followers_->partition_epoch();
    metadata::BrokerIds isr = state_.isr;
    state_ = state;
    if (behind) state_.isr = std::move(isr);
    bool new_term = is_leader() && new_epoch;
    if (new_term) log_->begin_epoch(state.leader_epoch);
    if (led && !is_leader()) ++leaderships_;
    begin_role(new_term);
    arrivals_.notify();  // fetches of a leader that stepped down must hear of it
    replica_arrivals_.notify();
    recovered_.notify_all();
    replicas_started_.notify_all();
    if (led && !is_leader()) commit_waits_.wake_all();
}

// A partition without other replicas needs no view of them.
void Partition::begin_role(bool new_term) {
    if (!is_leader() || state_.replicas.size() < 2) {
        followers_.reset();
    } else {
        replication::StateChanged state{state_, config_.min_insync_replicas()};
        if (followers_ && !new_term) {
            step(state);
        } else {
            auto began = log_->epochs().latest();
            storage::Offset start = began ? began->start_offset : log_->next_offset();
            followers_ = std::make_unique<Leader>(node_id_, std::move(state), start,
                                                  high_watermark_, shard_.now());
        }
    }
    advance_high_watermark();
}

// What its producer wants on stable storage nobody sees before it is there: with the power it would
// be taken back.
void Partition::advance_high_watermark() {
    if (!is_leader()) return;  // a follower hears of it
    storage::Offset flushed = log_->flushed_end_offset();
    storage::Offset counted = flushed < stable_wanted_ ? flushed : log_->end_offset();
    if (!followers_) return set_high_watermark(counted);
    step(replication::LogMoved{.end = log_->end_offset(), .counted = counted});
}

void Partition::set_high_watermark(storage::Offset to) {
    if (to <= high_watermark_) return;
    high_watermark_ = to;
    if (hidden_below_ && to >= *hidden_below_) hidden_below_.reset();
    recovered_.notify_all();
    commit_waits_.reached(to);
    arrivals_.notify();
}

// Leading --------------------------------------------------------------------------------------

void Partition::step(const replication::LeaderEvent& event) { (void)step_now(event); }

// As far as the partition's shard knows.
const metadata::Image& Partition::image() const {
    static const metadata::Image nobody;
    return host_ == nullptr ? nobody : host_->image();
}

LeaderActions Partition::step_now(const replication::LeaderEvent& event) {
    LeaderActions actions =
        followers_->step(event, {.now = shard_.now(),
                                 .max_lag = host_ ? host_->max_lag() : Duration::max(),
                                 .image = image()});
    state_.isr = followers_->isr();
    if (actions.high_watermark_moved) set_high_watermark(followers_->high_watermark());
    if (host_ && actions.change) host_->isr_wanted(*this, *actions.change, actions.retry);
    if (host_ && actions.outcome != LeaderActions::Outcome::none) {
        host_->isr_settled(actions.outcome);
    }
    return actions;
}

void Partition::check_lag() {
    if (followers_) step(replication::LagChecked{});
}

void Partition::isr_answered(const replication::ChangeAnswered& answer) {
    if (followers_) step(answer);
}

// What the replica has it tells by asking for more, in the epoch in which the fetch was checked.
ErrorCode Partition::count_replica(const FetchTerms& terms, std::int32_t epoch) {
    bool leads = followers_ && state_.leader_epoch == epoch && followers_->knows(terms.replica->id);
    if (!leads) return ErrorCode::not_leader_or_follower;
    LeaderActions actions =
        step_now(replication::FollowerFetched{.id = terms.replica->id,
                                              .broker_epoch = terms.replica->broker_epoch,
                                              .offset = terms.offset,
                                              .log_start = terms.replica->log_start});
    replicas_started_.notify_all();
    return actions.refused ? ErrorCode::not_leader_or_follower : ErrorCode::none;
}

std::int32_t Partition::isr_against_minimum() const {
    if (!is_leader()) return 1;
    // More than there are replicas cannot be asked for.
    auto replicas = static_cast<std::int32_t>(state_.replicas.size());
    return static_cast<std::int32_t>(state_.isr.size()) -
           std::min(config_.min_insync_replicas(), replicas);
}

Result<> Partition::check_isr() const {
    if (isr_against_minimum() >= 0) return {};
    return fail(ErrorCode::not_enough_replicas,
                fmt::format("{} has {} replicas in sync; min.insync.replicas is {}", name_,
                            state_.isr.size(), config_.min_insync_replicas()));
}

// To be called in the turn of the append, before it is written.
Task<Result<>> Partition::acknowledged(storage::Offset end, std::int16_t acks, Duration timeout) {
    if (acks == -1 && followers_) return replicated(end, timeout);
    bool stable = acks == -1 && node_.flush_acks_all;
    bool many = end - log_->flushed_end_offset() >= config_.flush_messages();
    if (!stable && !many) return log_->written(end);
    stable_wanted_ = std::max(stable_wanted_, end);
    return log_->durable(end);
}

// Followers fetch what is written while it is synced here.
Task<Result<>> Partition::replicated(storage::Offset end, Duration timeout) {
    std::uint64_t leadership = leaderships_;
    Time deadline = shard_.now() + timeout;
    bool many = end - log_->flushed_end_offset() >= config_.flush_messages();
    if (node_.flush_acks_all || many) {
        stable_wanted_ = std::max(stable_wanted_, end);
        CO_RETURN_IF_ERROR(co_await log_->durable(end));
    } else {
        CO_RETURN_IF_ERROR(co_await log_->written(end));
    }
    if (deadline == Time::never()) co_return co_await committed(end, leadership);
    auto done = co_await env::with_deadline(shard_, deadline, committed(end, leadership));
    if (done) co_return *std::move(done);
    metrics_->produce_expired();
    co_return fail(ErrorCode::request_timed_out,
                   fmt::format("the replicas of {} in sync have not taken over offset {} in time",
                               name_, end - 1));
}

Task<Result<>> Partition::committed(storage::Offset end, std::uint64_t leadership) {
    while (leadership == leaderships_ && !retired_ && high_watermark_ < end) {
        co_await commit_waits_.until(end);
    }
    if (leadership != leaderships_ || retired_) {
        co_return fail(
            offline_ ? ErrorCode::kafka_storage_error : ErrorCode::not_leader_or_follower,
            fmt::format("this node has ceased to lead {}", name_));
    }
    auto in_sync = static_cast<std::int32_t>(followers_ ? followers_->maximal_isr().size()
                                                        : state_.isr.size());
    auto replicas = static_cast<std::int32_t>(state_.replicas.size());
    if (in_sync >= std::min(config_.min_insync_replicas(), replicas)) co_return Result<>{};
    co_return fail(ErrorCode::not_enough_replicas_after_append,
                   fmt::format("{} was appended to, and then had {} replicas in sync; "
                               "min.insync.replicas is {}",
                               name_, in_sync, config_.min_insync_replicas()));
}

// Following ------------------------------------------------------------------------------------

replication::FollowerLog Partition::follower_log() const {
    return {.start = log_->start_offset(),
            .end = log_->next_offset(),
            .high_watermark = high_watermark_,
            .has_epochs = log_->epochs().latest().has_value()};
}

Task<Result<storage::RemoteBeginning>> Partition::remote_beginning(
    replication::TieredBeginning at) {
    std::shared_ptr<RemoteLog> remote = remote_;
    if (!remote) {
        co_return fail(ErrorCode::replica_not_available,
                       fmt::format("{} goes on behind what is in remote storage, which this node "
                                   "does not have (remote.log.storage.system.enable)",
                                   name_));
    }
    metrics_->began_behind_remote(1);
    co_return co_await remote->beginning(at);
}

Task<Result<>> Partition::follow(std::int32_t leader_epoch, replication::FollowerActions actions,
                                 Slice records, std::optional<storage::RemoteBeginning> behind) {
    if (!gate_.open()) co_await gate_.pass();
    auto ended = [&] {
        return fail(ErrorCode::not_leader_or_follower,
                    fmt::format("{} follows in epoch {} no longer", name_, leader_epoch));
    };
    if (!follows(leader_epoch)) co_return ended();
    if (actions.truncate_to) CO_RETURN_IF_ERROR(truncate(*actions.truncate_to));
    if (actions.begin_anew_at) {
        CO_RETURN_IF_ERROR(log_->truncate_fully(*actions.begin_anew_at));
        forget_hidden_from(log_->end_offset());
        high_watermark_ = log_->start_offset();
    }
    // What is in remote storage is committed.
    if (behind) {
        CO_RETURN_IF_ERROR(log_->begin_behind(*std::move(behind)));
        forget_hidden_from(log_->end_offset());
        high_watermark_ = log_->end_offset();
    }
    if (actions.append) CO_RETURN_IF_ERROR(append_from_leader(std::move(records)));
    std::shared_ptr<storage::Log> log = log_;
    storage::Offset end = log->next_offset();
    // Not a coroutine more than needed where all is there.
    if (node_.flush_acks_all) {
        if (log->flushed_end_offset() < end) CO_RETURN_IF_ERROR(co_await log->durable(end));
    } else if (log->end_offset() < end) {
        CO_RETURN_IF_ERROR(co_await log->written(end));
    }
    if (!follows(leader_epoch)) co_return ended();
    if (actions.high_watermark) {
        set_high_watermark(replication::kafka_rules.heard_high_watermark(*actions.high_watermark,
                                                                         log_->end_offset()));
    }
    if (actions.log_start) CO_RETURN_IF_ERROR(advance_start(*actions.log_start));
    co_return Result<>{};
}

// Should it lead before all is on stable storage, the rest counts for nothing yet.
Result<> Partition::append_from_leader(Slice records) {
    ASSIGN_OR_RETURN(storage::Appended appended, append_replicated(*log_, std::move(records)));
    if (node_.flush_acks_all) stable_wanted_ = std::max(stable_wanted_, appended.next_offset);
    return {};
}

Result<> Partition::truncate(storage::Offset to) {
    if (to < high_watermark_) {
        LOG_WARN("{} is cut to offset {}, below its high watermark {}: its leader was not in sync",
                 name_, to, high_watermark_);
    }
    RETURN_IF_ERROR(log_->truncate_to(to));
    storage::Offset end = log_->end_offset();
    high_watermark_ = std::min(high_watermark_, end);
    forget_hidden_from(end);
    return {};
}

void Partition::forget_hidden_from(storage::Offset end) {
    stable_wanted_ = std::min(stable_wanted_, end);
    if (!hidden_below_) return;
    hidden_below_ = std::min(*hidden_below_, end);
    if (high_watermark_ < *hidden_below_) return;
    hidden_below_.reset();
    recovered_.notify_all();
}

}  // namespace millrace::broker
