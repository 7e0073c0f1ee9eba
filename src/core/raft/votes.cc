#include <algorithm>

#include "core/raft/raft.h"

namespace millrace::raft {

void Raft::become_prospective() {
    if (voters().is_only(options_.self)) return become_candidate();
    enter(Role::prospective, now_ + random_election_timeout());
    election_ = Election(voters());
    if (is_voter()) election_.record(options_.self.id, true);
    send_votes();
}

// Back to where it came from: to its leader, when it knows one, or to waiting.
void Raft::end_pre_votes() {
    if (state_.leader != no_node && state_.leader != options_.self.id && !leader_endpoints_.empty())
        return become_follower(state_.epoch, state_.leader, leader_endpoints_);
    become_unattached(state_.epoch);
}

void Raft::become_candidate() {
    persist({.epoch = state_.epoch + 1, .voted = options_.self});
    leader_endpoints_.clear();
    enter(Role::candidate, now_ + random_election_timeout());
    election_ = Election(voters());  // the own vote counts when it is on stable storage
    send_votes();
}

void Raft::become_leader() {
    bool dynamic = kraft_version() >= dynamic_voters;
    VoterSet updated = is_voter() ? voters().with(own_voter()) : voters();
    bool write_voters = dynamic && (voters_.offset().value_or(-1) < 0 || updated != voters());
    EpochStart start{.span = {log_.end, log_.end + (write_voters ? 3 : 1), state_.epoch},
                     .generation = generation_,
                     .leader = options_.self.id,
                     .granting = {election_.granting().begin(), election_.granting().end()},
                     .kraft_version = kraft_version()};
    for (const Voter& voter : voters().voters()) start.voters.push_back(voter.key.id);
    if (write_voters) {
        start.voter_set = updated;
        kraft_versions_.add(log_.end + 1, kraft_version());
        voters_.add(log_.end + 2, std::move(updated));
    }
    log_.epochs.assign(state_.epoch, log_.end);
    log_.end = start.span.end;
    lost_elections_ = 0;
    leader_endpoints_ = options_.endpoints;
    persist({.epoch = state_.epoch, .leader = options_.self.id});
    enter(Role::leader, Time::never());
    progress_ = Progress(options_.self, voters(), start.span.base, now_);
    progress_.local_durable(durable_end_);
    lead_voters();
    actions_.epoch_start = std::move(start);
}

void Raft::count_votes() {
    if (election_.won()) {
        if (role_ == Role::candidate) return become_leader();
        return become_candidate();
    }
    if (!election_.lost()) return;
    if (role_ == Role::prospective) return end_pre_votes();
    // Rather than sit out the election timeout: a random pause that grows with each defeat.
    std::int64_t slots = std::int64_t{2} << std::min<std::uint32_t>(lost_elections_++, 20);
    Duration pause = Duration::milliseconds(100) * random_.between(1, slots);
    deadline_ = std::min(deadline_, now_ + std::min(pause, options_.election_backoff_max));
}

void Raft::send_votes() {
    for (std::int32_t id : std::set(election_.waiting())) {
        if (id == options_.self.id) continue;
        try_send(id, VoteRequest{.candidate = options_.self,
                                 .epoch = state_.epoch,
                                 .last = log_.last(),
                                 .pre_vote = role_ == Role::prospective,
                                 .voter = voters().find(id)->key});
    }
}

bool Raft::would_grant(const VoteRequest& request) const {
    bool free = request.pre_vote ? rules_->may_help_rival(role_, fetched_in_epoch_)
                                 : rules_->may_vote(state_, request.candidate);
    if (!free) return false;
    // The vote of before, asked for again.
    if (!request.pre_vote && state_.voted.id == request.candidate.id) return true;
    return rules_->up_to_date(request.last, log_);
}

void Raft::handle(std::uint64_t token, const VoteRequest& request) {
    std::int32_t newest = request.pre_vote ? request.epoch : request.epoch - 1;
    bool sane = request.last.offset >= 0 && request.last.epoch >= 0 && request.last.epoch <= newest;
    ErrorCode error = sane ? check_voter_request(request.candidate.id, request.epoch)
                           : ErrorCode::invalid_request;
    if (error != ErrorCode::none) return reply(token, VoteResponse{answer(error)});
    if (request.epoch > state_.epoch) become_unattached(request.epoch);
    if (!is_for_us(request.voter))
        return reply(token, VoteResponse{answer(ErrorCode::invalid_voter_key)});

    bool granted = would_grant(request);
    if (granted && !request.pre_vote) {
        persist({.epoch = state_.epoch, .voted = request.candidate});
        if (role_ != Role::unattached) {
            become_unattached(state_.epoch);
        } else {
            deadline_ = now_ + random_election_timeout();
        }
    }
    reply(token, VoteResponse{answer(), granted});
}

void Raft::handle(std::int32_t from, const VoteResponse& response) {
    if (learn(from, response.answer)) return;
    if (role_ != Role::candidate && role_ != Role::prospective) return;
    election_.record(from, response.granted);
    count_votes();
}

}  // namespace millrace::raft
