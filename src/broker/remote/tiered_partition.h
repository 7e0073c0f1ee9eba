#pragma once

#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "base/scope.h"
#include "broker/partitions/partition.h"
#include "broker/partitions/remote_log.h"
#include "broker/remote/segment_work.h"
#include "storage/remote/cached_indexes.h"

namespace millrace::broker {

// A partition whose older segments are in remote storage (KIP-405), for as long as this node leads
// it: copies what is complete, removes what has expired, and reads. On the partition's shard.
class TieredPartition final : public RemoteLog {
  public:
    TieredPartition(RemoteServices& services, std::shared_ptr<Partition> partition);
    ~TieredPartition() override;

    void start() { scope_.spawn(run()); }
    // Ends the work. Calls of the store that are under way are waited for.
    Task<void> stop();
    // Removes every segment; tries until all have gone. After stop().
    Task<void> remove_all();

    storage::Offset highest_offset() const override { return copied_; }
    Task<Result<RemoteRecords>> read(RemoteReadRequest request) override;
    Task<Result<std::optional<storage::TimestampedOffset>>> find_by_timestamp(
        Timestamp timestamp) override;

  private:
    Task<void> run();
    Result<> settle();
    Task<void> copy_forever();
    // False when something failed.
    Task<bool> copy_complete_segments();
    Task<void> expire_forever();
    Task<Result<>> expire();
    void measure_copy_lag();
    // Reading (tiered_reads.cc): a call of the store cannot be cut short, so that whoever waits
    // for one may leave before.
    template <typename T>
    struct Work {
        std::optional<Result<T>> result;
        std::size_t waiting = 0;
        Condition done;
    };
    struct Read : Work<RemoteRecords> {
        explicit Read(RemoteReadRequest asked) : request(asked) {}
        RemoteReadRequest request;
    };
    template <typename T>
    Task<Result<T>> wait_for(std::shared_ptr<Work<T>> work);
    template <typename T>
    static Task<void> carry_out(std::shared_ptr<Work<T>> work, Task<Result<T>> task);
    void forget_unclaimed(std::size_t most);
    template <typename T, typename Look>
    Task<Result<T>> look_up(Look look);
    Result<> check_readable() const;
    Error told(Error error, storage::Offset offset) const;
    Task<Result<RemoteRecords>> read_once(RemoteReadRequest request);
    Task<Result<RemoteRecords>> read_records(RemoteReadRequest request);
    Slice within_history(Slice records) const;
    Task<Result<std::vector<storage::AbortedTransaction>>> aborted_transactions(
        storage::remote::AbortedInRange told, storage::Offset next, storage::Offset offset,
        storage::Offset bound);
    Task<Result<std::optional<storage::TimestampedOffset>>> find_remotely(Timestamp timestamp);
    RemoteWork work() { return {services_, *followed_, *metrics_}; }
    Duration interval() const;

    RemoteServices& services_;
    std::shared_ptr<Partition> partition_;
    std::shared_ptr<RemoteTopicMetrics> metrics_;
    RemoteFigures figures_;
    std::shared_ptr<FollowedSegments> followed_;
    storage::Offset copied_ = storage::no_offset;
    std::set<Uuid> being_copied_;
    std::vector<std::shared_ptr<Read>> reads_;  // under way, and come for nobody
    Scope scope_;
};

}  // namespace millrace::broker
