#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/completion.h"
#include "base/scope.h"
#include "broker/coordinators/coordinator_log.h"
#include "broker/coordinators/due_work.h"
#include "broker/coordinators/group_figures.h"
#include "core/groups/group_coordinator.h"
#include "env/shard.h"

namespace millrace::broker {

class SharePersister;

// Whose transaction offsets are part of, and whether its coordinator is to be asked first.
struct OffsetTransaction {
    enum class Ask : std::uint8_t { nothing, whether_it_is, to_join };
    std::string transactional_id;
    transactions::ProducerIdAndEpoch producer;
    Ask ask = Ask::to_join;
};

// What a heartbeat of a streams group's member gives: the internal topics that are to be made, too.
struct StreamsHeartbeat {
    StreamsGroupHeartbeatResponse response;
    std::vector<CreateTopicsRequest::CreatableTopic> missing;
};

struct GroupHostOptions {
    groups::GroupOptions groups;
    CoordinatorLog::Options log;
};

// Drives the groups of one partition of __consumer_offsets that this node leads: who waits for what
// of them, and when they are due. Lives on the partition's shard.
class GroupHost final : private CoordinatorLog::State {
  public:
    GroupHost(env::Shard& shard, std::shared_ptr<Partition> partition,
              const GroupHostOptions& options, TransactionVerifier& verifier,
              SharePersister& persister, GroupFigures& figures);

    // Replays the log; until then everything is answered COORDINATOR_LOAD_IN_PROGRESS.
    void start() { log_.start(); }
    // Who waits is told NOT_COORDINATOR; appends under way end first.
    Task<void> stop();
    // None when the groups can be used.
    ErrorCode ready() const { return log_.ready(); }
    CoordinatorLog::Stage stage() const { return log_.stage(); }
    // What coordinator() says is committed then. An error as clients may hear it.
    Task<ErrorCode> settled() { return log_.settled(); }

    Task<JoinGroupResponse> join(const JoinGroupRequest& request, std::int16_t version,
                                 groups::Client client);
    Task<SyncGroupResponse> sync(const SyncGroupRequest& request);
    ErrorCode heartbeat(const HeartbeatRequest& request);
    Task<LeaveGroupResponse> leave(const LeaveGroupRequest& request, std::int16_t version);
    // A member of the consumer protocol (KIP-848) joins, leaves, or tells that it lives.
    Task<ConsumerGroupHeartbeatResponse> consumer_heartbeat(
        const ConsumerGroupHeartbeatRequest& request, std::int16_t version, groups::Client client);
    // One code a partition, in the order of the commit.
    Task<std::vector<ErrorCode>> commit_offsets(groups::Commit commit);
    // The same for offsets that count when a transaction commits.
    Task<std::vector<ErrorCode>> commit_offsets(groups::Commit commit,
                                                OffsetTransaction transaction);
    Task<OffsetDeleteResponse> delete_offsets(const OffsetDeleteRequest& request);
    Task<ErrorCode> delete_group(const std::string& group_id);
    // Writes the marker; the transaction's offsets count from then on, or are dropped.
    Task<ErrorCode> end_transaction(TransactionEnd end) { return log_.end_transaction(end); }
    Task<void> forget_topics(const std::set<std::string>& topics, const std::set<Uuid>& ids);

    // Share groups (KIP-932; group_host_share.cc). What share coordinators are to do for them is
    // done when the answer comes.
    Task<ShareGroupHeartbeatResponse> share_heartbeat(const ShareGroupHeartbeatRequest& request,
                                                      groups::Client client);
    Task<AlterShareGroupOffsetsResponse> alter_share_offsets(
        const AlterShareGroupOffsetsRequest& request);
    Task<DeleteShareGroupOffsetsResponse> delete_share_offsets(
        const DeleteShareGroupOffsetsRequest& request);

    // Streams groups (KIP-1071; group_host_streams.cc).
    Task<StreamsHeartbeat> streams_heartbeat(const StreamsGroupHeartbeatRequest& request,
                                             groups::Client client);

    // What consumer groups subscribe to may have changed: their next heartbeats tell.
    void set_image(metadata::ImagePtr image) { coordinator_.set_image(std::move(image)); }
    const groups::GroupCoordinator& coordinator() const { return coordinator_; }

  private:
    template <void (GroupHost::*wakes)()>
    class Wake final : public env::Timer {
      public:
        explicit Wake(GroupHost& host) : host_(host) {}
        void fire() override { (host_.*wakes)(); }

      private:
        GroupHost& host_;
    };
    using Waiting = std::function<void(groups::Reply&)>;

    Result<> apply(const coordinator::Record& record, const coordinator::AppendedAs& as) override {
        return coordinator_.apply(record, as);
    }
    void transaction_ended(std::int64_t producer_id, bool committed) override {
        coordinator_.end_transaction(producer_id, committed);
    }
    void loaded() override;
    Task<void> expire_offsets();
    void tick();
    void act(groups::Effects effects);
    Task<void> append(groups::Append append);
    void schedule();
    template <typename Response>
    Task<Response> wait_for_reply(groups::Ticket ticket, groups::Effects effects);
    std::string new_member_id(const std::string& prefix);
    bool is_consumer_group(const std::string& group_id) const {
        return coordinator_.consumers().find(group_id) != nullptr;
    }
    // Not one that a classic member may join as it is.
    bool is_before_classic(const std::string& group_id) const {
        return is_consumer_group(group_id) || coordinator_.needs_room_for_classic(group_id);
    }

    // Groups of the consumer protocol.
    void conclude(const std::string& group_id, groups::Migration migration);
    void count_rebalances();
    void follow_consumers();
    Task<void> work_off_due();
    template <typename Decide>
    auto decide(const std::string& group_id, Decide decide)
        -> Task<std::expected<decltype(std::declval<Decide&>()().response), ErrorCode>>;

    // Share groups.
    template <typename Response>
    struct ShareDecided {
        Response response;
        std::optional<groups::ShareStateRequest> initialize;
        std::optional<groups::ShareStateRequest> remove;
    };
    template <typename Decide>
    auto decide_share(Decide decide) -> Task<
        std::expected<ShareDecided<decltype(std::declval<Decide&>()().response)>, ErrorCode>>;
    using ShareOutcomes = std::map<Uuid, std::map<std::int32_t, Error>>;  // that failed
    template <typename Ask>
    Task<ShareOutcomes> ask_share_coordinators(const groups::ShareStateRequest& request, Ask ask);
    Task<ShareOutcomes> initialize_states(groups::ShareStateRequest request);
    Task<ShareOutcomes> remove_states(groups::ShareStateRequest request);
    Task<ErrorCode> remove_share_states(const std::string& group_id);

    env::Shard& shard_;
    const groups::GroupOptions& options_;
    TransactionVerifier& verifier_;
    SharePersister& persister_;
    GroupFigures& figures_;
    groups::GroupCoordinator coordinator_;
    struct Counted {
        std::uint64_t consumer = 0;
        std::uint64_t share = 0;
        std::uint64_t streams = 0;
        std::uint64_t classic = 0;
    };
    Counted counted_;  // of rebalances
    groups::Ticket last_ticket_ = 0;
    std::map<groups::Ticket, Waiting> waiting_;
    Wake<&GroupHost::tick> wake_{*this};
    Wake<&GroupHost::follow_consumers> consumers_wake_{*this};
    bool works_off_due_ = false;
    Time due_again_;  // after a failure
    CoordinatorLog log_;
    DueWork shares_due_;
    DueWork streams_due_;
};

}  // namespace millrace::broker
