#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/completion.h"
#include "base/scope.h"
#include "broker/partitions/partition.h"
#include "core/groups/group_coordinator.h"
#include "env/shard.h"

namespace millrace::broker {

// Drives the groups of one partition of __consumer_offsets that this node leads: replays the log,
// appends what the coordinator decides, and releases answers when it is committed. Lives on the
// partition's shard.
class GroupHost {
  public:
    GroupHost(env::Shard& shard, std::shared_ptr<Partition> partition,
              const groups::GroupOptions& options);

    // Replays the log; until then everything is answered COORDINATOR_LOAD_IN_PROGRESS.
    void start() { scope_.spawn(load()); }
    // Who waits is told NOT_COORDINATOR; appends under way end first.
    Task<void> stop();
    // None when the groups can be used.
    ErrorCode ready() const;

    Task<JoinGroupResponse> join(const JoinGroupRequest& request, std::int16_t version,
                                 groups::Client client);
    Task<SyncGroupResponse> sync(const SyncGroupRequest& request);
    ErrorCode heartbeat(const HeartbeatRequest& request);
    LeaveGroupResponse leave(const LeaveGroupRequest& request, std::int16_t version);
    // One code a partition, in the order of the commit.
    Task<std::vector<ErrorCode>> commit_offsets(groups::Commit commit);
    Task<OffsetDeleteResponse> delete_offsets(const OffsetDeleteRequest& request);
    Task<ErrorCode> delete_group(const std::string& group_id);
    // Writes the marker; the transaction's offsets count from then on, or are dropped.
    Task<ErrorCode> end_transaction(TransactionEnd end);
    Task<void> forget_topics(const std::set<std::string>& topics);
    const groups::GroupCoordinator& coordinator() const { return coordinator_; }

  private:
    class Wake final : public env::Timer {
      public:
        explicit Wake(GroupHost& host) : host_(host) {}
        void fire() override { host_.tick(); }

      private:
        GroupHost& host_;
    };
    using Waiting = std::function<void(groups::Reply&)>;

    Task<void> load();
    Task<void> expire_offsets();
    Result<> replay(Bytes batches, storage::Offset& next);
    void tick();
    void act(groups::Effects effects);
    Task<void> append(groups::Append append);
    Task<Result<storage::Offset>> append_records(const std::vector<groups::GroupRecord>& records);
    // Appends, applies, and tells the outcome.
    Task<ErrorCode> commit(std::vector<groups::GroupRecord> records);
    void schedule();
    template <typename Response>
    Task<Response> wait_for_reply(groups::Ticket ticket, groups::Effects effects);

    env::Shard& shard_;
    std::shared_ptr<Partition> partition_;
    const groups::GroupOptions& options_;
    groups::GroupCoordinator coordinator_;
    bool loaded_ = false;
    bool stopped_ = false;
    groups::Ticket last_ticket_ = 0;
    std::map<groups::Ticket, Waiting> waiting_;
    Wake wake_{*this};
    Scope scope_;
};

}  // namespace millrace::broker
