#include "quorum/voter_wire.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "client/software.h"
#include "core/metadata/features.h"

namespace millrace::quorum {
namespace {

Result<> check_cluster(const std::optional<std::string>& told, std::string_view cluster_id) {
    if (!told || *told == cluster_id) return {};
    return fail(
        ErrorCode::inconsistent_cluster_id,
        fmt::format("The given id \"{}\" doesn't match the cluster id \"{}\"", *told, cluster_id));
}

void tell_voter(const raft::Voter& voter, auto& into) {
    into.voter_id = voter.key.id;
    into.voter_directory_id = voter.key.directory;
    for (const raft::Endpoint& each : voter.endpoints)
        into.listeners.push_back({each.listener, each.host, each.port});
}

raft::Voter voter_in(const auto& request) {
    raft::Voter voter{.key = {request.voter_id, request.voter_directory_id}, .endpoints = {}};
    for (const auto& each : request.listeners)
        voter.endpoints.push_back({each.name, each.host, each.port});
    return voter;
}

raft::VoterChangeResponse change_in(const auto& response) {
    return {response.error_code, response.error_message.value_or("")};
}

}  // namespace

AddRaftVoterRequest to_wire(const raft::AddVoterRequest& request, std::string_view cluster_id,
                            Duration timeout) {
    AddRaftVoterRequest wire;
    wire.cluster_id = cluster_id;
    wire.timeout_ms = static_cast<std::int32_t>(timeout.ms());
    tell_voter(request.voter, wire);
    wire.ack_when_committed = request.ack_when_committed;
    return wire;
}

RemoveRaftVoterRequest to_wire(const raft::RemoveVoterRequest& request,
                               std::string_view cluster_id) {
    RemoveRaftVoterRequest wire;
    wire.cluster_id = cluster_id;
    wire.voter_id = request.voter.id;
    wire.voter_directory_id = request.voter.directory;
    return wire;
}

UpdateRaftVoterRequest to_wire(const raft::UpdateVoterRequest& request,
                               std::string_view cluster_id) {
    UpdateRaftVoterRequest wire;
    wire.cluster_id = cluster_id;
    wire.current_leader_epoch = request.epoch;
    tell_voter(request.voter, wire);
    wire.kraft_version_feature = {request.voter.min_kraft_version, request.voter.max_kraft_version};
    return wire;
}

ApiVersionsRequest versions_request() {
    return {.client_software_name = std::string(client::software_name),
            .client_software_version = std::string(client::software_version)};
}

Result<raft::AddVoterRequest> from_wire(const AddRaftVoterRequest& request,
                                        std::string_view cluster_id) {
    RETURN_IF_ERROR(check_cluster(request.cluster_id, cluster_id));
    return raft::AddVoterRequest{voter_in(request), request.ack_when_committed};
}

Result<raft::RemoveVoterRequest> from_wire(const RemoveRaftVoterRequest& request,
                                           std::string_view cluster_id) {
    RETURN_IF_ERROR(check_cluster(request.cluster_id, cluster_id));
    return raft::RemoveVoterRequest{{request.voter_id, request.voter_directory_id}};
}

Result<raft::UpdateVoterRequest> from_wire(const UpdateRaftVoterRequest& request,
                                           std::string_view cluster_id) {
    RETURN_IF_ERROR(check_cluster(request.cluster_id, cluster_id));
    raft::UpdateVoterRequest told{request.current_leader_epoch, voter_in(request)};
    told.voter.min_kraft_version = request.kraft_version_feature.min_supported_version;
    told.voter.max_kraft_version = request.kraft_version_feature.max_supported_version;
    return told;
}

UpdateRaftVoterResponse to_wire(const raft::UpdateVoterResponse& response,
                                std::string_view listener, std::int16_t) {
    const raft::Answer& answer = response.answer;
    UpdateRaftVoterResponse wire;
    wire.error_code = answer.error;
    wire.current_leader.leader_id = answer.leader;
    wire.current_leader.leader_epoch = answer.epoch;
    auto endpoint = std::ranges::find(answer.endpoints, listener, &raft::Endpoint::listener);
    if (answer.leader < 0 || endpoint == answer.endpoints.end()) return wire;
    wire.current_leader.host = endpoint->host;
    wire.current_leader.port = endpoint->port;
    return wire;
}

Result<raft::VoterChangeResponse> from_wire(const AddRaftVoterResponse& response,
                                            std::string_view) {
    return change_in(response);
}

Result<raft::VoterChangeResponse> from_wire(const RemoveRaftVoterResponse& response,
                                            std::string_view) {
    return change_in(response);
}

Result<raft::UpdateVoterResponse> from_wire(const UpdateRaftVoterResponse& response,
                                            std::string_view listener) {
    const auto& leader = response.current_leader;
    raft::Answer answer{.error = response.error_code,
                        .leader = leader.leader_id,
                        .epoch = leader.leader_epoch,
                        .endpoints = {}};
    if (leader.leader_id >= 0 && !leader.host.empty()) {
        auto port = static_cast<std::uint16_t>(leader.port);
        answer.endpoints.push_back({std::string(listener), leader.host, port});
    }
    return raft::UpdateVoterResponse{std::move(answer)};
}

Result<raft::VersionsResponse> from_wire(const ApiVersionsResponse& response, std::string_view) {
    raft::VersionsResponse told{.error = response.error_code};
    for (const auto& feature : response.supported_features) {
        if (feature.name != metadata::kraft_version_feature) continue;
        told.min_kraft_version = feature.min_version;
        told.max_kraft_version = feature.max_version;
    }
    return told;
}

}  // namespace millrace::quorum
