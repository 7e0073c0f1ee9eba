#include "quorum/quorum_answers.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>
#include <variant>

#include "core/metadata/topic_names.h"
#include "env/disk.h"
#include "quorum/raft_wire.h"
#include "quorum/voter_wire.h"

namespace millrace::quorum {
namespace {

bool names_the_metadata_log(const FetchSnapshotRequest& request) {
    return request.topics.size() == 1 &&
           request.topics.front().name == metadata::cluster_metadata_topic &&
           request.topics.front().partitions.size() == 1 &&
           request.topics.front().partitions.front().partition == 0;
}

}  // namespace

// `Wire`: the answer's type; `Answer`: raft's.
template <typename Wire, typename Answer, typename Request>
Task<QuorumAnswer<Wire>> QuorumAnswers::ask(Result<Request> request, Asker asker) {
    QuorumAnswer<Wire> told;
    if (!request) {
        told.response.error_code = request.error().code;
        co_return told;
    }
    auto response = co_await driver_.answer(raft::Request(*std::move(request)));
    if (!response) {
        told.response.error_code = response.error().code;
        co_return told;
    }
    auto answer = std::make_shared<const Answer>(std::get<Answer>(*std::move(response)));
    told.response = to_wire(*answer, asker.listener, asker.version);
    told.keep = std::move(answer);
    co_return told;
}

Task<QuorumAnswer<VoteResponse>> QuorumAnswers::to(const VoteRequest& request, Asker asker) {
    return ask<VoteResponse, raft::VoteResponse>(from_wire(request, cluster_id_), asker);
}

Task<QuorumAnswer<BeginQuorumEpochResponse>> QuorumAnswers::to(
    const BeginQuorumEpochRequest& request, Asker asker) {
    return ask<BeginQuorumEpochResponse, raft::BeginEpochResponse>(from_wire(request, cluster_id_),
                                                                   asker);
}

Task<QuorumAnswer<EndQuorumEpochResponse>> QuorumAnswers::to(const EndQuorumEpochRequest& request,
                                                             Asker asker) {
    return ask<EndQuorumEpochResponse, raft::EndEpochResponse>(from_wire(request, cluster_id_),
                                                               asker);
}

// `Wire`: the answer's type.
template <typename Wire, typename Request>
Task<QuorumAnswer<Wire>> QuorumAnswers::change(Result<Request> request) {
    auto failed = [](const Error& error) {
        Wire wire;
        wire.error_code = error.code;
        wire.error_message = error.message;
        return QuorumAnswer<Wire>{std::move(wire), nullptr};
    };
    if (!request) co_return failed(request.error());
    auto response = co_await driver_.answer(raft::Request(*std::move(request)));
    if (!response) co_return failed(response.error());
    const auto& told = std::get<raft::VoterChangeResponse>(*response);
    Wire wire;
    wire.error_code = told.error;
    wire.error_message = std::nullopt;
    if (!told.message.empty()) wire.error_message = told.message;
    co_return QuorumAnswer<Wire>{std::move(wire), nullptr};
}

Task<QuorumAnswer<AddRaftVoterResponse>> QuorumAnswers::to(const AddRaftVoterRequest& request,
                                                           Asker) {
    return change<AddRaftVoterResponse>(from_wire(request, cluster_id_));
}

Task<QuorumAnswer<RemoveRaftVoterResponse>> QuorumAnswers::to(const RemoveRaftVoterRequest& request,
                                                              Asker) {
    return change<RemoveRaftVoterResponse>(from_wire(request, cluster_id_));
}

Task<QuorumAnswer<UpdateRaftVoterResponse>> QuorumAnswers::to(const UpdateRaftVoterRequest& request,
                                                              Asker asker) {
    return ask<UpdateRaftVoterResponse, raft::UpdateVoterResponse>(from_wire(request, cluster_id_),
                                                                   asker);
}

// Records stay in their files. They are read when raft's answer is there, for which the epoch in
// which it was made has to go on: else they could be those of another leader.
Task<QuorumAnswer<FetchResponse>> QuorumAnswers::to(const FetchRequest& request, Asker asker) {
    auto failed = [](const Error& error) {
        return QuorumAnswer<FetchResponse>{FetchResponse{.error_code = error.code}, nullptr};
    };
    auto asked = from_wire(request, cluster_id_);
    if (!asked) co_return failed(asked.error());
    std::int64_t offset = asked->from.offset;
    auto response = co_await driver_.answer(raft::Request(*std::move(asked)));
    if (!response) co_return failed(response.error());
    auto fetched =
        std::make_shared<raft::FetchResponse>(std::get<raft::FetchResponse>(*std::move(response)));
    Result<Chain> records = Chain();
    if (fetched->with_records) {
        auto most = std::min(request.max_bytes, config_.controller_quorum_fetch_max_bytes());
        records = co_await read(offset, fetched->answer.epoch,
                                static_cast<std::uint64_t>(std::max(most, 0)));
    }
    if (!records) {
        raft::Answer refused = fetched->answer;
        refused.error = records.error().code;
        *fetched = {.answer = std::move(refused)};
    }
    FetchResponse wire = to_wire(*fetched, asker.listener, asker.version);
    if (records) wire.responses.front().partitions.front().records = *std::move(records);
    co_return QuorumAnswer<FetchResponse>{std::move(wire), std::move(fetched)};
}

Task<Result<Chain>> QuorumAnswers::read(std::int64_t offset, std::int32_t epoch,
                                        std::uint64_t max_bytes) {
    storage::Log& log = log_.log();
    if (offset >= log.end_offset()) CO_RETURN_IF_ERROR(co_await log.written(offset + 1));
    auto read = co_await log.fetch({offset, max_bytes, true, log.end_offset()});
    if (!read) {
        ErrorCode code =
            log.failed() ? ErrorCode::kafka_storage_error : ErrorCode::not_leader_or_follower;
        co_return fail(code, read.error().message);
    }
    if (!driver_.raft().is_leader() || driver_.raft().epoch() != epoch) {
        co_return fail(ErrorCode::not_leader_or_follower,
                       fmt::format("epoch {} is over here", epoch));
    }
    co_return std::move(read->records);
}

ErrorCode QuorumAnswers::check_leads(std::int32_t epoch) const {
    const raft::Raft& raft = driver_.raft();
    if (epoch < raft.epoch()) return ErrorCode::fenced_leader_epoch;
    if (epoch > raft.epoch()) return ErrorCode::unknown_leader_epoch;
    return raft.is_leader() ? ErrorCode::none : ErrorCode::not_leader_or_follower;
}

Task<QuorumAnswer<FetchSnapshotResponse>> QuorumAnswers::to(const FetchSnapshotRequest& request,
                                                            Asker asker) {
    QuorumAnswer<FetchSnapshotResponse> told;
    FetchSnapshotResponse& response = told.response;
    if (request.cluster_id && *request.cluster_id != cluster_id_) {
        response.error_code = ErrorCode::inconsistent_cluster_id;
        co_return told;
    }
    if (request.topics.size() != 1 || request.topics.front().partitions.size() != 1) {
        response.error_code = ErrorCode::invalid_request;
        co_return told;
    }
    const raft::Raft& raft = driver_.raft();
    const auto& asked = request.topics.front().partitions.front();
    auto& topic = response.topics.emplace_back();
    topic.name = request.topics.front().name;
    auto& partition = topic.partitions.emplace_back();
    partition.index = asked.partition;
    partition.unaligned_records = Chain();
    partition.error_code = names_the_metadata_log(request) ? check_leads(asked.current_leader_epoch)
                                                           : ErrorCode::unknown_topic_or_partition;
    partition.current_leader = {raft.leader(), raft.epoch()};
    auto endpoints = std::make_shared<const std::vector<raft::Endpoint>>(raft.leader_endpoints());
    told.keep = endpoints;
    for (const raft::Endpoint& each : *endpoints) {
        if (asker.version < 1 || each.listener != asker.listener || raft.leader() < 0) continue;
        response.node_endpoints.push_back(
            {.node_id = raft.leader(), .host = each.host, .port = each.port});
    }
    if (partition.error_code != ErrorCode::none) co_return told;
    if (Result<> read = read_piece(request, partition); !read) {
        partition.error_code = read.error().code;
        co_return told;
    }
    driver_.snapshot_served({request.replica_id, asked.replica_directory_id});
    co_return told;
}

Result<> QuorumAnswers::read_piece(const FetchSnapshotRequest& request,
                                   FetchSnapshotResponse::PartitionSnapshot& into) {
    const auto& asked = request.topics.front().partitions.front();
    auto snapshot = log_.open_snapshot({asked.snapshot_id.end_offset, asked.snapshot_id.epoch});
    if (!snapshot) return fail(ErrorCode::snapshot_not_found, snapshot.error().message);
    if (asked.position < 0 || std::cmp_greater_equal(asked.position, snapshot->size)) {
        return fail(ErrorCode::position_out_of_range,
                    fmt::format("the snapshot has {} bytes", snapshot->size));
    }
    auto position = static_cast<std::uint64_t>(asked.position);
    std::int32_t most =
        std::clamp(request.max_bytes, 0, config_.controller_quorum_fetch_snapshot_max_bytes());
    into.snapshot_id = {asked.snapshot_id.end_offset, asked.snapshot_id.epoch};
    into.size = static_cast<std::int64_t>(snapshot->size);
    into.position = asked.position;
    Chain piece;
    piece.append(FileRange{std::move(snapshot->file), position,
                           std::min(static_cast<std::uint64_t>(most), snapshot->size - position)});
    into.unaligned_records = std::move(piece);
    return {};
}

}  // namespace millrace::quorum
