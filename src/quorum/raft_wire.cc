#include "quorum/raft_wire.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "core/metadata/topic_names.h"
#include "quorum/control_records.h"
#include "records/batch.h"

namespace millrace::quorum {
namespace {

constexpr std::string_view topic_name = metadata::cluster_metadata_topic;

Result<> check_cluster(const auto& told, std::string_view cluster_id) {
    if (!told || *told == cluster_id) return {};
    return fail(ErrorCode::inconsistent_cluster_id,
                fmt::format("the request is for cluster {}, and this node is of cluster {}", *told,
                            cluster_id));
}

// The one partition of a message, null when it is about anything else.
const auto* metadata_partition(const auto& topics, auto name_of, auto index_of) {
    const auto* none = static_cast<decltype(&topics.front().partitions.front())>(nullptr);
    if (topics.size() != 1 || topics.front().partitions.size() != 1) return none;
    const auto& topic = topics.front();
    return name_of(topic) == topic_name && index_of(topic.partitions.front()) == 0
               ? &topic.partitions.front()
               : none;
}

const auto* metadata_partition(const auto& topics) {
    return metadata_partition(
        topics, [](const auto& topic) -> std::string_view { return topic.topic_name; },
        [](const auto& partition) { return partition.partition_index; });
}

template <typename Topic>
std::string_view name_of_fetched(const Topic& topic) {
    return topic.topic_id == metadata_topic_id ? topic_name : std::string_view(topic.topic);
}

std::unexpected<Error> other_partitions() {
    return fail(ErrorCode::invalid_request,
                "the request is not for partition 0 of __cluster_metadata and nothing else");
}

std::unexpected<Error> strange_answer() {
    return fail(ErrorCode::invalid_record,
                "the answer is not about partition 0 of __cluster_metadata and nothing else");
}

auto& add_partition(auto& message) {
    auto& topic = message.topics.emplace_back();
    topic.topic_name = topic_name;
    return topic.partitions.emplace_back();
}

void tell_endpoints(const std::vector<raft::Endpoint>& endpoints, auto& into) {
    for (const raft::Endpoint& each : endpoints) {
        auto& told = into.emplace_back();
        told.name = each.listener;
        told.host = each.host;
        told.port = each.port;
    }
}

std::vector<raft::Endpoint> endpoints_in(const auto& told) {
    std::vector<raft::Endpoint> endpoints;
    for (const auto& each : told)
        endpoints.push_back({std::string(each.name), std::string(each.host), each.port});
    return endpoints;
}

void tell_leader(const raft::Answer& answer, std::string_view listener, auto& into) {
    auto endpoint = std::ranges::find(answer.endpoints, listener, &raft::Endpoint::listener);
    if (answer.leader < 0 || endpoint == answer.endpoints.end()) return;
    auto& told = into.emplace_back();
    told.node_id = answer.leader;
    told.host = endpoint->host;
    told.port = endpoint->port;
}

// What the answers to Vote, BeginQuorumEpoch and EndQuorumEpoch have in common.
template <typename Response>
Response to_wire(const raft::Answer& answer, std::string_view listener, std::int16_t version) {
    Response response;
    auto& partition = add_partition(response);
    partition.error_code = answer.error;
    partition.leader_id = answer.leader;
    partition.leader_epoch = answer.epoch;
    if (version >= 1) tell_leader(answer, listener, response.node_endpoints);
    return response;
}

std::vector<raft::Endpoint> leader_endpoints(const auto& nodes, std::int32_t leader,
                                             std::string_view listener) {
    for (const auto& each : nodes) {
        if (each.node_id != leader) continue;
        auto port = static_cast<std::uint16_t>(each.port);
        return {{std::string(listener), std::string(each.host), port}};
    }
    return {};
}

raft::Answer answer_in(const auto& partition, const auto& nodes, std::string_view listener) {
    return {.error = partition.error_code,
            .leader = partition.leader_id,
            .epoch = partition.leader_epoch,
            .endpoints = leader_endpoints(nodes, partition.leader_id, listener)};
}

Result<> check_whole(ErrorCode error) {
    if (error == ErrorCode::none) return {};
    return fail(error, std::string(meaning_of(error)));
}

}  // namespace

// Requests of this node --------------------------------------------------------------------------

VoteRequest to_wire(const raft::VoteRequest& request, std::string_view cluster_id) {
    VoteRequest wire;
    wire.cluster_id = cluster_id;
    wire.voter_id = request.voter.id;
    auto& partition = add_partition(wire);
    partition.replica_epoch = request.epoch;
    partition.replica_id = request.candidate.id;
    partition.replica_directory_id = request.candidate.directory;
    partition.voter_directory_id = request.voter.directory;
    partition.last_offset_epoch = request.last.epoch;
    partition.last_offset = request.last.offset;
    partition.pre_vote = request.pre_vote;
    return wire;
}

BeginQuorumEpochRequest to_wire(const raft::BeginEpochRequest& request,
                                std::string_view cluster_id) {
    BeginQuorumEpochRequest wire;
    wire.cluster_id = cluster_id;
    wire.voter_id = request.voter.id;
    auto& partition = add_partition(wire);
    partition.voter_directory_id = request.voter.directory;
    partition.leader_id = request.leader;
    partition.leader_epoch = request.epoch;
    tell_endpoints(request.endpoints, wire.leader_endpoints);
    return wire;
}

EndQuorumEpochRequest to_wire(const raft::EndEpochRequest& request, std::string_view cluster_id) {
    EndQuorumEpochRequest wire;
    wire.cluster_id = cluster_id;
    auto& partition = add_partition(wire);
    partition.leader_id = request.leader;
    partition.leader_epoch = request.epoch;
    for (const raft::ReplicaKey& each : request.successors) {
        partition.preferred_successors.push_back(each.id);
        auto& candidate = partition.preferred_candidates.emplace_back();
        candidate.candidate_id = each.id;
        candidate.candidate_directory_id = each.directory;
    }
    return wire;
}

FetchRequest to_wire(const raft::FetchRequest& request, std::string_view cluster_id,
                     std::int16_t version, std::int32_t max_bytes) {
    FetchRequest wire;
    wire.cluster_id = cluster_id;
    if (version >= 15) {
        wire.replica_state.replica_id = request.replica.id;
    } else {
        wire.replica_id = request.replica.id;
    }
    wire.max_wait_ms = static_cast<std::int32_t>(request.max_wait.ms());
    wire.max_bytes = max_bytes;
    auto& topic = wire.topics.emplace_back();
    topic.topic = topic_name;
    topic.topic_id = metadata_topic_id;
    auto& partition = topic.partitions.emplace_back();
    partition.current_leader_epoch = request.epoch;
    partition.fetch_offset = request.from.offset;
    partition.last_fetched_epoch = request.from.epoch;
    partition.partition_max_bytes = 0;
    partition.replica_directory_id = request.replica.directory;
    partition.high_watermark = request.high_watermark;
    return wire;
}

// Requests of others -----------------------------------------------------------------------------

Result<raft::VoteRequest> from_wire(const VoteRequest& request, std::string_view cluster_id) {
    RETURN_IF_ERROR(check_cluster(request.cluster_id, cluster_id));
    const auto* partition = metadata_partition(request.topics);
    if (partition == nullptr) return other_partitions();
    return raft::VoteRequest{.candidate = {partition->replica_id, partition->replica_directory_id},
                             .epoch = partition->replica_epoch,
                             .last = {partition->last_offset, partition->last_offset_epoch},
                             .pre_vote = partition->pre_vote,
                             .voter = {request.voter_id, partition->voter_directory_id}};
}

Result<raft::BeginEpochRequest> from_wire(const BeginQuorumEpochRequest& request,
                                          std::string_view cluster_id) {
    RETURN_IF_ERROR(check_cluster(request.cluster_id, cluster_id));
    const auto* partition = metadata_partition(request.topics);
    if (partition == nullptr) return other_partitions();
    return raft::BeginEpochRequest{.leader = partition->leader_id,
                                   .epoch = partition->leader_epoch,
                                   .voter = {request.voter_id, partition->voter_directory_id},
                                   .endpoints = endpoints_in(request.leader_endpoints)};
}

Result<raft::EndEpochRequest> from_wire(const EndQuorumEpochRequest& request,
                                        std::string_view cluster_id) {
    RETURN_IF_ERROR(check_cluster(request.cluster_id, cluster_id));
    const auto* partition = metadata_partition(request.topics);
    if (partition == nullptr) return other_partitions();
    raft::EndEpochRequest told{.leader = partition->leader_id, .epoch = partition->leader_epoch};
    for (const auto& each : partition->preferred_candidates)
        told.successors.push_back({each.candidate_id, each.candidate_directory_id});
    // Version 0 knows nodes only.
    for (std::int32_t id : partition->preferred_successors) {
        if (partition->preferred_candidates.empty()) told.successors.push_back({id, Uuid()});
    }
    return told;
}

Result<raft::FetchRequest> from_wire(const FetchRequest& request, std::string_view cluster_id) {
    RETURN_IF_ERROR(check_cluster(request.cluster_id, cluster_id));
    const auto* partition = metadata_partition(
        request.topics, [](const auto& topic) { return name_of_fetched(topic); },
        [](const auto& each) { return each.partition; });
    if (partition == nullptr) return other_partitions();
    std::int32_t replica =
        request.replica_id >= 0 ? request.replica_id : request.replica_state.replica_id;
    return raft::FetchRequest{.replica = {replica, partition->replica_directory_id},
                              .epoch = partition->current_leader_epoch,
                              .from = {partition->fetch_offset, partition->last_fetched_epoch},
                              .high_watermark = partition->high_watermark,
                              .max_wait = Duration::milliseconds(request.max_wait_ms)};
}

// Answers of this node ---------------------------------------------------------------------------

VoteResponse to_wire(const raft::VoteResponse& response, std::string_view listener,
                     std::int16_t version) {
    auto wire = to_wire<VoteResponse>(response.answer, listener, version);
    wire.topics.front().partitions.front().vote_granted = response.granted;
    return wire;
}

BeginQuorumEpochResponse to_wire(const raft::BeginEpochResponse& response,
                                 std::string_view listener, std::int16_t version) {
    return to_wire<BeginQuorumEpochResponse>(response.answer, listener, version);
}

EndQuorumEpochResponse to_wire(const raft::EndEpochResponse& response, std::string_view listener,
                               std::int16_t version) {
    return to_wire<EndQuorumEpochResponse>(response.answer, listener, version);
}

FetchResponse to_wire(const raft::FetchResponse& response, std::string_view listener,
                      std::int16_t version) {
    FetchResponse wire;
    auto& topic = wire.responses.emplace_back();
    topic.topic = topic_name;
    topic.topic_id = metadata_topic_id;
    auto& partition = topic.partitions.emplace_back();
    partition.error_code = response.answer.error;
    partition.high_watermark = response.high_watermark;
    partition.log_start_offset = response.log_start;
    partition.aborted_transactions.reset();
    partition.records = Chain();
    if (version >= 12) {
        partition.current_leader = {response.answer.leader, response.answer.epoch};
        if (response.diverging)
            partition.diverging_epoch = {response.diverging->epoch, response.diverging->offset};
        if (response.snapshot)
            partition.snapshot_id = {response.snapshot->offset, response.snapshot->epoch};
    }
    if (version >= 17) tell_leader(response.answer, listener, wire.node_endpoints);
    return wire;
}

// Answers of others ------------------------------------------------------------------------------

Result<raft::VoteResponse> from_wire(const VoteResponse& response, std::string_view listener) {
    RETURN_IF_ERROR(check_whole(response.error_code));
    const auto* partition = metadata_partition(response.topics);
    if (partition == nullptr) return strange_answer();
    return raft::VoteResponse{answer_in(*partition, response.node_endpoints, listener),
                              partition->vote_granted};
}

Result<raft::BeginEpochResponse> from_wire(const BeginQuorumEpochResponse& response,
                                           std::string_view listener) {
    RETURN_IF_ERROR(check_whole(response.error_code));
    const auto* partition = metadata_partition(response.topics);
    if (partition == nullptr) return strange_answer();
    return raft::BeginEpochResponse{answer_in(*partition, response.node_endpoints, listener)};
}

Result<raft::EndEpochResponse> from_wire(const EndQuorumEpochResponse& response,
                                         std::string_view listener) {
    RETURN_IF_ERROR(check_whole(response.error_code));
    const auto* partition = metadata_partition(response.topics);
    if (partition == nullptr) return strange_answer();
    return raft::EndEpochResponse{answer_in(*partition, response.node_endpoints, listener)};
}

namespace {

// Whole batches, and what raft has to know of them.
Result<> take_records(const Slice& records, raft::FetchResponse& into) {
    BatchReader reader(records.bytes());
    while (true) {
        ASSIGN_OR_RETURN(auto batch, reader.next());
        if (!batch) break;
        RETURN_IF_ERROR(batch->verify_crc());
        std::int32_t epoch = batch->leader_epoch();
        bool goes_on = !into.spans.empty() && into.spans.back().epoch == epoch &&
                       into.spans.back().end == batch->base_offset();
        if (goes_on) {
            into.spans.back().end = batch->next_offset();
        } else {
            into.spans.push_back({batch->base_offset(), batch->next_offset(), epoch});
        }
        if (!batch->is_control()) continue;
        ASSIGN_OR_RETURN(ControlValues values, read_control_batch(*batch));
        for (const auto& entry : values.kraft_versions)
            into.control.kraft_versions.push_back(entry);
        for (auto& entry : values.voters) into.control.voters.push_back(std::move(entry));
    }
    into.records = records.slice(0, reader.position());
    into.with_records = !into.spans.empty();
    return {};
}

}  // namespace

Result<raft::FetchResponse> from_wire(const FetchResponse& response, std::string_view listener) {
    RETURN_IF_ERROR(check_whole(response.error_code));
    const auto* partition = metadata_partition(
        response.responses, [](const auto& topic) { return name_of_fetched(topic); },
        [](const auto& each) { return each.partition_index; });
    if (partition == nullptr) return strange_answer();
    raft::FetchResponse told;
    told.answer = {.error = partition->error_code,
                   .leader = partition->current_leader.leader_id,
                   .epoch = partition->current_leader.leader_epoch,
                   .endpoints = leader_endpoints(response.node_endpoints,
                                                 partition->current_leader.leader_id, listener)};
    told.high_watermark = partition->high_watermark;
    told.log_start = partition->log_start_offset;
    const auto& diverging = partition->diverging_epoch;
    if (diverging.epoch >= 0)
        told.diverging = raft::OffsetAndEpoch{diverging.end_offset, diverging.epoch};
    const auto& snapshot = partition->snapshot_id;
    if (snapshot.end_offset >= 0 && snapshot.epoch >= 0)
        told.snapshot = raft::OffsetAndEpoch{snapshot.end_offset, snapshot.epoch};
    if (partition->records && !partition->records->empty())
        RETURN_IF_ERROR(take_records(partition->records->in_memory(), told));
    return told;
}

}  // namespace millrace::quorum
