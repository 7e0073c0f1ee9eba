#include <fmt/format.h>

#include "base/check.h"
#include "core/raft/raft.h"

namespace millrace::raft {

Voter Raft::own_voter() const { return {options_.self, options_.endpoints, 0, dynamic_voters}; }

// By which the controllers reach each other.
bool Raft::hears_on_our_listener(const Voter& voter) const {
    return !options_.endpoints.empty() && voter.hears_on(options_.endpoints.front().listener);
}

std::optional<VoterChangeResponse> Raft::refuse_change(std::string_view doing) const {
    auto refuse = [](ErrorCode error, std::string message) {
        return VoterChangeResponse{error, std::move(message)};
    };
    if (change_) {
        return refuse(ErrorCode::request_timed_out,
                      "Request timed out waiting for leader to handle previous voter change "
                      "request");
    }
    bool may =
        rules_->may_change_voters(high_watermark_, progress_.epoch_start(), voters_.offset());
    if (!may && high_watermark_.value_or(-1) <= progress_.epoch_start()) {
        return refuse(ErrorCode::request_timed_out,
                      "Request timed out waiting for leader to establish HWM and fence previous "
                      "voter changes");
    }
    if (kraft_version() < dynamic_voters) {
        return refuse(ErrorCode::unsupported_version,
                      fmt::format("Cluster doesn't support {} voter because the kraft.version "
                                  "feature is {}",
                                  doing, kraft_version()));
    }
    if (!may) {
        return refuse(ErrorCode::request_timed_out,
                      fmt::format("Request timed out waiting for voters to commit the latest voter "
                                  "change at {} with HWM {}",
                                  voters_.offset().value_or(-1), high_watermark_.value_or(-1)));
    }
    return std::nullopt;
}

void Raft::handle(std::uint64_t token, const AddVoterRequest& request) {
    auto refuse = [&](ErrorCode error, std::string message) {
        reply(token, VoterChangeResponse{error, std::move(message)});
    };
    const Voter& voter = request.voter;
    if (role_ != Role::leader) return refuse(ErrorCode::not_leader_or_follower, {});
    if (voter.key.id < 0 || voter.key.directory.is_zero())
        return refuse(ErrorCode::invalid_request, "Add voter request didn't include a valid voter");
    if (!hears_on_our_listener(voter)) {
        return refuse(ErrorCode::invalid_request,
                      fmt::format("Add voter request didn't include the endpoint for the default "
                                  "listener {}",
                                  options_.endpoints.front().listener));
    }
    if (auto refused = refuse_change("adding")) return reply(token, *std::move(refused));
    if (voters().find(voter.key.id) != nullptr) {
        return refuse(ErrorCode::duplicate_voter,
                      fmt::format("The voter id for {} is already part of the set of voters {}.",
                                  spelled_out(voter.key), voters().keys_spelled_out()));
    }
    if (!try_send(voter.key.id, voter.endpoints, VersionsRequest{})) {
        return refuse(
            ErrorCode::request_timed_out,
            fmt::format("New voter {} is not ready to receive requests", spelled_out(voter.key)));
    }
    begin_change(token, voter, request.ack_when_committed);
}

void Raft::handle(std::int32_t from, const VersionsResponse& response) {
    if (!change_ || change_->offset || change_->voter.key.id != from) return;
    std::string who = spelled_out(change_->voter.key);
    if (response.error != ErrorCode::none) {
        return end_change(ErrorCode::request_timed_out,
                          fmt::format("Aborted add voter operation for {} since API_VERSIONS "
                                      "returned an error {}",
                                      who, name_of(response.error)));
    }
    Voter voter = change_->voter;
    voter.min_kraft_version = response.min_kraft_version;
    voter.max_kraft_version = response.max_kraft_version;
    if (!voter.supports(kraft_version())) {
        return end_change(ErrorCode::invalid_request,
                          fmt::format("Aborted add voter operation for {} since the kraft.version "
                                      "range (min: {}, max: {}) doesn't support the finalized "
                                      "version {}",
                                      who, response.min_kraft_version, response.max_kraft_version,
                                      kraft_version()));
    }
    if (!progress_.caught_up(voter.key, now_)) {
        return end_change(ErrorCode::request_timed_out,
                          fmt::format("Aborted add voter operation for {} since it is lagging "
                                      "behind",
                                      who));
    }
    append_voters(voters().with(std::move(voter)));
    change_->offset = voters_.offset();
    if (change_->ack_when_committed) return;
    reply(*change_->token, VoterChangeResponse{});
    change_->token.reset();
}

void Raft::handle(std::uint64_t token, const RemoveVoterRequest& request) {
    auto refuse = [&](ErrorCode error, std::string message) {
        reply(token, VoterChangeResponse{error, std::move(message)});
    };
    const ReplicaKey& key = request.voter;
    if (role_ != Role::leader) return refuse(ErrorCode::not_leader_or_follower, {});
    if (key.id < 0 || key.directory.is_zero()) {
        return refuse(ErrorCode::invalid_request,
                      "Remove voter request didn't include a valid voter");
    }
    if (auto refused = refuse_change("removing")) return reply(token, *std::move(refused));
    const Voter* voter = voters().find(key.id);
    if (voter == nullptr || voter->key != key || voters().size() == 1) {
        return refuse(ErrorCode::voter_not_found,
                      fmt::format("Cannot remove voter {} from the set of voters {}",
                                  spelled_out(key), voters().keys_spelled_out()));
    }
    begin_change(token, *voter, true);
    append_voters(voters().without(key.id));
    change_->offset = voters_.offset();
    advance_high_watermark();  // of fewer voters a majority may have all
}

ErrorCode Raft::check_update(const UpdateVoterRequest& request) const {
    const Voter& voter = request.voter;
    if (request.epoch < state_.epoch) return ErrorCode::fenced_leader_epoch;
    if (request.epoch > state_.epoch) return ErrorCode::unknown_leader_epoch;
    if (role_ != Role::leader) return ErrorCode::not_leader_or_follower;
    bool whole = voter.key.id >= 0 && !voter.key.directory.is_zero() &&
                 hears_on_our_listener(voter) && voter.min_kraft_version >= 0 &&
                 voter.min_kraft_version <= voter.max_kraft_version;
    if (!whole) return ErrorCode::invalid_request;
    bool dynamic = kraft_version() >= dynamic_voters;
    bool ready = dynamic ? rules_->may_change_voters(high_watermark_, progress_.epoch_start(),
                                                     voters_.offset())
                         : high_watermark_.value_or(-1) > progress_.epoch_start();
    if (change_ || !ready) return ErrorCode::request_timed_out;
    if (!voter.supports(kraft_version())) return ErrorCode::invalid_request;
    const Voter* listed = voters().find(voter.key.id);
    if (listed == nullptr || (dynamic && listed->key != voter.key))
        return ErrorCode::voter_not_found;
    return ErrorCode::none;
}

// Answered before it is committed: the voter tells it again while it is not.
void Raft::handle(std::uint64_t token, const UpdateVoterRequest& request) {
    if (ErrorCode error = check_update(request); error != ErrorCode::none)
        return reply(token, UpdateVoterResponse{answer(error)});
    const Voter& voter = request.voter;
    if (kraft_version() < dynamic_voters) {
        described_ = described_.with(voter);
    } else if (*voters().find(voter.key.id) != voter) {
        append_voters(voters().with(voter));
    }
    progress_.heard(voter.key);
    check_quorum();
    reply(token, UpdateVoterResponse{answer()});
}

void Raft::handle(std::uint64_t token, const VersionsRequest&) {
    reply(token, VersionsResponse{ErrorCode::none, 0, dynamic_voters});
}

void Raft::append_voters(VoterSet voters, std::optional<std::int16_t> kraft_version) {
    CHECK(role_ == Role::leader && !actions_.voters_record);
    VotersRecord record{.span = {log_.end, log_.end + (kraft_version ? 2 : 1), state_.epoch},
                        .generation = generation_,
                        .voters = voters,
                        .kraft_version = kraft_version};
    if (kraft_version) kraft_versions_.add(log_.end, *kraft_version);
    log_.end = record.span.end;
    voters_.add(log_.end - 1, std::move(voters));
    actions_.voters_record = std::move(record);
    progress_.set_voters(this->voters());
    lead_voters();
    complete_fetches();
}

// The voters of this leader are others than before: whom it must hear from, and tell of itself.
void Raft::lead_voters() {
    begin_epoch_at_ = now_;
    if (voters().is_only(options_.self)) {
        deadline_ = Time::never();
    } else {
        check_quorum();
    }
    if (kraft_version() >= dynamic_voters) return;
    std::vector<Voter> unknown = voters().voters();
    for (Voter& voter : unknown) {
        voter.key.directory = {};
        voter.max_kraft_version = 0;
    }
    described_ = VoterSet(std::move(unknown)).with(own_voter());
}

Result<> Raft::check_kraft_version(std::int16_t level) const {
    auto refuse = [&](std::string_view why) {
        return fail(ErrorCode::invalid_update_version,
                    fmt::format("Invalid upgrade of kraft.version from version {} to {}{}",
                                kraft_version(), level, why));
    };
    if (role_ != Role::leader) {
        return fail(ErrorCode::not_controller,
                    "Upgrade kraft version failed because the replica is not the current leader");
    }
    if (level == kraft_version()) return {};
    if (level < kraft_version()) return refuse(" because the new version is a downgrade");
    bool all = std::ranges::all_of(described_.voters(), [&](const Voter& voter) {
        return voter.supports(level) && !voter.key.directory.is_zero();
    });
    if (!all) return refuse(" because not all of the voters support it");
    return {};
}

void Raft::on(const KRaftVersionRaised& event) {
    if (event.level == kraft_version() || !check_kraft_version(event.level)) return;
    append_voters(described_, event.level);
}

void Raft::begin_change(std::uint64_t token, Voter voter, bool ack_when_committed) {
    change_ = VoterChange{.token = token,
                          .voter = std::move(voter),
                          .ack_when_committed = ack_when_committed,
                          .offset = std::nullopt,
                          .deadline = now_ + options_.request_timeout};
}

void Raft::end_change(ErrorCode error, std::string message) {
    VoterChange ended = *std::exchange(change_, std::nullopt);
    if (ended.token) reply(*ended.token, VoterChangeResponse{error, std::move(message)});
}

void Raft::commit_change() {
    if (change_ && change_->offset && *high_watermark_ > *change_->offset)
        end_change(ErrorCode::none);
}

void Raft::poll_change() {
    if (change_ && now_ >= change_->deadline) end_change(ErrorCode::request_timed_out);
}

// What a follower has to say or to ask, beside its fetches, now.
std::optional<Request> Raft::voter_request() const {
    if (now_ < voter_request_at_ || options_.endpoints.empty()) return std::nullopt;
    bool dynamic = kraft_version() >= dynamic_voters;
    const Voter* listed = voters().find(options_.self.id);
    if (is_voter()) {
        bool news = dynamic ? *listed != own_voter() : !described_itself_;
        if (!news) return std::nullopt;
        return UpdateVoterRequest{state_.epoch, own_voter()};
    }
    if (!options_.auto_join || !dynamic) return std::nullopt;
    // This node with a directory of before has to go first.
    if (listed != nullptr) return RemoveVoterRequest{listed->key};
    return AddVoterRequest{own_voter(), false};
}

void Raft::handle(std::int32_t from, const VoterChangeResponse& response) {
    if (role_ != Role::follower || from != state_.leader) return;
    bool heard = response.error == ErrorCode::none ||
                 response.error == ErrorCode::request_timed_out ||
                 response.error == ErrorCode::duplicate_voter ||
                 response.error == ErrorCode::voter_not_found;
    if (!heard) return pause(from);
    voter_request_at_ = now_ + options_.fetch_timeout;
    deadline_ = now_ + options_.fetch_timeout;
}

void Raft::handle(std::int32_t from, const UpdateVoterResponse& response) {
    bool unsupported = response.answer.error == ErrorCode::unsupported_version;
    if (!unsupported && learn(from, response.answer)) return;
    if (role_ != Role::follower || from != state_.leader) return;
    described_itself_ = true;
    deadline_ = now_ + options_.fetch_timeout;
}

}  // namespace millrace::raft
