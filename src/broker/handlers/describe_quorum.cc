// DescribeQuorum (key 55): who votes on the metadata log, who follows it, and how far each is.
//
// Only the leader knows how far the others are: a broker asks it, and a controller that does not
// lead refuses. The request names the metadata partition and nothing else.

#include "protocol/describe_quorum.h"

#include "broker/controllers.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "core/metadata/topic_names.h"

namespace millrace::broker {
namespace {

using Response = DescribeQuorumResponse;

bool names_the_metadata_log(const DescribeQuorumRequest& request) {
    return request.topics.size() == 1 &&
           request.topics.front().topic_name == metadata::cluster_metadata_topic &&
           request.topics.front().partitions.size() == 1 &&
           request.topics.front().partitions.front().partition_index == 0;
}

Response unknown_partitions(const DescribeQuorumRequest& request) {
    Response response;
    for (const auto& asked : request.topics) {
        auto& topic = response.topics.emplace_back();
        topic.topic_name = asked.topic_name;
        for (const auto& each : asked.partitions) {
            auto& partition = topic.partitions.emplace_back();
            partition.partition_index = each.partition_index;
            partition.error_code = ErrorCode::unknown_topic_or_partition;
            partition.error_message = meaning_of(ErrorCode::unknown_topic_or_partition);
        }
    }
    return response;
}

std::vector<Response::ReplicaState> describe(
    const std::vector<quorum::QuorumStatus::Replica>& replicas, std::int16_t version) {
    std::vector<Response::ReplicaState> described;
    for (const auto& each : replicas) {
        described.push_back({.replica_id = each.key.id,
                             .replica_directory_id = version < 2 ? Uuid() : each.key.directory,
                             .log_end_offset = each.log_end,
                             .last_fetch_timestamp = each.last_fetch,
                             .last_caught_up_timestamp = each.last_caught_up});
    }
    return described;
}

Task<Response> answer(const DescribeQuorumRequest& request, const Caller& caller, const Node& node,
                      Controllers& controllers) {
    if (!names_the_metadata_log(request)) co_return unknown_partitions(request);
    quorum::QuorumStatus status = co_await controllers.status();
    Response response;
    bool by_broker = !caller.peer().listener->is_controller;
    if (status.leader != node.id && by_broker) {
        auto told = co_await controllers.forward(request, caller);
        if (told) co_return *std::move(told);
        response.error_code = told.error().code;
        response.error_message = told.error().message;
        co_return response;
    }
    if (status.leader != node.id) {
        response.error_code = ErrorCode::not_leader_or_follower;
        response.error_message = meaning_of(ErrorCode::not_leader_or_follower);
        co_return response;
    }
    auto& topic = response.topics.emplace_back();
    topic.topic_name = metadata::cluster_metadata_topic;
    auto& partition = topic.partitions.emplace_back();
    partition.leader_id = status.leader;
    partition.leader_epoch = status.epoch;
    partition.high_watermark = status.high_watermark;
    partition.current_voters = describe(status.voters, caller.version());
    partition.observers = describe(status.observers, caller.version());
    if (caller.version() < 2) co_return response;
    for (const raft::Voter& voter : status.voter_endpoints) {
        auto& told = response.nodes.emplace_back();
        told.node_id = voter.key.id;
        for (const raft::Endpoint& each : voter.endpoints) {
            told.listeners.push_back({.name = each.listener, .host = each.host, .port = each.port});
        }
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::describe_quorum = serve<answer>;

}  // namespace millrace::broker
