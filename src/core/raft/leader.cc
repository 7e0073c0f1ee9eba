#include <algorithm>

#include "core/raft/raft.h"

namespace millrace::raft {
namespace {

// What a leader knew before it led may be less than what others have heard of the one before it,
// and Apache's replicas end when it goes back. Of its own epoch nobody has heard more.
std::int64_t to_tell(std::optional<std::int64_t> high_watermark, std::int64_t epoch_start) {
    return high_watermark.value_or(-1) > epoch_start ? *high_watermark : -1;
}

}  // namespace

void Raft::handle(std::uint64_t token, const FetchRequest& request) {
    ErrorCode error = ErrorCode::none;
    if (request.from.offset < 0 || request.from.epoch < 0 || request.from.epoch > request.epoch ||
        request.max_wait < Duration()) {
        error = ErrorCode::invalid_request;
    } else if (request.epoch < state_.epoch) {
        error = ErrorCode::fenced_leader_epoch;
    } else if (request.epoch > state_.epoch) {
        error = ErrorCode::unknown_leader_epoch;
    } else if (role_ != Role::leader) {
        error = ErrorCode::not_leader_or_follower;
    }
    if (error != ErrorCode::none) return reply(token, FetchResponse{.answer = answer(error)});

    FetchResponse response = fetch(request);
    if (worth_sending(request, response) || request.max_wait == Duration())
        return reply(token, std::move(response));
    // Nobody is told when whoever asked has gone: what it claims is no reason to keep it for long.
    waiting_.push_back({token, request, now_ + std::min(request.max_wait, options_.fetch_timeout)});
}

FetchResponse Raft::fetch(const FetchRequest& request) {
    LogFacts::Verdict verdict = log_.validate(request.from);
    if (verdict.kind == LogFacts::Verdict::Kind::valid) {
        progress_.fetched(request.replica, request.from.offset, log_.end, now_);
        advance_high_watermark();
        check_quorum();
    }
    FetchResponse response{.answer = answer(),
                           .high_watermark = to_tell(high_watermark_, progress_.epoch_start()),
                           .log_start = log_.start};
    switch (verdict.kind) {
        case LogFacts::Verdict::Kind::diverging:
            response.diverging = verdict.where;
            break;
        case LogFacts::Verdict::Kind::snapshot:
            response.snapshot = verdict.where;
            break;
        case LogFacts::Verdict::Kind::valid:
            response.with_records = request.from.offset < log_.end;
    }
    return response;
}

void Raft::check_quorum() {
    if (voters().is_only(options_.self)) return;  // whom observers alone fetch from
    if (progress_.majority_fetched() || deadline_ == Time::never())
        deadline_ = rules_->hears_again_by(now_, options_.fetch_timeout);
}

bool Raft::worth_sending(const FetchRequest& request, const FetchResponse& response) const {
    return response.with_records || response.diverging || response.snapshot ||
           response.high_watermark > request.high_watermark;
}

// Answers the fetches that wait and now have something to carry, whose time is over, or that came
// to a leader who is none any more.
void Raft::complete_fetches() {
    std::vector<WaitingFetch> waiting = std::exchange(waiting_, {});
    for (WaitingFetch& one : waiting) {
        if (role_ != Role::leader) {
            reply(one.token, FetchResponse{.answer = answer(ErrorCode::not_leader_or_follower)});
            continue;
        }
        FetchResponse response{.answer = answer(),
                               .high_watermark = to_tell(high_watermark_, progress_.epoch_start()),
                               .log_start = log_.start,
                               .with_records = one.request.from.offset < log_.end};
        if (now_ >= one.until || worth_sending(one.request, response)) {
            reply(one.token, std::move(response));
        } else {
            waiting_.push_back(std::move(one));
        }
    }
}

void Raft::advance_high_watermark() {
    std::int64_t committed = progress_.committed();
    if (committed <= high_watermark_.value_or(-1)) return;
    if (!rules_->may_commit(committed, progress_.epoch_start())) return;
    high_watermark_ = committed;
    actions_.high_watermark = committed;
    commit_change();
    complete_fetches();
}

void Raft::poll_leader() {
    bool removed = !is_voter() && !voters_uncommitted();
    if (removed || now_ >= deadline_) return become_resigned();
    complete_fetches();
    if (voters().is_only(options_.self) || now_ < begin_epoch_at_) return;
    // Voters that do not fetch may not know of this leader.
    Duration period = options_.fetch_timeout / 2;
    begin_epoch_at_ = now_ + period;
    for (const auto& [key, replica] : progress_.voters()) {
        if (key.id == options_.self.id) continue;
        if (replica.last_fetch && now_ - *replica.last_fetch < period) continue;
        BeginEpochRequest request{options_.self.id, state_.epoch, key, options_.endpoints};
        if (!try_send(key.id, request))
            begin_epoch_at_ = std::min(begin_epoch_at_, now_ + options_.retry_backoff);
    }
}

void Raft::handle(std::int32_t from, const BeginEpochResponse& response) {
    if (learn(from, response.answer)) return;
    if (role_ == Role::leader) progress_.acknowledge(from);
}

void Raft::handle(std::int32_t from, const EndEpochResponse& response) {
    if (learn(from, response.answer)) return;
    if (role_ == Role::resigned) resignation_told_.insert(from);
}

// A leader that gave up waits for another one to be elected, and takes part again in the epoch
// after its own.
void Raft::poll_resigned() {
    if (now_ >= deadline_) return become_unattached(state_.epoch + 1);
    for (const Voter& voter : voters().voters()) {
        std::int32_t id = voter.key.id;
        if (id == options_.self.id || resignation_told_.contains(id)) continue;
        try_send(id, EndEpochRequest{options_.self.id, state_.epoch, {}});
    }
}

}  // namespace millrace::raft
