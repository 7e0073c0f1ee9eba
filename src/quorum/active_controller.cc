#include "quorum/active_controller.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "core/controller/activation.h"
#include "core/controller/elect_leaders.h"
#include "core/controller/heartbeat.h"
#include "quorum/quorum_log.h"
#include "quorum/record_batches.h"

namespace millrace::quorum {
namespace {

// Uncommitted records that are held in memory; further commands wait.
constexpr std::uint64_t most_pending_bytes = std::uint64_t{64} << 20U;

template <typename Command>
Decide deciding(Command command) {
    return [command = std::move(command)](const controller::State& state, controller::Inputs in) {
        auto decided = decide(command, state, in);
        return Proposal{std::move(decided.records), decided.atomic, decided.kraft_version};
    };
}

}  // namespace

struct ActiveController::CommitLink : ListNode {
    explicit CommitLink(Commit& c) : commit(c) {}
    Commit& commit;
};

// A command that waits for its records.
class ActiveController::Commit final : public Wait {
  public:
    Commit(ActiveController& controller, std::int64_t offset)
        : controller_(controller), offset_(offset) {}
    Result<> await_resume() {
        throw_if_cancelled();
        if (error_) return fail(*std::move(error_));
        return {};
    }
    std::int64_t offset() const { return offset_; }
    void release(std::optional<Error> error = std::nullopt) {
        error_ = std::move(error);
        complete();
    }

  private:
    bool start() override {
        controller_.commits_.push_back(link_);
        return true;
    }
    void give_up() override {
        link_.unlink();
        complete();
    }
    ActiveController& controller_;
    std::int64_t offset_;
    std::optional<Error> error_;
    CommitLink link_{*this};
};

ActiveController::ActiveController(env::Shard& shard, MetadataLog& log, RaftDriver& driver,
                                   controller::Settings settings)
    : shard_(shard),
      log_(log),
      driver_(driver),
      max_batch_bytes_(static_cast<std::size_t>(
          std::min(settings.config.internal_metadata_max_batch_size_in_bytes(),
                   log.log().options().segment_bytes))),
      idle_interval_(Duration::milliseconds(settings.config.metadata_max_idle_interval_ms())),
      session_timeout_(Duration::milliseconds(settings.config.broker_session_timeout_ms())),
      state_(std::move(settings)),
      sessions_(session_timeout_),
      balance_{
          Duration::seconds(state_.settings().config.leader_imbalance_check_interval_seconds())},
      unclean_{
          Duration::milliseconds(state_.settings().config.unclean_leader_election_interval_ms())} {}

ActiveController::~ActiveController() = default;

Result<> ActiveController::load(LogContents contents) {
    state_.load(std::move(contents.image));
    for (const LogContents::Placed& placed : contents.open_transaction) {
        RETURN_IF_ERROR(state_.apply(std::span(&placed.record, 1), placed.offset, placed.epoch));
    }
    state_.skip_to(log_.log().next_offset());
    pending_bytes_ = contents.bytes_behind_snapshot;
    pending_.push_back({log_.log().next_offset(),
                        {state_.share(), contents.bytes_behind_snapshot, shard_.wall_ms()}});
    return {};
}

Result<> ActiveController::activate(metadata::Records bootstrap, bool own_broker_is_gone) {
    sessions_.begin(state_.image(), shard_.now());
    if (own_broker_is_gone) sessions_.forget(state_.settings().node_id);
    last_append_ = shard_.now();
    next_expiry_check_ = shard_.now() + session_timeout_;
    bool balances = state_.settings().config.auto_leader_rebalance_enable();
    if (balances) balance_.begin(shard_.now());
    unclean_.begin(shard_.now());
    controller::Inputs in{shard_.now(), shard_.random(), sessions_};
    controller::Activate command{std::move(bootstrap)};
    ASSIGN_OR_RETURN(auto decided, controller::decide(command, state_, in));
    auto proposed = propose([&](const controller::State&, controller::Inputs) {
        return Proposal{std::move(decided.records), decided.atomic};
    });
    if (!proposed) return fail(std::move(proposed).error());
    activation_end_ = log_.log().next_offset();
    return {};
}

Result<std::vector<Slice>> ActiveController::encode(const Proposal& proposal, Timestamp now) const {
    std::vector<Slice> batches;
    RecordBatches encoder({}, now, max_batch_bytes_, [&](Slice batch) -> Result<> {
        batches.push_back(std::move(batch));
        return {};
    });
    for (const metadata::VersionedRecord& record : proposal.records)
        RETURN_IF_ERROR(encoder.add(record));
    RETURN_IF_ERROR(encoder.finish());
    if (proposal.atomic && batches.size() > 1) {
        return fail(ErrorCode::record_list_too_large,
                    fmt::format("{} metadata records that take effect together are more than the "
                                "{} bytes that a batch may have; ask for less at once",
                                proposal.records.size(), max_batch_bytes_));
    }
    return batches;
}

Result<std::int64_t> ActiveController::propose(const Decide& decide) {
    if (ended_) return fail(*ended_);
    state_.skip_to(log_.log().next_offset());  // the quorum has its own records there
    Proposal proposal = decide(state_, {shard_.now(), shard_.random(), sessions_});
    // What was read may not be committed yet either.
    if (proposal.records.empty()) return state_.image().offset;
    Timestamp now = shard_.wall_ms();
    ASSIGN_OR_RETURN(std::vector<Slice> batches, encode(proposal, now));
    if (proposal.kraft_version)
        RETURN_IF_ERROR(driver_.raise_kraft_version(*proposal.kraft_version));
    std::int64_t first = log_.log().next_offset();
    if (auto applied = state_.apply(proposal.records, first, driver_.raft().epoch()); !applied) {
        driver_.fail_with(applied.error());
        return fail(applied.error());
    }
    std::uint64_t bytes = 0;
    for (const Slice& batch : batches) bytes += batch.size();
    RETURN_IF_ERROR(
        driver_.append(std::move(batches), static_cast<std::int32_t>(proposal.records.size())));
    pending_.push_back({state_.next_offset(), {state_.share(), bytes, now}});
    pending_bytes_ += bytes;
    last_append_ = shard_.now();
    return state_.next_offset() - 1;
}

Task<Result<>> ActiveController::committed(std::int64_t offset) {
    if (ended_) co_return fail(*ended_);
    if (offset < committed_end_) co_return Result<>{};
    co_return co_await Commit(*this, offset);
}

bool ActiveController::has_room() const { return pending_bytes_ <= most_pending_bytes; }

Task<void> ActiveController::room() {
    while (!has_room() && !ended_) co_await room_.wait();
}

void ActiveController::set_voters(std::vector<std::int32_t> ids, std::int16_t kraft_version) {
    state_.set_quorum(std::move(ids));
    state_.set_kraft_version(kraft_version);
}

std::optional<Published> ActiveController::advance(std::int64_t high_watermark) {
    committed_end_ = high_watermark;
    std::optional<Published> last;
    std::uint64_t bytes = 0;
    while (!pending_.empty() && pending_.front().end <= high_watermark) {
        last = std::move(pending_.front().published);
        bytes += last->bytes;
        pending_.pop_front();
    }
    if (last) last->bytes = bytes;
    pending_bytes_ -= std::min(pending_bytes_, bytes);
    while (!commits_.empty() && commits_.front().commit.offset() < high_watermark)
        commits_.pop_front()->commit.release();
    room_.notify_all();
    return last;
}

void ActiveController::end(const Error& error) {
    if (ended_) return;
    ended_ = error;
    pending_.clear();
    term_ended_.notify_all();
    while (CommitLink* link = commits_.pop_front()) link->commit.release(error);
    room_.notify_all();
}

Time ActiveController::next_no_op() const {
    return idle_interval_ == Duration() ? Time::never() : last_append_ + idle_interval_;
}

Task<void> ActiveController::keep_time() {
    while (!ended_) {
        co_await env::with_deadline(shard_, next_duty(),
                                    term_ended_.until([this] { return ended_.has_value(); }));
        if (ended_) co_return;
        Result<> done;
        if (shard_.now() >= next_expiry_check_) done = fence_stale_brokers();
        if (done) done = hold(balance_, controller::BalanceLeaders{});
        if (done) done = hold(unclean_, controller::ElectUncleanLeaders{});
        if (done && shard_.now() >= next_no_op()) done = write_no_op();
        if (!done && !ended_) co_return driver_.fail_with(done.error());
    }
}

Time ActiveController::next_duty() const {
    return std::min({next_no_op(), next_expiry_check_, balance_.next, unclean_.next});
}

template <typename Command>
Result<> ActiveController::hold(Elections& elections, Command command) {
    if (shard_.now() < elections.next) return {};
    bool more = false;
    auto elected = propose([&](const controller::State& state, controller::Inputs in) {
        auto decided = controller::decide(command, state, in);
        more = decided.response.more;
        return Proposal{std::move(decided.records), decided.atomic};
    });
    if (!elected) return fail(std::move(elected).error());
    elections.begin(shard_.now());
    if (more) elections.next = shard_.now();
    return {};
}

Result<> ActiveController::write_no_op() {
    auto written = propose(deciding(controller::WriteNoOp{}));
    if (!written) return fail(std::move(written).error());
    return {};
}

Result<> ActiveController::fence_stale_brokers() {
    std::int64_t before = 0;
    do {
        before = log_.log().next_offset();
        auto fenced = propose(deciding(controller::FenceStaleBroker{}));
        if (!fenced) return fail(std::move(fenced).error());
    } while (log_.log().next_offset() > before);
    // A session that begins meanwhile cannot run out before a whole timeout has passed.
    next_expiry_check_ =
        std::min(sessions_.next_expiry(state_.image()), shard_.now() + session_timeout_);
    return {};
}

}  // namespace millrace::quorum
