#include "quorum/raft_driver.h"

#include <fmt/format.h>
#include <utility>

#include "base/check.h"
#include "env/disk.h"
#include "quorum/control_records.h"
#include "quorum/quorum_log.h"
#include "quorum/quorum_state_file.h"

namespace millrace::quorum {

RaftDriver::RaftDriver(env::Shard& shard, MetadataLog& log, Peers& peers, raft::Raft raft,
                       QuorumListener& listener, Clock clock)
    : shard_(shard),
      clock_(std::move(clock)),
      log_(log),
      peers_(peers),
      raft_(std::move(raft)),
      self_(raft_.self()),
      listener_(listener) {}

void RaftDriver::start(Scope& scope) {
    scope_ = &scope;
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

Result<> RaftDriver::raise_kraft_version(std::int16_t level) {
    CHECK(raft_.check_kraft_version(level));
    step(raft::KRaftVersionRaised{level});
    if (error_) return fail(*error_);
    return {};
}

Task<Result<raft::Response>> RaftDriver::answer(raft::Request request) {
    struct Registered {
        Registered(std::map<std::uint64_t, Asked*>& all, std::uint64_t token, Asked& asked)
            : all_(all), token_(token) {
            all_.emplace(token, &asked);
        }
        Registered(const Registered&) = delete;
        ~Registered() { all_.erase(token_); }
        std::map<std::uint64_t, Asked*>& all_;
        std::uint64_t token_;
    };
    Asked asked;
    Registered registered(asked_, ++tokens_, asked);
    if (!ending_) step(raft::RequestArrived{registered.token_, std::move(request)});
    while (!asked.response && !error_ && !ending_) co_await asked.answered.wait();
    if (asked.response) co_return *std::move(asked.response);
    co_return fail(ErrorCode::broker_not_available,
                   fmt::format("node {} is not in the quorum any more", self_.id));
}

void RaftDriver::reply(raft::Reply reply) {
    auto asked = asked_.find(reply.token);
    if (asked == asked_.end()) return;  // whoever asked has gone
    asked->second->response = std::move(reply.response);
    asked->second->answered.notify_all();
}

// What is sent, or fetched, may fail at once, which is the next step.
void RaftDriver::step(const raft::Event& event) {
    CHECK(!stepping_);
    if (error_ || ended_) return;
    stepping_ = true;
    Time began = precise_now();
    carry_out(raft_.step(event, shard_.now()));
    figures_.worked(precise_now() - began, shard_.now());
    stepping_ = false;
    stepped_.notify_all();
    for (raft::Send& each : std::exchange(to_send_, {})) scope_->spawn(send(std::move(each)));
    if (to_fetch_) scope_->spawn(fetch_snapshot(*std::exchange(to_fetch_, std::nullopt)));
}

void RaftDriver::carry_out(raft::Actions actions) {
    if (actions.truncate_to) truncate(*actions.truncate_to);
    if (actions.persist) {
        to_persist_ = std::move(actions.persist);
        persist_wanted_.notify_all();
    }
    if (actions.epoch_start) append_epoch_start(*actions.epoch_start);
    if (actions.voters_record) append_voters(*actions.voters_record);
    for (const raft::Append& append : actions.appends) append_batches(append);
    if (error_) return;
    if (actions.voters_changed) listener_.voters_changed();
    to_send_ = std::move(actions.sends);
    for (raft::Reply& each : actions.replies) reply(std::move(each));
    to_fetch_ = std::move(actions.fetch_snapshot);
    if (actions.leadership) {
        figures_.role_changed(actions.leadership->role, shard_.now());
        listener_.leadership_changed(*actions.leadership);
    }
    if (actions.high_watermark) figures_.committed(*actions.high_watermark, shard_.now());
    bool told = raft_.leader_high_watermark() != told_high_watermark_;
    told_high_watermark_ = raft_.leader_high_watermark();
    if (raft_.high_watermark() && (actions.high_watermark || told))
        listener_.committed(*raft_.high_watermark());
    if (actions.wake_at == Time::never()) {
        stop();
    } else if (!running() || when() != actions.wake_at) {
        stop();
        env::Timer::start(shard_, actions.wake_at);
    }
}

void RaftDriver::truncate(std::int64_t end) {
    LOG_INFO("The metadata log ends at {}, and its leader's was another one from {} on",
             log_.log().next_offset(), end);
    if (auto cut = log_.log().truncate_to(end); !cut) return fail_with(cut.error());
    ++generation_;
    log_changed_.notify_all();
    listener_.truncated(end);
}

// Of a leader.
void RaftDriver::note_append(const raft::Span& span) {
    figures_.appended(span.end - span.base, span.end, shard_.now());
    log_changed_.notify_all();
}

void RaftDriver::append_epoch_start(const raft::EpochStart& start) {
    CHECK(log_.log().next_offset() == start.span.base);
    storage::AppendAs as{storage::AppendOrigin::raft_leader, start.span.epoch};
    auto appended = log_.log().append_as_leader(epoch_start_batch(start, shard_.wall_ms()), as);
    if (!appended) return fail_with(appended.error());
    note_append(start.span);
}

void RaftDriver::append_voters(const raft::VotersRecord& record) {
    CHECK(log_.log().next_offset() == record.span.base && record.generation == generation_);
    storage::AppendAs as{storage::AppendOrigin::raft_leader, record.span.epoch};
    auto appended = log_.log().append_as_leader(voters_batch(record, shard_.wall_ms()), as);
    if (!appended) return fail_with(appended.error());
    note_append(record.span);
}

void RaftDriver::append_batches(const raft::Append& append) {
    CHECK(log_.log().next_offset() == append.span.base && append.generation == generation_);
    if (!append.records.empty()) return append_fetched(append);
    storage::AppendAs as{storage::AppendOrigin::raft_leader, append.span.epoch};
    for (Slice& batch : to_append_) {
        auto appended = log_.log().append_as_leader(std::move(batch), as);
        if (!appended) return fail_with(appended.error());
    }
    to_append_.clear();
    CHECK(log_.log().next_offset() == append.span.end);
    note_append(append.span);
}

void RaftDriver::append_fetched(const raft::Append& append) {
    auto appended = log_.log().append_as_follower(append.records);
    if (!appended) return fail_with(appended.error());
    figures_.fetched(append.span.end - append.span.base, shard_.now());
    CHECK(log_.log().next_offset() == append.span.end);
    log_changed_.notify_all();
}

void RaftDriver::fail_with(const Error& error) {
    if (error_) return;
    error_ = error;
    stop();
    LOG_ERROR("The metadata log cannot go on: {}", error.message);
    for (auto& [token, asked] : asked_) asked->answered.notify_all();
    listener_.quorum_failed(error);
}

Task<void> RaftDriver::send(raft::Send send) {
    std::int32_t to = send.to;
    std::vector<raft::Endpoint> endpoints = send.endpoints;
    raft::Event outcome = co_await peers_.ask(std::move(send));
    step(outcome);
    bool lost = std::holds_alternative<raft::SendFailed>(outcome) && follows(to);
    if (lost && !looking_for_leader_) scope_->spawn(look_for_leader(to, std::move(endpoints)));
}

bool RaftDriver::follows(std::int32_t leader) const {
    return !error_ && !ended_ && raft_.role() == raft::Role::follower && raft_.leader() == leader;
}

// Rather than wait for the fetch timeout where its machine says that nobody is there.
Task<void> RaftDriver::look_for_leader(std::int32_t leader, std::vector<raft::Endpoint> endpoints) {
    std::int32_t epoch = raft_.epoch();
    looking_for_leader_ = true;
    bool gone = co_await peers_.refuses(endpoints);
    looking_for_leader_ = false;
    if (!gone || !follows(leader) || raft_.epoch() != epoch) co_return;
    LOG_INFO("Metadata quorum: controller {} has ended, its listener refuses connections", leader);
    step(raft::LeaderGone{leader, epoch});
}

bool RaftDriver::still_wants(const raft::FetchSnapshot& wanted, std::int32_t epoch) const {
    return raft_.fetching_snapshot() && raft_.epoch() == epoch && raft_.leader() == wanted.from;
}

Task<void> RaftDriver::fetch_snapshot(raft::FetchSnapshot wanted) {
    std::int32_t epoch = raft_.epoch();
    SnapshotDownload download(shard_, log_.path(), wanted.snapshot);
    Result<> fetched;
    while (fetched && !download.whole()) {
        auto piece = co_await peers_.fetch_snapshot(wanted, self_, epoch, download.position());
        if (error_ || !still_wants(wanted, epoch)) co_return;
        if (piece) step(raft::SnapshotPieceFetched{});
        fetched = piece ? co_await download.add(*piece) : Result<>(fail(piece.error()));
    }
    Result<DownloadedSnapshot> snapshot = fail(ErrorCode::unknown_server_error, "");
    if (fetched) snapshot = co_await download.finish();
    if (error_ || !still_wants(wanted, epoch)) co_return;
    if (!snapshot) {
        const Error& error = fetched ? snapshot.error() : fetched.error();
        if (error.code == ErrorCode::kafka_storage_error) co_return fail_with(error);
        LOG_WARN("The leader's snapshot {} cannot be had now: {}", snapshot_name(wanted.snapshot),
                 error.message);
        co_await env::sleep_for(shard_, Duration::milliseconds(20));
        if (still_wants(wanted, epoch)) step(raft::SnapshotFetched{});
        co_return;
    }
    if (auto begun = log_.begin_at_snapshot(*snapshot); !begun) co_return fail_with(begun.error());
    ++generation_;
    log_changed_.notify_all();
    listener_.snapshot_installed(*snapshot);
    step(
        raft::SnapshotFetched{snapshot->id, snapshot->facts.voters, snapshot->facts.kraft_version});
}

Task<void> RaftDriver::leave(Duration patience) {
    ending_ = true;
    for (auto& [token, asked] : asked_) asked->answered.notify_all();
    if (raft_.is_leader()) {
        step(raft::ResignRequested{});
        std::size_t others = raft_.voters().majority() - 1;
        co_await env::with_deadline(shard_, shard_.now() + patience, stepped_.until([&] {
            return raft_.role() != raft::Role::resigned || raft_.resignation_heard() >= others;
        }));
    }
    ended_ = true;
    stop();
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
        while (log.flushed_end_offset() >= log.next_offset() && generation_ == synced_generation_)
            co_await log_changed_.wait();
        std::uint64_t generation = generation_;
        Result<> durable = co_await log.durable(log.next_offset());
        if (!durable && log.failed()) co_return fail_with(durable.error());
        if (!durable) continue;  // cut meanwhile
        synced_generation_ = generation;
        step(raft::LogDurable{log.flushed_end_offset(), generation});
    }
}

}  // namespace millrace::quorum
