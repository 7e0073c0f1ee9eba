#include "core/groups/classic_group.h"

#include <algorithm>

#include "core/groups/java_order.h"
#include "core/groups/subscription.h"

namespace millrace::groups {
namespace {

// A member that joined but was never heard of again, while its join is held (as Kafka).
constexpr Duration new_member_join_timeout = Duration::seconds(300);

JoinGroupResponse join_error(ErrorCode code, std::string member_id) {
    return {.error_code = code, .protocol_name = std::string(), .member_id = std::move(member_id)};
}

std::vector<Protocol> protocols_of(const JoinGroupRequest& request) {
    std::vector<Protocol> protocols;
    protocols.reserve(request.protocols.size());
    for (const auto& protocol : request.protocols) {
        protocols.push_back({protocol.name, Slice::copy(protocol.metadata.bytes())});
    }
    return protocols;
}

}  // namespace

std::string_view to_string(GroupState state) {
    constexpr std::string_view names[] = {"Empty", "PreparingRebalance", "CompletingRebalance",
                                          "Stable", "Dead"};
    return names[static_cast<int>(state)];
}

const Protocol* Member::find(std::string_view name) const {
    auto found = std::find_if(protocols.begin(), protocols.end(),
                              [&](const Protocol& protocol) { return protocol.name == name; });
    return found == protocols.end() ? nullptr : &*found;
}

// Joining ------------------------------------------------------------------------------------

ErrorCode ClassicGroup::check_join(const JoinGroupRequest& request) const {
    Duration session = Duration::milliseconds(request.session_timeout_ms);
    if (session < options_.min_session_timeout || session > options_.max_session_timeout) {
        return ErrorCode::invalid_session_timeout;
    }
    if (request.protocol_type.empty() || request.protocols.empty() || !shares_protocol(request)) {
        return ErrorCode::inconsistent_group_protocol;
    }
    if (state_ == GroupState::dead) return ErrorCode::coordinator_not_available;
    return ErrorCode::none;
}

bool ClassicGroup::shares_protocol(const JoinGroupRequest& request) const {
    if (members_.empty()) return true;
    if (protocol_type_ != request.protocol_type) return false;
    auto self = members_.find(request.member_id);
    std::size_t others = members_.size() - (self == members_.end() ? 0 : 1);
    return std::ranges::any_of(request.protocols, [&](const auto& offered) {
        auto counted = supporters_.find(offered.name);
        std::size_t know_it = counted == supporters_.end() ? 0 : counted->second;
        bool self_knows = self != members_.end() && self->second.find(offered.name) != nullptr;
        return know_it - (self_knows ? 1 : 0) == others;
    });
}

// A member that names one twice counts once.
void ClassicGroup::count_protocols(const Member& member, bool comes) {
    for (const Protocol& protocol : member.protocols) {
        if (member.find(protocol.name) != &protocol) continue;
        std::size_t& count = supporters_[protocol.name];
        comes ? ++count : --count;
        if (count == 0) supporters_.erase(protocol.name);
    }
}

void ClassicGroup::join(const JoinGroupRequest& request, std::int16_t version, const Client& client,
                        const std::string& new_id, Ticket ticket, Time now, Actions& actions) {
    auto refuse = [&](ErrorCode code) {
        actions.replies.push_back({ticket, join_error(code, request.member_id)});
    };
    if (ErrorCode error = check_join(request); error != ErrorCode::none) return refuse(error);

    bool is_new = request.member_id.empty();
    if (!accepts(request)) {
        // A group that is too large sheds those that come back last.
        if (members_.contains(request.member_id)) remove_member(request.member_id, actions);
        refuse(ErrorCode::group_max_size_reached);
        return complete_join_if_all(now, actions);
    }
    if (!is_new) {
        join_known(request, client, ticket, now, actions);
    } else if (request.group_instance_id) {
        join_new_static(request, version, client, new_id, ticket, now, actions);
    } else {
        join_new_dynamic(request, version, client, new_id, ticket, now, actions);
    }
    if (state_ == GroupState::preparing_rebalance) complete_join_if_all(now, actions);
}

void ClassicGroup::join_new_dynamic(const JoinGroupRequest& request, std::int16_t version,
                                    const Client& client, const std::string& new_id, Ticket ticket,
                                    Time now, Actions& actions) {
    if (version < 4) return add_member(request, client, new_id, ticket, now, actions);
    Time until = now + Duration::milliseconds(request.session_timeout_ms);
    pending_[new_id] = until;
    wake_by(until);
    actions.replies.push_back({ticket, join_error(ErrorCode::member_id_required, new_id)});
}

void ClassicGroup::join_new_static(const JoinGroupRequest& request, std::int16_t version,
                                   const Client& client, const std::string& new_id, Ticket ticket,
                                   Time now, Actions& actions) {
    auto held = static_members_.find(*request.group_instance_id);
    if (held == static_members_.end())
        return add_member(request, client, new_id, ticket, now, actions);
    take_place(members_.at(held->second), request, version, client, new_id, ticket, now, actions);
}

void ClassicGroup::join_known(const JoinGroupRequest& request, const Client& client, Ticket ticket,
                              Time now, Actions& actions) {
    auto refuse = [&](ErrorCode code) {
        actions.replies.push_back({ticket, join_error(code, request.member_id)});
    };
    if (pending_.contains(request.member_id)) {
        if (request.group_instance_id) return refuse(ErrorCode::unknown_server_error);
        return add_member(request, client, request.member_id, ticket, now, actions);
    }
    if (ErrorCode error = check_member(request.member_id, request.group_instance_id);
        error != ErrorCode::none) {
        return refuse(error);
    }
    rejoin(members_.at(request.member_id), request, ticket, now, actions);
}

void ClassicGroup::rejoin(Member& member, const JoinGroupRequest& request, Ticket ticket, Time now,
                          Actions& actions) {
    bool unchanged = member.protocols == protocols_of(request);
    bool is_leader = leader_ == member.id;
    switch (state_) {
        case GroupState::preparing_rebalance:
            break;
        case GroupState::completing_rebalance:
            if (unchanged) {  // it lost the answer to its join
                actions.replies.push_back({ticket, current_generation(member, is_leader)});
                return;
            }
            break;
        case GroupState::stable:
            if (unchanged && !is_leader) {
                actions.replies.push_back({ticket, current_generation(member, false)});
                return;
            }
            break;
        case GroupState::empty:
        case GroupState::dead:
            actions.replies.push_back(
                {ticket, join_error(ErrorCode::unknown_member_id, member.id)});
            return;
    }
    count_protocols(member, false);
    update(member, request);
    count_protocols(member, true);
    if (member.join_ticket != 0) {  // a retry of the join that is held already
        actions.replies.push_back(
            {member.join_ticket, join_error(ErrorCode::unknown_member_id, member.id)});
    }
    member.join_ticket = ticket;
    if (state_ != GroupState::preparing_rebalance) prepare_rebalance(now, actions);
}

void ClassicGroup::update(Member& member, const JoinGroupRequest& request) {
    member.protocols = protocols_of(request);
    member.session_timeout = Duration::milliseconds(request.session_timeout_ms);
    member.rebalance_timeout = request.rebalance_timeout_ms < 0
                                   ? member.session_timeout
                                   : Duration::milliseconds(request.rebalance_timeout_ms);
}

void ClassicGroup::add_member(const JoinGroupRequest& request, const Client& client,
                              std::string member_id, Ticket ticket, Time now, Actions& actions) {
    pending_.erase(member_id);
    if (members_.empty()) protocol_type_ = request.protocol_type;
    Member member{.id = member_id, .instance_id = request.group_instance_id, .client = client};
    update(member, request);
    member.joined = ++joins_;
    member.join_ticket = ticket;
    member.session_deadline = now + new_member_join_timeout;
    wake_by(member.session_deadline);
    if (member.instance_id) static_members_[*member.instance_id] = member_id;
    if (!leader_) leader_ = member_id;
    count_protocols(member, true);
    members_.emplace(std::move(member_id), std::move(member));
    most_members_ = std::max(most_members_, members_.size());
    joined_since_delay_ = true;
    if (state_ != GroupState::preparing_rebalance) prepare_rebalance(now, actions);
}

// A static member that restarted gets a new id; the old one is fenced.
void ClassicGroup::take_place(Member& old, const JoinGroupRequest& request, std::int16_t version,
                              const Client& client, const std::string& new_id, Ticket ticket,
                              Time now, Actions& actions) {
    std::string old_id = old.id;
    bool was_leader = leader_ == old_id;
    if (old.join_ticket != 0) {
        actions.replies.push_back(
            {old.join_ticket, join_error(ErrorCode::fenced_instance_id, old_id)});
    }
    if (old.sync_ticket != 0) {
        actions.replies.push_back(
            {old.sync_ticket, SyncGroupResponse{.error_code = ErrorCode::fenced_instance_id}});
    }
    count_protocols(old, false);
    Member member = std::move(old);
    members_.erase(old_id);
    bool had_synced = unsynced_.erase(old_id) == 0;
    member.id = new_id;
    member.joined = ++joins_;
    member.client = client;
    member.join_ticket = 0;
    member.sync_ticket = 0;
    update(member, request);
    static_members_[*request.group_instance_id] = new_id;
    if (was_leader) leader_ = new_id;
    Member& placed = members_.emplace(new_id, std::move(member)).first->second;
    count_protocols(placed, true);
    alive(placed, now);

    if (state_ == GroupState::stable && protocol_ && select_protocol() == *protocol_) {
        if (!had_synced) unsynced_.insert(new_id);
        bool may_skip = version >= 9;  // KIP-814
        JoinGroupResponse response = current_generation(placed, was_leader && may_skip);
        response.skip_assignment = was_leader && may_skip;
        // A leader that cannot be told to skip the assignment must not take itself for one.
        if (was_leader && !may_skip) response.leader = old_id;
        write({.generation = generation_, .ticket = ticket, .response = std::move(response)},
              actions);
        return;
    }
    placed.join_ticket = ticket;
    if (state_ != GroupState::preparing_rebalance) prepare_rebalance(now, actions);
}

// Rebalancing --------------------------------------------------------------------------------

void ClassicGroup::prepare_rebalance(Time now, Actions& actions) {
    if (state_ == GroupState::completing_rebalance) {
        next_assignments_.clear();
        reply_to_syncs(ErrorCode::rebalance_in_progress, now, actions);
    }
    initial_join_ = state_ == GroupState::empty;
    joined_since_delay_ = false;
    enter(GroupState::preparing_rebalance, now);
    sync_deadline_ = Time::never();
    unsynced_.clear();
    first_awaited_.clear();
    rebalance_started_ = now;
    Duration timeout = longest_rebalance_timeout();
    rebalance_deadline_ =
        now + (initial_join_ ? std::min(options_.initial_rebalance_delay, timeout) : timeout);
    wake_by(rebalance_deadline_);
    complete_join_if_all(now, actions);
}

Duration ClassicGroup::longest_rebalance_timeout() const {
    Duration longest;
    for (const auto& [id, member] : members_) longest = std::max(longest, member.rebalance_timeout);
    return longest;
}

void ClassicGroup::complete_join_if_all(Time now, Actions& actions) {
    if (state_ != GroupState::preparing_rebalance || initial_join_ || !pending_.empty()) return;
    auto awaited = members_.lower_bound(first_awaited_);
    while (awaited != members_.end() && awaited->second.join_ticket != 0) ++awaited;
    if (awaited == members_.end()) return complete_join(now, actions);
    first_awaited_ = awaited->first;
}

void ClassicGroup::complete_join(Time now, Actions& actions) {
    std::vector<std::string> missing;
    for (const auto& [id, member] : members_) {
        if (member.join_ticket == 0 && !member.is_static()) missing.push_back(id);
    }
    for (const std::string& id : missing) remove_member(id, actions);

    rebalance_deadline_ = Time::never();
    initial_join_ = false;
    elect_leader();
    if (!members_.empty() && (!leader_ || members_.at(*leader_).join_ticket == 0)) {
        // Only static members that are away are left: wait another round for one to lead.
        rebalance_deadline_ = now + longest_rebalance_timeout();
        wake_by(rebalance_deadline_);
        return;
    }
    ++generation_;
    if (members_.empty()) {
        enter(GroupState::empty, now);
        protocol_.reset();
        leader_.reset();
        write({.generation = generation_}, actions);
        return;
    }
    protocol_ = select_protocol();
    enter(GroupState::completing_rebalance, now);
    unsynced_.clear();
    for (const auto& [id, member] : members_) unsynced_.insert(id);
    sync_deadline_ = now + longest_rebalance_timeout();
    wake_by(sync_deadline_);
    reply_to_joins(now, actions);
}

template <typename Wanted>
const Member* ClassicGroup::first_member(Wanted wanted) const {
    std::size_t buckets = grown_table(most_members_);
    const Member* first = nullptr;
    std::pair<std::size_t, std::uint64_t> least;
    for (const auto& [id, member] : members_) {
        if (!wanted(member)) continue;
        std::pair place(table_bucket(table_hash(id), buckets), member.joined);
        if (first != nullptr && place > least) continue;
        first = &member;
        least = place;
    }
    return first;
}

// The leader stays when it came back.
void ClassicGroup::elect_leader() {
    if (leader_) {
        auto current = members_.find(*leader_);
        if (current != members_.end() && current->second.join_ticket != 0) return;
    }
    const Member* first = first_member([](const Member& each) { return each.join_ticket != 0; });
    if (first != nullptr) {
        leader_ = first->id;
    } else if (leader_ && !members_.contains(*leader_)) {
        leader_.reset();
    }
}

// Each member votes for the first of its protocols that all members know.
std::string ClassicGroup::select_protocol() const {
    std::map<std::string, int> votes;
    for (const auto& [id, member] : members_) {
        for (const Protocol& protocol : member.protocols) {
            if (supporters_.at(protocol.name) != members_.size()) continue;
            ++votes[protocol.name];
            break;
        }
    }
    auto most = std::max_element(votes.begin(), votes.end(),
                                 [](const auto& a, const auto& b) { return a.second < b.second; });
    return most == votes.end() ? std::string() : most->first;
}

void ClassicGroup::reply_to_joins(Time now, Actions& actions) {
    for (auto& [id, member] : members_) {
        alive(member, now);
        if (member.join_ticket == 0) continue;
        actions.replies.push_back(
            {std::exchange(member.join_ticket, 0), current_generation(member, leader_ == id)});
    }
}

void ClassicGroup::reply_to_syncs(ErrorCode error, Time now, Actions& actions) {
    for (auto& [id, member] : members_) {
        if (error != ErrorCode::none) member.assignment = {};
        if (member.sync_ticket == 0) continue;
        alive(member, now);
        SyncGroupResponse response{.error_code = error};
        if (error == ErrorCode::none) {
            unsynced_.erase(id);
            response.protocol_type = protocol_type_;
            response.protocol_name = protocol_;
            response.assignment = member.assignment;
        }
        actions.replies.push_back({std::exchange(member.sync_ticket, 0), std::move(response)});
    }
    if (unsynced_.empty()) sync_deadline_ = Time::never();
}

void ClassicGroup::remove_member(const std::string& member_id, Actions& actions) {
    auto found = members_.find(member_id);
    if (found == members_.end()) return;
    Member& member = found->second;
    if (member.join_ticket != 0) {
        actions.replies.push_back(
            {member.join_ticket, join_error(ErrorCode::unknown_member_id, member_id)});
    }
    if (member.sync_ticket != 0) {
        actions.replies.push_back(
            {member.sync_ticket, SyncGroupResponse{.error_code = ErrorCode::unknown_member_id}});
    }
    if (member.instance_id) static_members_.erase(*member.instance_id);
    unsynced_.erase(member_id);
    count_protocols(member, false);
    members_.erase(found);
    if (leader_ != member_id) return;
    leader_.reset();
    const Member* first = first_member([](const Member&) { return true; });
    if (first != nullptr) leader_ = first->id;
}

void ClassicGroup::after_removal(Time now, Actions& actions) {
    if (state_ == GroupState::stable || state_ == GroupState::completing_rebalance) {
        prepare_rebalance(now, actions);
    } else if (state_ == GroupState::preparing_rebalance) {
        complete_join_if_all(now, actions);
    }
}

// Syncing ------------------------------------------------------------------------------------

void ClassicGroup::sync(const SyncGroupRequest& request, Ticket ticket, Time, Actions& actions) {
    auto refuse = [&](ErrorCode code) {
        actions.replies.push_back({ticket, SyncGroupResponse{.error_code = code}});
    };
    ErrorCode error = check_member(request.member_id, request.group_instance_id);
    if (error != ErrorCode::none) return refuse(error);
    if (request.generation_id != generation_) return refuse(ErrorCode::illegal_generation);
    if (protocol_differs(request.protocol_type, request.protocol_name)) {
        return refuse(ErrorCode::inconsistent_group_protocol);
    }
    Member& member = members_.at(request.member_id);
    switch (state_) {
        case GroupState::empty:
        case GroupState::dead:
            return refuse(ErrorCode::unknown_member_id);
        case GroupState::preparing_rebalance:
            return refuse(ErrorCode::rebalance_in_progress);
        case GroupState::stable:
            unsynced_.erase(member.id);
            actions.replies.push_back({ticket, SyncGroupResponse{.protocol_type = protocol_type_,
                                                                 .protocol_name = protocol_,
                                                                 .assignment = member.assignment}});
            return;
        case GroupState::completing_rebalance:
            break;
    }
    if (member.sync_ticket != 0) {
        actions.replies.push_back(
            {member.sync_ticket,
             SyncGroupResponse{.error_code = ErrorCode::rebalance_in_progress}});
    }
    member.sync_ticket = ticket;
    unsynced_.erase(member.id);
    if (leader_ != member.id || !next_assignments_.empty()) return;
    for (const auto& [id, each] : members_) next_assignments_[id] = {};
    for (const auto& assigned : request.assignments) {
        auto found = next_assignments_.find(assigned.member_id);
        if (found != next_assignments_.end()) {
            found->second = Slice::copy(assigned.assignment.bytes());
        }
    }
    write({.generation = generation_, .completes_sync = true}, actions);
}

std::uint64_t ClassicGroup::write(PendingWrite pending, Actions& actions) {
    std::uint64_t id = ++next_write_;
    actions.writes.push_back(
        {id, value_with(pending.completes_sync ? &next_assignments_ : nullptr)});
    writes_.emplace(id, std::move(pending));
    return id;
}

void ClassicGroup::written(std::uint64_t id, ErrorCode outcome, Time now, Actions& actions) {
    auto found = writes_.find(id);
    if (found == writes_.end()) return;
    PendingWrite pending = std::move(found->second);
    writes_.erase(found);
    if (pending.ticket != 0) {
        if (outcome != ErrorCode::none) {
            pending.response = join_error(outcome, pending.response.member_id);
        }
        actions.replies.push_back({pending.ticket, std::move(pending.response)});
        return;
    }
    bool current = pending.completes_sync && state_ == GroupState::completing_rebalance &&
                   pending.generation == generation_;
    if (!current) return;
    if (outcome != ErrorCode::none) {
        next_assignments_.clear();
        reply_to_syncs(outcome, now, actions);
        prepare_rebalance(now, actions);
        return;
    }
    for (auto& [member_id, assignment] : next_assignments_) {
        auto member = members_.find(member_id);
        if (member != members_.end()) member->second.assignment = std::move(assignment);
    }
    next_assignments_.clear();
    enter(GroupState::stable, now);
    reply_to_syncs(ErrorCode::none, now, actions);
}

}  // namespace millrace::groups
