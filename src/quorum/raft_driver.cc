#include "quorum/raft_driver.h"

#include <fmt/format.h>
#include <utility>

#include "base/check.h"
#include "env/disk.h"
#include "quorum/control_records.h"
#include "quorum/quorum_log.h"
#include "quorum/quorum_state_file.h"

namespace millrace::quorum {

RaftDriver::RaftDriver(env::Shard& shard, MetadataLog& log, raft::Raft raft,
                       QuorumListener& listener)
    : shard_(shard), log_(log), raft_(std::move(raft)), listener_(listener) {}

void RaftDriver::start(Scope& scope) {
    scope.spawn(keep_state());
    scope.spawn(sync());
    step(raft::TimeReached{});
}

Result<> RaftDriver::append(std::vector<Slice> batches, std::int32_t count) {
    CHECK(raft_.is_leader());
    if (error_) return fail(*error_);
    to_append_ = std::move(batches);
    step(raft::AppendRequested{count});
    if (error_) return fail(*error_);
    return {};
}

void RaftDriver::step(const raft::Event& event) {
    CHECK(!stepping_);
    if (error_) return;
    stepping_ = true;
    carry_out(raft_.step(event, shard_.now()));
    stepping_ = false;
}

void RaftDriver::carry_out(raft::Actions actions) {
    CHECK(!actions.truncate_to && !actions.fetch_snapshot && actions.sends.empty() &&
          actions.replies.empty());  // those would be for other voters
    if (actions.persist) {
        to_persist_ = std::move(actions.persist);
        persist_wanted_.notify_all();
    }
    if (actions.epoch_start) append_epoch_start(*actions.epoch_start);
    for (const raft::Append& append : actions.appends) append_batches(append);
    if (error_) return;
    if (actions.leadership) listener_.leadership_changed(*actions.leadership);
    if (actions.high_watermark) listener_.committed(*actions.high_watermark);
    if (actions.wake_at == Time::never()) {
        stop();
    } else if (!running() || when() != actions.wake_at) {
        stop();
        env::Timer::start(shard_, actions.wake_at);
    }
}

void RaftDriver::append_epoch_start(const raft::EpochStart& start) {
    CHECK(log_.log().next_offset() == start.span.base);
    storage::AppendAs as{storage::AppendOrigin::raft_leader, start.span.epoch};
    auto appended = log_.log().append_as_leader(epoch_start_batch(start, shard_.wall_ms()), as);
    if (!appended) return fail_with(appended.error());
    generation_ = start.generation;
    appended_.notify_all();
}

void RaftDriver::append_batches(const raft::Append& append) {
    CHECK(log_.log().next_offset() == append.span.base);
    storage::AppendAs as{storage::AppendOrigin::raft_leader, append.span.epoch};
    for (Slice& batch : to_append_) {
        auto appended = log_.log().append_as_leader(std::move(batch), as);
        if (!appended) return fail_with(appended.error());
    }
    to_append_.clear();
    CHECK(log_.log().next_offset() == append.span.end);
    generation_ = append.generation;
    appended_.notify_all();
}

void RaftDriver::fail_with(const Error& error) {
    if (error_) return;
    error_ = error;
    stop();
    LOG_ERROR("The metadata log cannot go on: {}", error.message);
    listener_.quorum_failed(error);
}

// A vote that was overtaken while the one before was written need not be written itself.
Task<void> RaftDriver::keep_state() {
    std::string path = log_.path_of(quorum_state_file);
    for (;;) {
        while (!to_persist_) co_await persist_wanted_.wait();
        raft::Persist persist = *std::exchange(to_persist_, std::nullopt);
        std::string text = quorum_state_text(persist.state, raft_.kraft_version(), raft_.voters());
        Result<> written = co_await env::replace_file_async(shard_, path, std::move(text));
        if (!written) co_return fail_with(written.error());
        step(raft::StateDurable{persist.version});
    }
}

Task<void> RaftDriver::sync() {
    storage::Log& log = log_.log();
    for (;;) {
        while (log.flushed_end_offset() >= log.next_offset()) co_await appended_.wait();
        std::uint64_t generation = generation_;
        Result<> durable = co_await log.durable(log.next_offset());
        if (!durable) co_return fail_with(durable.error());
        step(raft::LogDurable{log.flushed_end_offset(), generation});
    }
}

}  // namespace millrace::quorum
