#include <algorithm>
#include <fmt/format.h>
#include <set>

#include "client/group_member.h"
#include "client/log.h"

namespace millrace::client {
namespace {

constexpr std::string_view protocol_type = "consumer";
// Longer than the coordinator may hold a join back.
constexpr Duration join_grace = Duration::seconds(5);

}  // namespace

Task<void> GroupMember::join() {
    for (int failures = 0;;) {
        Outcome outcome = co_await join_once();
        switch (outcome.fate) {
            case Fate::go_on:
                next_beat_ = shard_.now() + options_.heartbeat_interval;
                become(State::assigned);
                co_return;
            case Fate::with_id:
                continue;
            case Fate::rejoin:
                rejoin_wanted_ = true;
                become(State::out);
                co_return;
            case Fate::lost:
                end_membership(outcome.error.code);
                co_return;
            case Fate::fatal:
                error_ = outcome.error;
                end_membership(outcome.error.code);
                co_return;
            case Fate::later:
            case Fate::find:
                break;
        }
        ++failures;
        co_await env::sleep_for(shard_, options_.retry.after(failures, shard_.random()));
    }
}

JoinGroupRequest GroupMember::join_request() const {
    JoinGroupRequest request;
    request.group_id = options_.group_id;
    request.session_timeout_ms = static_cast<std::int32_t>(options_.session_timeout.ms());
    request.rebalance_timeout_ms = static_cast<std::int32_t>(options_.rebalance_timeout.ms());
    request.member_id = me_.member_id;
    request.group_instance_id = options_.instance_id;
    request.protocol_type = protocol_type;
    if (!reason_.empty()) request.reason = reason_;
    for (const auto& assignor : assignors_) {
        Subscription subscription;
        subscription.topics = topics_;
        subscription.owned = owned_;
        subscription.generation = me_.generation;
        subscription.rack = options_.rack;
        subscription.user_data = assignor->user_data(had_, had_generation_);
        request.protocols.push_back(
            {std::string(assignor->name()), encode_subscription(subscription)});
    }
    return request;
}

Task<GroupMember::Outcome> GroupMember::join_once() {
    Cluster::Connected connected =
        co_await cluster_.coordinator(CoordinatorType::group, options_.group_id, Lane::coordinator);
    if (!connected) co_return Outcome{fate_of(connected.error().code), connected.error()};
    std::shared_ptr<BrokerConnection> connection = *std::move(connected);
    JoinGroupRequest request = join_request();
    CallOptions call;
    call.timeout = std::max(options_.request_timeout, options_.rebalance_timeout + join_grace);
    auto reply = co_await connection->call(request, call);
    if (!reply) {
        Outcome lost = outcome("Joining", connection->name(), reply.error().code);
        lost.error = reply.error();
        co_return lost;
    }
    JoinGroupResponse& joined = reply->response;
    Outcome told = outcome("Joining", connection->name(), joined.error_code);
    if (told.fate == Fate::with_id) me_.member_id = joined.member_id;
    if (told.fate != Fate::go_on) co_return told;
    me_.member_id = joined.member_id;
    me_.generation = joined.generation_id;
    reason_.clear();
    leader_ = joined.leader == joined.member_id;
    LOG_DEBUG("Group {}: member {} joined generation {} as {}", options_.group_id, me_.member_id,
              me_.generation, leader_ ? "leader" : "follower");
    co_return co_await sync(std::move(connection), std::move(joined));
}

Task<GroupMember::Outcome> GroupMember::sync(std::shared_ptr<BrokerConnection> connection,
                                             JoinGroupResponse joined) {
    SyncGroupRequest request;
    request.group_id = options_.group_id;
    request.generation_id = me_.generation;
    request.member_id = me_.member_id;
    request.group_instance_id = options_.instance_id;
    request.protocol_type = joined.protocol_type.value_or(std::string(protocol_type));
    request.protocol_name = joined.protocol_name;
    if (leader_ && !joined.skip_assignment) {
        auto decided = co_await decide(joined);
        if (!decided) co_return Outcome{Fate::fatal, decided.error()};
        request.assignments = *std::move(decided);
    }
    CallOptions call;
    call.timeout = std::max(options_.request_timeout, options_.rebalance_timeout + join_grace);
    auto reply = co_await connection->call(request, call);
    if (!reply) {
        Outcome lost = outcome("Syncing", connection->name(), reply.error().code);
        lost.error = reply.error();
        co_return lost;
    }
    Outcome told = outcome("Syncing", connection->name(), reply->response.error_code);
    if (told.fate != Fate::go_on) co_return told;
    Result<Partitions> assignment = decode_assignment(reply->response.assignment);
    if (!assignment) co_return Outcome{Fate::fatal, assignment.error()};
    assignment_ = *std::move(assignment);
    assignor_name_ = joined.protocol_name.value_or("");
    had_ = assignment_;
    had_generation_ = me_.generation;
    LOG_INFO("Group {}: generation {} gives this member {} partitions", options_.group_id,
             me_.generation, assignment_.size());
    co_return Outcome{};
}

// Makes the metadata hold the topics of all members, as far as they exist.
Task<void> GroupMember::know_topics(const Subscriptions& subscriptions) {
    std::set<std::string> topics;
    for (const auto& [id, subscription] : subscriptions)
        topics.insert(subscription.topics.begin(), subscription.topics.end());
    shared_topics_.assign(topics.begin(), topics.end());
    bool all_known = true;
    for (const std::string& topic : topics) {
        cluster_.track(topic);
        all_known = all_known && cluster_.metadata()->topic(std::string_view(topic)) != nullptr;
    }
    if (!all_known) {
        // Without it the topics that are missing wait for the next rebalance.
        Result<> refreshed = co_await cluster_.refresh(shard_.now() + options_.request_timeout);
        if (!refreshed) LOG_WARN("Group {}: {}", options_.group_id, refreshed.error().message);
    }
    shared_counts_.clear();
    for (const std::string& topic : topics) {
        const TopicInfo* info = cluster_.metadata()->topic(std::string_view(topic));
        if (info != nullptr && info->error == ErrorCode::none && !info->partitions.empty())
            shared_counts_[topic] = static_cast<std::int32_t>(info->partitions.size());
    }
}

Task<Result<std::vector<SyncGroupRequest::SyncGroupRequestAssignment>>> GroupMember::decide(
    const JoinGroupResponse& joined) {
    const Assignor* chosen = assignor(joined.protocol_name.value_or(""));
    if (chosen == nullptr)
        co_return fail(ErrorCode::inconsistent_group_protocol,
                       fmt::format("Group {} agreed on the assignor {}, which this member has not",
                                   options_.group_id, joined.protocol_name.value_or("")));
    Subscriptions subscriptions;
    for (const auto& member : joined.members) {
        ASSIGN_OR_CO_RETURN(Subscription subscription, decode_subscription(member.metadata));
        subscription.instance_id = member.group_instance_id;
        subscriptions.emplace(member.member_id, std::move(subscription));
    }
    co_await know_topics(subscriptions);
    Assignment assignment = chosen->assign(shared_counts_, subscriptions);
    std::vector<SyncGroupRequest::SyncGroupRequestAssignment> encoded;
    for (const auto& [member, partitions] : assignment)
        encoded.push_back({member, encode_assignment(partitions)});
    co_return encoded;
}

}  // namespace millrace::client
