#include "client/admin_groups.h"

#include <algorithm>
#include <fmt/core.h>
#include <utility>

#include "client/admin_calls.h"
#include "client/log.h"
#include "protocol/consumer_group_describe.h"
#include "protocol/consumer_protocol_assignment.h"
#include "protocol/delete_groups.h"
#include "protocol/describe_groups.h"
#include "protocol/list_groups.h"

namespace millrace::client {
namespace {

using Groups = std::vector<std::string>;
using Described = Outcomes<std::string, GroupDescription>;

std::string about(std::string_view group) { return fmt::format("group '{}'", group); }

Task<Result<std::vector<GroupListing>>> list_of(Cluster& cluster, std::int32_t broker,
                                                GroupFilter filter) {
    ASSIGN_OR_CO_RETURN(auto connection, co_await cluster.broker(broker));
    ASSIGN_OR_CO_RETURN(std::int16_t version, connection->version_of(ApiKey::list_groups));
    constexpr std::int16_t first_with_states = 4;
    constexpr std::int16_t first_with_types = 5;
    bool too_old = (version < first_with_states && !filter.states.empty()) ||
                   (version < first_with_types && !filter.types.empty());
    if (too_old) {
        co_return fail(ErrorCode::unsupported_version,
                       fmt::format("{} is too old to choose groups by their {}", connection->name(),
                                   version < first_with_states ? "state" : "type"));
    }
    ListGroupsRequest request{.states_filter = std::move(filter.states),
                              .types_filter = std::move(filter.types)};
    ASSIGN_OR_CO_RETURN(auto reply, co_await connection->call(request));
    CO_RETURN_IF_ERROR(
        verdict_about(fmt::format("groups of {}", connection->name()), reply.response.error_code));
    std::vector<GroupListing> listed;
    for (auto& group : reply.response.groups) {
        // Brokers say "classic", and Java's admin, tools and DescribeGroups "Classic".
        std::string& type = group.group_type;
        if (!type.empty() && type[0] >= 'a' && type[0] <= 'z') type[0] -= 'a' - 'A';
        listed.push_back({group.group_id, group.protocol_type, group.group_state, std::move(type)});
    }
    co_return listed;
}

std::vector<TopicPartition> partitions_of(
    const ConsumerGroupDescribeResponse::Assignment& assignment) {
    std::vector<TopicPartition> partitions;
    for (const auto& topic : assignment.topic_partitions) {
        for (std::int32_t index : topic.partitions) partitions.push_back({topic.topic_name, index});
    }
    std::ranges::sort(partitions);
    return partitions;
}

// Bytes that a member's own client wrote: what cannot be read is no assignment.
std::vector<TopicPartition> partitions_of(const Slice& assignment) {
    std::vector<TopicPartition> partitions;
    if (assignment.empty()) return partitions;
    Reader reader(assignment);
    std::int16_t version = reader.read_int16();
    version = std::min(version, ConsumerProtocolAssignment::max_version);
    auto decoded = ConsumerProtocolAssignment::decode(reader, version);
    if (!decoded) {
        LOG_WARN("a member's assignment cannot be read: {}", decoded.error().message);
        return partitions;
    }
    for (const auto& topic : decoded->assigned_partitions) {
        for (std::int32_t index : topic.partitions) partitions.push_back({topic.topic, index});
    }
    std::ranges::sort(partitions);
    return partitions;
}

GroupDescription description_of(const ConsumerGroupDescribeResponse::DescribedGroup& group,
                                std::int32_t coordinator) {
    GroupDescription made;
    made.id = group.group_id;
    made.type = "Consumer";
    made.state = group.group_state;
    made.protocol_type = "consumer";
    made.assignor = group.assignor_name;
    made.coordinator = coordinator;
    made.epoch = group.group_epoch;
    made.assignment_epoch = group.assignment_epoch;
    for (const auto& member : group.members) {
        made.members.push_back({member.member_id, member.instance_id, member.client_id,
                                member.client_host, partitions_of(member.assignment),
                                member.member_epoch, partitions_of(member.target_assignment)});
    }
    return made;
}

GroupDescription description_of(const DescribeGroupsResponse::DescribedGroup& group,
                                std::int32_t coordinator) {
    GroupDescription made;
    made.id = group.group_id;
    made.type = "Classic";
    made.state = group.group_state;
    made.protocol_type = group.protocol_type;
    made.assignor = group.protocol_data;
    made.coordinator = coordinator;
    bool consumers = group.protocol_type == "consumer" || group.protocol_type.empty();
    for (const auto& member : group.members) {
        auto& description = made.members.emplace_back();
        description.id = member.member_id;
        description.instance_id = member.group_instance_id;
        description.client_id = member.client_id;
        description.host = member.client_host;
        if (consumers) description.assignment = partitions_of(member.member_assignment);
    }
    return made;
}

template <typename Group>
void add_outcome(Described& described, const Group& group, std::int32_t coordinator) {
    auto verdict = verdict_about(about(group.group_id), group.error_code, group.error_message);
    if (verdict) {
        described.insert_or_assign(group.group_id, description_of(group, coordinator));
    } else {
        described.insert_or_assign(group.group_id, fail(std::move(verdict).error()));
    }
}

Task<Described> describe_classic(std::shared_ptr<BrokerConnection> connection,
                                 std::int32_t coordinator, Groups groups) {
    DescribeGroupsRequest request;
    request.groups = groups;
    auto reply = co_await connection->call(request);
    if (!reply) co_return all_failed<GroupDescription>(groups, reply.error());
    Described described;
    for (const auto& group : reply->response.groups) add_outcome(described, group, coordinator);
    co_return described;
}

// Those that are no groups of the consumer protocol are asked for once more, as classic ones.
Task<Described> describe_by_coordinator(Admin& admin, std::int32_t coordinator, Groups groups) {
    auto connection = co_await admin.cluster().broker(coordinator);
    if (!connection) co_return all_failed<GroupDescription>(groups, connection.error());
    if (!(*connection)->version_of(ApiKey::consumer_group_describe)) {
        co_return co_await describe_classic(*connection, coordinator, std::move(groups));
    }
    ConsumerGroupDescribeRequest request;
    request.group_ids = groups;
    auto reply = co_await (*connection)->call(request);
    if (!reply) co_return all_failed<GroupDescription>(groups, reply.error());
    Described described;
    Groups classic;
    for (const auto& group : reply->response.groups) {
        if (group.error_code == ErrorCode::group_id_not_found ||
            group.error_code == ErrorCode::unsupported_version) {
            classic.push_back(group.group_id);
        } else {
            add_outcome(described, group, coordinator);
        }
    }
    if (!classic.empty()) {
        Described others = co_await describe_classic(*connection, coordinator, std::move(classic));
        described.merge(others);
    }
    co_return described;
}

}  // namespace

Task<Result<GroupListings>> list_groups(Admin& admin, GroupFilter filter) {
    Cluster& cluster = admin.cluster();
    CO_RETURN_IF_ERROR(co_await cluster.refresh(admin.deadline()));
    std::vector<std::int32_t> brokers = keys_of(cluster.metadata()->brokers());
    using Listed = Result<std::vector<GroupListing>>;
    Time deadline = admin.deadline();
    std::vector<Task<Listed>> questions;
    auto one = [&](std::int32_t broker) -> Task<Listed> {
        auto attempt = [&]() { return list_of(cluster, broker, filter); };
        co_return co_await with_retries(cluster, fmt::format("listing groups of broker {}", broker),
                                        deadline, attempt);
    };
    for (std::int32_t broker : brokers) questions.push_back(one(broker));
    GroupListings listings;
    std::map<std::string, GroupListing> by_id;  // a group that moves may be told twice
    for (Listed& listed : co_await gather(std::move(questions))) {
        if (!listed) {
            listings.errors.push_back(std::move(listed).error());
            continue;
        }
        for (GroupListing& group : *listed) by_id.insert_or_assign(group.id, group);
    }
    if (!brokers.empty() && listings.errors.size() == brokers.size()) {
        co_return fail(std::move(listings.errors.front()));
    }
    for (auto& [id, group] : by_id) listings.groups.push_back(std::move(group));
    co_return listings;
}

Task<Described> describe_groups(Admin& admin, std::vector<std::string> ids) {
    auto one = [&](std::int32_t coordinator, Groups groups) {
        return describe_by_coordinator(admin, coordinator, std::move(groups));
    };
    auto attempt = [&](Groups pending) {
        return ask_coordinators<GroupDescription>(admin, std::move(pending), one);
    };
    co_return co_await settle<GroupDescription>(admin, "describing groups", std::move(ids),
                                                admin.deadline(), attempt);
}

Task<Outcomes<std::string>> delete_groups(Admin& admin, std::vector<std::string> ids) {
    auto one = [&](std::int32_t coordinator, Groups groups) -> Task<Outcomes<std::string>> {
        DeleteGroupsRequest request;
        request.groups_names = groups;
        auto reply = co_await call_over(admin.cluster().broker(coordinator), std::move(request));
        if (!reply) co_return all_failed<void>(groups, reply.error());
        Outcomes<std::string> deleted;
        for (const auto& result : reply->response.results) {
            deleted.insert_or_assign(result.group_id,
                                     verdict_about(about(result.group_id), result.error_code));
        }
        co_return deleted;
    };
    auto attempt = [&](Groups pending) {
        return ask_coordinators<void>(admin, std::move(pending), one);
    };
    co_return co_await settle<void>(admin, "deleting groups", std::move(ids), admin.deadline(),
                                    attempt);
}

}  // namespace millrace::client
