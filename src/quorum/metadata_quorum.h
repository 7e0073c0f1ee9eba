#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "core/controller/decision.h"
#include "core/metadata/image.h"
#include "core/raft/raft.h"
#include "env/network.h"
#include "quorum/proposal.h"
#include "quorum/quorum_answers.h"

namespace millrace::env {
class Shard;
}
namespace millrace::config {
class BrokerConfig;
}
namespace millrace::controller {
class State;
}

namespace millrace::quorum {

class MetadataReplica;

// What a command came to, once it is committed: its answer, and the offset of the last record that
// the answer rests on. An image of at least that offset shows its effects.
template <typename Response>
struct Committed {
    Response response;
    std::int64_t offset = -1;
};

// The answer type of a command's decide().
template <typename Command>
using ResponseOf =
    decltype(decide(std::declval<const Command&>(), std::declval<const controller::State&>(),
                    std::declval<controller::Inputs>())
                 .response);

// Where the quorum stands (DescribeQuorum).
struct QuorumStatus {
    struct Replica {
        raft::ReplicaKey key;
        std::int64_t log_end = -1;  // -1: not known
        Timestamp last_fetch = -1;
        Timestamp last_caught_up = -1;
    };
    std::int32_t leader = raft::no_node;
    std::int32_t epoch = 0;
    std::int64_t high_watermark = -1;
    std::vector<Replica> voters;  // in the order of ids
    std::vector<Replica> observers;
    std::vector<raft::Voter> voter_endpoints;
};

// How the quorum fares here (raft-metrics, KafkaController); values that no sample was taken for
// are left out.
struct QuorumFigures {
    std::int32_t voted = raft::no_node;
    std::int64_t log_end = 0;
    std::int32_t log_end_epoch = 0;
    std::int64_t unknown_voters = 0;  // of which it is not known where they are heard
    double idle = 1;                  // the part of the time in which there was nothing to do
    bool voter_change_uncommitted = false;
    bool ignores_static_voters = false;
    double append_rate = 0;
    double fetch_rate = 0;
    std::optional<double> commit_latency_average;  // ms
    std::optional<double> commit_latency_max;
    std::optional<double> election_latency_average;
    std::optional<double> election_latency_max;
    Timestamp last_applied = -1;
    // Since the start:
    std::int64_t elections = 0;
    std::int64_t failed_snapshots = 0;
    std::int64_t operations_started = 0;  // commands that a controller here began
    std::int64_t snapshots_loaded = 0;
    // Of the last snapshot that was made here; the age is from the start while there is none.
    std::uint64_t snapshot_bytes = 0;
    Duration snapshot_age;
};

// What any shard may ask at any time.
struct SharedStanding {
    std::atomic<std::int32_t> leader = raft::no_node;
    std::atomic<std::int16_t> kraft_version = 0;
};

struct QuorumOptions {
    std::string cluster_id;
    std::int32_t node_id = 0;
    Uuid directory_id;      // of metadata.log.dir
    std::string directory;  // metadata.log.dir
    const config::BrokerConfig& config;
    std::function<Time()> clock = {};  // goes on during loop turns; none: that of the shard
};

// This node's replica of the metadata log, and the controller while it leads. Lives on shard 0.
class MetadataQuorum {
  public:
    using Options = QuorumOptions;
    // Opens the log, recovering what an unclean end left, and starts taking part in the quorum.
    // kafka_storage_error; invalid_config for a quorum that this node cannot take part in.
    static Task<Result<std::unique_ptr<MetadataQuorum>>> open(env::Shard& shard, Options options);
    ~MetadataQuorum();

    // Resigns where it leads, and closes the log; that other voters know of it is waited for so
    // long. Waiters are cancelled.
    Task<Result<>> stop(Duration patience = Duration::seconds(2));
    // Ends when the metadata log cannot be followed or written any more; the node must then end.
    Task<Error> failed();

    // The newest committed image.
    metadata::ImagePtr image() const;
    // Ends when everything that the log held at the start, and the first records of a term, are
    // committed and in the image.
    Task<metadata::ImagePtr> caught_up();
    // The first image above `offset`.
    Task<metadata::ImagePtr> image_after(std::int64_t offset);

    // From any shard: the leader's id, or raft::no_node.
    std::int32_t leader_id() const { return standing_.leader.load(std::memory_order_relaxed); }
    // Ends when another node leads, or nobody does.
    Task<void> leader_changed(std::int32_t from);
    // From any shard: the finalized level of kraft.version.
    std::int16_t kraft_version() const {
        return standing_.kraft_version.load(std::memory_order_relaxed);
    }
    QuorumStatus status() const;
    QuorumFigures figures() const;
    // How long ago the controller that this node is heard of a broker in its term; nothing where
    // it is none, or has not.
    std::optional<Duration> since_heartbeat(std::int32_t broker) const;
    // Where the active controller is heard, while this node follows it.
    std::optional<env::Address> leader_address() const;

    // Answers the quorum's requests of other nodes: Vote, BeginQuorumEpoch, EndQuorumEpoch, Fetch
    // of the metadata log, FetchSnapshot and UpdateRaftVoter; of administrators, too: AddRaftVoter
    // and RemoveRaftVoter.
    Task<QuorumAnswer<VoteResponse>> answer(const VoteRequest& request, Asker asker);
    Task<QuorumAnswer<BeginQuorumEpochResponse>> answer(const BeginQuorumEpochRequest& request,
                                                        Asker asker);
    Task<QuorumAnswer<EndQuorumEpochResponse>> answer(const EndQuorumEpochRequest& request,
                                                      Asker asker);
    Task<QuorumAnswer<FetchResponse>> answer(const FetchRequest& request, Asker asker);
    Task<QuorumAnswer<FetchSnapshotResponse>> answer(const FetchSnapshotRequest& request,
                                                     Asker asker);
    Task<QuorumAnswer<AddRaftVoterResponse>> answer(const AddRaftVoterRequest& request,
                                                    Asker asker);
    Task<QuorumAnswer<RemoveRaftVoterResponse>> answer(const RemoveRaftVoterRequest& request,
                                                       Asker asker);
    Task<QuorumAnswer<UpdateRaftVoterResponse>> answer(const UpdateRaftVoterRequest& request,
                                                       Asker asker);

    // Decides a command on the controller that this node is; answers when its records are
    // committed. not_controller when this node does not lead, or ceased to before the commit.
    template <typename Command>
    Task<Result<Committed<ResponseOf<Command>>>> submit(Command command) {
        std::optional<ResponseOf<Command>> response;
        auto decision = [&](const controller::State& state, controller::Inputs in) {
            auto decided = decide(command, state, in);
            response.emplace(std::move(decided.response));
            return Proposal{std::move(decided.records), decided.atomic, decided.kraft_version};
        };
        ASSIGN_OR_CO_RETURN(std::int64_t offset, co_await commit(decision));
        co_return Committed<ResponseOf<Command>>{*std::move(response), offset};
    }

  private:
    // Decides now, and ends when the records are committed; their last offset.
    Task<Result<std::int64_t>> commit(const Decide& decide);

    MetadataQuorum(env::Shard& shard, const Options& options);

    SharedStanding standing_;
    std::unique_ptr<MetadataReplica> replica_;
};

}  // namespace millrace::quorum
