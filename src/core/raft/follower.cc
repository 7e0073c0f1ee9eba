#include <algorithm>

#include "core/raft/raft.h"

namespace millrace::raft {

void Raft::handle(std::uint64_t token, const BeginEpochRequest& request) {
    ErrorCode error = check_voter_request(request.leader, request.epoch);
    if (error == ErrorCode::none) {
        learn_leader(request.leader, request.epoch, request.endpoints);
        if (!is_for_us(request.voter)) error = ErrorCode::invalid_voter_key;
    }
    reply(token, BeginEpochResponse{answer(error)});
}

void Raft::handle(std::uint64_t token, const EndEpochRequest& request) {
    ErrorCode error = check_voter_request(request.leader, request.epoch);
    if (error != ErrorCode::none) return reply(token, EndEpochResponse{answer(error)});
    learn_leader(request.leader, request.epoch, {});
    if (role_ == Role::follower && state_.leader == request.leader) {
        // The most advanced first, each further one a growing while later.
        auto own = std::ranges::find(request.successors, options_.self.id, &ReplicaKey::id);
        auto position = own - request.successors.begin();
        auto count = static_cast<std::ptrdiff_t>(request.successors.size());
        Duration wait = options_.election_backoff_max;
        if (position == 0 && count > 0) wait = Duration();
        for (auto i = position; i > 0 && i < count - 1; ++i) wait = wait / 2;
        deadline_ = now_ + wait;
        fetched_in_epoch_ = false;
    }
    reply(token, EndEpochResponse{answer()});
}

void Raft::send_fetch() {
    FetchRequest request{.replica = options_.self,
                         .epoch = state_.epoch,
                         .from = log_.last(),
                         .high_watermark = high_watermark_.value_or(-1),
                         .max_wait = options_.fetch_max_wait};
    // What is fetched from is what is stored: the leader counts it.
    if (fetching_snapshot_ || durable_end_ != log_.end) return;
    if (role_ == Role::follower) {
        if (auto voters = voter_request()) {
            if (try_send(state_.leader, *std::move(voters)))
                voter_request_at_ = now_ + options_.fetch_timeout;
            return;
        }
        try_send(state_.leader, std::move(request));
        return;
    }
    for (const auto& [id, peer] : peers_) {
        if (peer.in_flight != 0) return;
    }
    std::vector<std::int32_t> targets;
    auto add = [&](std::int32_t id) {
        auto peer = peers_.find(id);
        bool pausing = peer != peers_.end() && peer->second.retry_at > now_;
        if (id != options_.self.id && !pausing) targets.push_back(id);
    };
    for (const Voter& voter : voters().voters()) add(voter.key.id);
    for (std::size_t i = 0; i < options_.bootstrap.size(); ++i)
        add(static_cast<std::int32_t>(-2 - static_cast<std::int64_t>(i)));
    if (!targets.empty()) try_send(targets[random_.below(targets.size())], std::move(request));
}

void Raft::handle(std::int32_t from, const FetchResponse& response) {
    bool known = learn(from, response.answer);
    if (known || role_ != Role::follower || from != state_.leader) {
        return pause(from);
    }
    fetched_in_epoch_ = true;
    deadline_ = now_ + options_.fetch_timeout;
    if (response.diverging) {
        std::int64_t committed = high_watermark_.value_or(log_.start);
        std::int64_t point = rules_->cut(log_, *response.diverging, committed);
        // What is committed is never cut off, whatever a leader says.
        if (point < committed) return pause(from);
        log_.truncate(point);
        voters_.truncate(point);
        kraft_versions_.truncate(point);
        durable_end_ = std::min(durable_end_, point);
        ++generation_;
        actions_.truncate_to = point;
    } else if (response.snapshot) {
        if (response.snapshot->offset < high_watermark_.value_or(0)) return pause(from);
        fetching_snapshot_ = true;
        actions_.fetch_snapshot = FetchSnapshot{from, leader_endpoints_, *response.snapshot};
    } else {
        append_fetched(response);
        if (response.high_watermark >= 0) leader_high_watermark_ = response.high_watermark;
        follow_high_watermark(std::min(response.high_watermark, log_.end));
    }
}

void Raft::append_fetched(const FetchResponse& response) {
    if (response.spans.empty()) return;
    std::int64_t end = log_.end;
    std::int32_t epoch = log_.last_epoch();
    for (const Span& span : response.spans) {
        bool fits = span.base == end && span.end > span.base && span.epoch >= epoch &&
                    span.epoch <= state_.epoch;
        if (!fits) return pause(state_.leader);
        end = span.end;
        epoch = span.epoch;
    }
    for (const Span& span : response.spans) log_.epochs.assign(span.epoch, span.base);
    auto take = [&](auto& history, const auto& entries) {
        for (const auto& entry : entries) {
            bool newest = !history.offset() || *history.offset() < entry.offset;
            if (newest && entry.offset >= log_.end && entry.offset < end)
                history.add(entry.offset, entry.value);
        }
    };
    take(voters_, response.control.voters);
    take(kraft_versions_, response.control.kraft_versions);
    actions_.appends.push_back({{log_.end, end, epoch}, generation_, response.records});
    log_.end = end;
}

void Raft::follow_high_watermark(std::int64_t leaders) {
    if (leaders <= high_watermark_.value_or(-1)) return;
    high_watermark_ = leaders;
    actions_.high_watermark = leaders;
}

}  // namespace millrace::raft
