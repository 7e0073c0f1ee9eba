#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/task.h"
#include "config/broker_config.h"
#include "protocol/add_raft_voter.h"
#include "protocol/begin_quorum_epoch.h"
#include "protocol/end_quorum_epoch.h"
#include "protocol/fetch.h"
#include "protocol/fetch_snapshot.h"
#include "protocol/remove_raft_voter.h"
#include "protocol/update_raft_voter.h"
#include "protocol/vote.h"
#include "quorum/metadata_log.h"
#include "quorum/raft_driver.h"

namespace millrace::quorum {

// By which listener a request came, and in which version.
struct Asker {
    std::string_view listener;
    std::int16_t version = 0;
};

// An answer, and what its views point into.
template <typename Wire>
struct QuorumAnswer {
    Wire response;
    std::shared_ptr<const void> keep;
};

// What this node answers to the quorum's requests of others.
class QuorumAnswers {
  public:
    QuorumAnswers(std::string cluster_id, MetadataLog& log, RaftDriver& driver,
                  const config::BrokerConfig& config)
        : cluster_id_(std::move(cluster_id)), log_(log), driver_(driver), config_(config) {}

    Task<QuorumAnswer<VoteResponse>> to(const VoteRequest& request, Asker asker);
    Task<QuorumAnswer<BeginQuorumEpochResponse>> to(const BeginQuorumEpochRequest& request,
                                                    Asker asker);
    Task<QuorumAnswer<EndQuorumEpochResponse>> to(const EndQuorumEpochRequest& request,
                                                  Asker asker);
    Task<QuorumAnswer<FetchResponse>> to(const FetchRequest& request, Asker asker);
    Task<QuorumAnswer<FetchSnapshotResponse>> to(const FetchSnapshotRequest& request, Asker asker);
    Task<QuorumAnswer<AddRaftVoterResponse>> to(const AddRaftVoterRequest& request, Asker asker);
    Task<QuorumAnswer<RemoveRaftVoterResponse>> to(const RemoveRaftVoterRequest& request,
                                                   Asker asker);
    Task<QuorumAnswer<UpdateRaftVoterResponse>> to(const UpdateRaftVoterRequest& request,
                                                   Asker asker);

  private:
    template <typename Wire, typename Answer, typename Request>
    Task<QuorumAnswer<Wire>> ask(Result<Request> request, Asker asker);
    template <typename Wire, typename Request>
    Task<QuorumAnswer<Wire>> change(Result<Request> request);
    Task<Result<Chain>> read(std::int64_t offset, std::int32_t epoch, std::uint64_t max_bytes);
    Result<> read_piece(const FetchSnapshotRequest& request,
                        FetchSnapshotResponse::PartitionSnapshot& into);
    ErrorCode check_leads(std::int32_t epoch) const;

    std::string cluster_id_;
    MetadataLog& log_;
    RaftDriver& driver_;
    const config::BrokerConfig& config_;
};

}  // namespace millrace::quorum
