#include "core/raft/raft.h"

#include <algorithm>
#include <limits>

#include "base/check.h"

namespace millrace::raft {
namespace {

// No elections come to an epoch above; a node that tells of one has lost its way.
constexpr std::int32_t highest_epoch =
    std::numeric_limits<std::int32_t>::max() - (std::int32_t{1} << 20U);

bool may_be(std::int32_t epoch) { return epoch >= -1 && epoch <= highest_epoch; }

// A voter, or one that was, and whose removal is not known to be committed: it may be the only one
// that has the record of that, so that nobody else can be elected. It leads once more then, by the
// votes of the others, to commit it (Ongaro's thesis, 4.2.2).
bool may_lead(const Raft& raft, std::optional<std::int64_t> last_change) {
    if (raft.voters().contains(raft.self())) return true;
    return last_change && raft.voters_uncommitted() &&
           raft.voters_at(*last_change).contains(raft.self());
}

Response refusal_of(const VoteRequest&, Answer answer) { return VoteResponse{std::move(answer)}; }
Response refusal_of(const BeginEpochRequest&, Answer answer) {
    return BeginEpochResponse{std::move(answer)};
}
Response refusal_of(const EndEpochRequest&, Answer answer) {
    return EndEpochResponse{std::move(answer)};
}
Response refusal_of(const FetchRequest&, Answer answer) {
    return FetchResponse{.answer = std::move(answer)};
}
Response refusal_of(const UpdateVoterRequest&, Answer answer) {
    return UpdateVoterResponse{std::move(answer)};
}

}  // namespace

Raft::Raft(Options options, Recovered recovered, Random random, const Rules& rules)
    : rules_(&rules),
      options_(std::move(options)),
      random_(random),
      state_(recovered.state),
      log_(std::move(recovered.log)),
      durable_end_(log_.end),
      voters_(std::move(recovered.voters)),
      kraft_versions_(std::move(recovered.kraft_versions)) {
    announced_voters_ = voters_.offset();
    // A log may hold an epoch that quorum-state, lost or restored, does not.
    if (log_.last_epoch() > state_.epoch) persist({.epoch = log_.last_epoch()});
}

Actions Raft::step(const Event& event, Time now) {
    now_ = now;
    if (!started_) start();
    std::visit([this](const auto& e) { on(e); }, event);
    poll();
    finish_actions();
    Actions actions = std::move(actions_);
    actions_ = {};
    return actions;
}

void Raft::start() {
    started_ = true;
    if (voters().is_only(options_.self)) {
        become_candidate();
    } else if (state_.leader == options_.self.id) {
        // Whatever it sent as leader of this epoch is forgotten: it cannot go on with it.
        enter(Role::resigned, now_ + random_election_timeout());
    } else if (state_.leader != no_node && !endpoints_of(state_.leader).empty()) {
        become_follower(state_.epoch, state_.leader, endpoints_of(state_.leader));
    } else {
        become_unattached(state_.epoch);
    }
}

void Raft::on(const TimeReached&) {}

void Raft::on(const RequestArrived& event) {
    auto take = [&](const auto& request) {
        if constexpr (requires { request.epoch; }) {
            if (!may_be(request.epoch))
                return reply(event.token, refusal_of(request, answer(ErrorCode::invalid_request)));
        }
        handle(event.token, request);
    };
    std::visit(take, event.request);
}

void Raft::on(const ResponseArrived& event) {
    auto peer = peers_.find(event.from);
    std::uint64_t in_flight = peer == peers_.end() ? 0 : peer->second.in_flight;
    if (!rules_->is_awaited(event.correlation, in_flight)) return;
    if (peer != peers_.end()) peer->second.in_flight = 0;
    auto take = [&](const auto& response) {
        if constexpr (requires { response.answer; }) {
            if (!may_be(response.answer.epoch)) return pause(event.from);
        }
        handle(event.from, response);
    };
    std::visit(take, event.response);
}

void Raft::on(const SendFailed& event) {
    auto peer = peers_.find(event.to);
    if (peer == peers_.end() || peer->second.in_flight != event.correlation) return;
    peer->second.in_flight = 0;
    pause(event.to);
    if (change_ && !change_->offset && change_->voter.key.id == event.to)
        handle(event.to, VersionsResponse{.error = ErrorCode::network_exception});
}

// Nothing is sent there for a while.
void Raft::pause(std::int32_t to) { peers_[to].retry_at = now_ + options_.retry_backoff; }

void Raft::on(const AppendRequested& event) {
    CHECK(event.count > 0);
    if (role_ != Role::leader) return;
    Span span{log_.end, log_.end + event.count, state_.epoch};
    log_.end = span.end;
    actions_.appends.push_back({span, generation_, {}});
    complete_fetches();
}

void Raft::on(const LogDurable& event) {
    if (!rules_->covers(event.generation, generation_)) return;
    durable_end_ = std::max(durable_end_, std::min(event.end, log_.end));
    if (role_ == Role::leader) {
        progress_.local_durable(durable_end_);
        advance_high_watermark();
    }
}

void Raft::on(const StateDurable& event) {
    persisted_ = std::max(persisted_, event.version);
    std::erase_if(held_sends_, [&](Held<Send>& held) {
        if (!rules_->may_leave(held.version, persisted_)) return false;
        actions_.sends.push_back(std::move(held.message));
        return true;
    });
    std::erase_if(held_replies_, [&](Held<Reply>& held) {
        if (!rules_->may_leave(held.version, persisted_)) return false;
        actions_.replies.push_back(std::move(held.message));
        return true;
    });
    if (role_ == Role::candidate && state_durable()) {
        if (is_voter()) election_.record(options_.self.id, true);
        count_votes();
    }
}

void Raft::on(const SnapshotMade& event) {
    log_.earliest_snapshot = event.earliest;
    log_.latest_snapshot = event.latest;
    if (event.log_start > log_.start) {
        log_.start = event.log_start;
        log_.epochs.drop_before(event.log_start);
    }
    // What the earliest snapshot was made of is not asked for again, nor cut off.
    voters_.drop_before(event.earliest.offset);
    kraft_versions_.drop_before(event.earliest.offset);
}

void Raft::on(const SnapshotFetched& event) {
    fetching_snapshot_ = false;
    if (!event.snapshot) return;
    const OffsetAndEpoch& at = *event.snapshot;
    log_ = {.start = at.offset, .end = at.offset};
    log_.earliest_snapshot = log_.latest_snapshot = at;
    durable_end_ = at.offset;
    ++generation_;
    voters_.reset(at.offset - 1, event.voters);
    kraft_versions_.reset(at.offset - 1, event.kraft_version);
    follow_high_watermark(at.offset);
}

void Raft::on(const SnapshotPieceFetched&) {
    if (fetching_snapshot_) deadline_ = now_ + options_.fetch_timeout;
}

void Raft::on(const SnapshotPieceServed& event) {
    if (role_ != Role::leader) return;
    progress_.heard(event.replica);
    check_quorum();
}

void Raft::on(const LeaderGone& event) {
    bool follows =
        role_ == Role::follower && state_.leader == event.leader && state_.epoch == event.epoch;
    if (!follows) return;
    deadline_ = std::min(deadline_, now_ + turn_after(event.leader));
    fetched_in_epoch_ = false;
}

// All notice it at one time: without an order among them they would split their votes.
Duration Raft::turn_after(std::int32_t gone) const {
    constexpr Duration turn = Duration::milliseconds(100);
    std::int64_t before = 0;
    for (const Voter& voter : voters().voters()) {
        if (voter.key.id < options_.self.id && voter.key.id != gone) ++before;
    }
    return turn * before;
}

void Raft::on(const ResignRequested&) {
    if (role_ == Role::leader) become_resigned();
}

void Raft::poll() {
    for (auto& [id, peer] : peers_) {
        if (peer.in_flight == 0 || peer.busy_until > now_) continue;
        peer.in_flight = 0;
        peer.retry_at = now_ + options_.retry_backoff;
    }
    poll_change();
    // A timeout may lead from role to role (follower, prospective, candidate) at one time.
    for (Role before = role_;; before = role_) {
        poll_role();
        if (role_ == before) break;
    }
}

void Raft::poll_role() {
    bool expired = now_ >= deadline_;
    switch (role_) {
        case Role::unattached:
        case Role::follower:
            if (!expired) return send_fetch();
            if (may_lead(*this, voters_.offset())) return become_prospective();
            become_unattached(state_.epoch);
            return send_fetch();
        case Role::prospective:
            if (expired) return end_pre_votes();
            return send_votes();
        case Role::candidate:
            if (expired) return become_prospective();
            return send_votes();
        case Role::leader:
            return poll_leader();
        case Role::resigned:
            return poll_resigned();
    }
}

Time Raft::next_wake() const {
    Time wake = deadline_;
    for (const auto& [id, peer] : peers_) {
        if (peer.in_flight != 0) {
            wake = std::min(wake, peer.busy_until);
        } else if (peer.retry_at > now_) {
            wake = std::min(wake, peer.retry_at);
        }
    }
    if (role_ == Role::leader && !voters().is_only(options_.self))
        wake = std::min(wake, begin_epoch_at_);
    if (change_) wake = std::min(wake, change_->deadline);
    for (const WaitingFetch& waiting : waiting_) wake = std::min(wake, waiting.until);
    return wake;
}

void Raft::finish_actions() {
    Leadership now{role_, state_.epoch, state_.leader};
    if (now != announced_) actions_.leadership = announced_ = now;
    actions_.voters_changed = voters_.offset() != announced_voters_;
    announced_voters_ = voters_.offset();
    actions_.wake_at = next_wake();
}

void Raft::persist(QuorumState state) {
    CHECK(state.epoch >= state_.epoch);
    if (state == state_) return;
    state_ = state;
    actions_.persist = Persist{state_, ++version_};
}

void Raft::enter(Role role, Time deadline) {
    role_ = role;
    deadline_ = deadline;
    peers_.clear();
    fetching_snapshot_ = false;
    leader_high_watermark_.reset();
    resignation_told_.clear();
    if (role == Role::leader) return;
    progress_ = {};
    described_ = {};
    if (change_) end_change(ErrorCode::not_leader_or_follower);
    complete_fetches();
}

void Raft::become_unattached(std::int32_t epoch) {
    if (epoch > state_.epoch) persist({.epoch = epoch});
    leader_endpoints_.clear();
    enter(Role::unattached, now_ + random_election_timeout());
}

void Raft::become_follower(std::int32_t epoch, std::int32_t leader,
                           std::vector<Endpoint> endpoints) {
    persist({.epoch = epoch,
             .leader = leader,
             .voted = epoch == state_.epoch ? state_.voted : ReplicaKey{}});
    leader_endpoints_ = std::move(endpoints);
    fetched_in_epoch_ = false;
    lost_elections_ = 0;
    described_itself_ = false;
    voter_request_at_ = now_ + options_.fetch_timeout;
    enter(Role::follower, now_ + options_.fetch_timeout);
}

void Raft::become_resigned() {
    std::vector<ReplicaKey> successors = progress_.successors();
    enter(Role::resigned, now_ + random_election_timeout());
    EndEpochRequest request{options_.self.id, state_.epoch, successors};
    for (const ReplicaKey& successor : successors) try_send(successor.id, request);
}

Duration Raft::random_election_timeout() {
    std::int64_t base = options_.election_timeout.ns();
    return Duration::nanoseconds(random_.between(base, 2 * base));
}

Answer Raft::answer(ErrorCode error) const {
    return {.error = error,
            .leader = state_.leader,
            .epoch = state_.epoch,
            .endpoints = role_ == Role::leader ? options_.endpoints : leader_endpoints_};
}

ErrorCode Raft::check_voter_request(std::int32_t from, std::int32_t epoch) const {
    if (epoch < state_.epoch) return ErrorCode::fenced_leader_epoch;
    if (from < 0 || from == options_.self.id) return ErrorCode::invalid_request;
    return ErrorCode::none;
}

bool Raft::is_for_us(const ReplicaKey& voter) const {
    if (voter.id == no_node) return true;
    if (voter.id != options_.self.id) return false;
    return voter.directory.is_zero() || voter.directory == options_.self.directory;
}

bool Raft::learn(std::int32_t, const Answer& answer) {
    if (!rules_->is_current(answer.epoch, state_.epoch)) return true;
    if (answer.error == ErrorCode::unknown_leader_epoch) return true;
    std::int32_t epoch = state_.epoch;
    Role role = role_;
    learn_leader(answer.leader, answer.epoch, answer.endpoints);
    return answer.error != ErrorCode::none || epoch != state_.epoch || role != role_;
}

void Raft::learn_leader(std::int32_t leader, std::int32_t epoch, std::vector<Endpoint> endpoints) {
    if (epoch < state_.epoch) return;
    if (endpoints.empty()) endpoints = endpoints_of(leader);
    if (leader < 0 || leader == options_.self.id || endpoints.empty()) {
        if (epoch > state_.epoch) become_unattached(epoch);
        return;
    }
    // Of an epoch whose leader is known nothing new can be learnt, but where it is.
    bool news = epoch > state_.epoch || state_.leader == no_node ||
                (role_ == Role::unattached && state_.leader == leader);
    if (news) become_follower(epoch, leader, std::move(endpoints));
}

std::vector<Endpoint> Raft::endpoints_of(std::int32_t id) const {
    if (id == state_.leader && !leader_endpoints_.empty()) return leader_endpoints_;
    if (const Voter* voter = voters().find(id)) return voter->endpoints;
    auto index = static_cast<std::size_t>(-2 - id);
    if (id <= -2 && index < options_.bootstrap.size()) return {options_.bootstrap[index]};
    return {};
}

bool Raft::try_send(std::int32_t to, Request request) {
    return try_send(to, endpoints_of(to), std::move(request));
}

bool Raft::try_send(std::int32_t to, std::vector<Endpoint> endpoints, Request request) {
    Peer& peer = peers_[to];
    if (peer.in_flight != 0 || peer.retry_at > now_) return false;
    peer.in_flight = ++correlations_;
    peer.busy_until = now_ + options_.request_timeout;
    Send send{to, std::move(endpoints), peer.in_flight, std::move(request)};
    if (state_durable()) {
        actions_.sends.push_back(std::move(send));
    } else {
        held_sends_.push_back({version_, std::move(send)});
    }
    return true;
}

void Raft::reply(std::uint64_t token, Response response) {
    Reply made{token, std::move(response)};
    if (state_durable()) {
        actions_.replies.push_back(std::move(made));
    } else {
        held_replies_.push_back({version_, std::move(made)});
    }
}

}  // namespace millrace::raft
