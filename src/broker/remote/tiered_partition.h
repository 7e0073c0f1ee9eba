#pragma once

#include <memory>
#include <optional>
#include <set>
#include <vector>

#include "base/scope.h"
#include "broker/partitions/partition.h"
#include "broker/partitions/remote_log.h"
#include "broker/remote/read_ahead.h"
#include "broker/remote/segment_work.h"

namespace millrace::broker {

// A partition whose older segments are in remote storage (KIP-405), for as long as this node leads
// or follows. A leader copies what is complete and removes what has expired; a follower learns what
// is copied, so that it need not keep it. Both read. On the partition's shard.
class TieredPartition final : public RemoteLog {
  public:
    TieredPartition(RemoteServices& services, std::shared_ptr<Partition> partition);
    ~TieredPartition() override;

    void start();
    // This node, which followed, leads now: what it knows of remote storage stays known.
    void lead();
    bool leads() const { return leads_; }
    // Ends the work. Calls of the store that are under way are waited for.
    Task<void> stop();
    // Removes every segment; tries until all have gone. After stop().
    Task<void> remove_all();

    storage::Offset highest_offset() const override;
    Task<Result<RemoteRecords>> read(RemoteReadRequest request) override;
    Task<Result<std::optional<storage::TimestampedOffset>>> find_by_timestamp(
        Timestamp timestamp) override;
    Task<Result<storage::RemoteBeginning>> beginning(replication::TieredBeginning at) override;
    void read_expired() override;
    void search_expired() override;

  private:
    Task<void> run();
    Task<void> sweep_forever();
    void watch();
    storage::Offset highest_copied() const;
    Result<> settle();
    void recover_epochs();
    Task<void> copy_forever();
    // False when something failed.
    Task<bool> copy_complete_segments();
    Task<void> expire_forever();
    Task<Result<>> expire();
    void measure_copy_lag();
    // Reading (tiered_reads.cc).
    template <typename T, typename Look>
    Task<Result<T>> look_up(Look look);
    Result<> check_readable() const;
    Error told(Error error, storage::Offset offset) const;
    Task<Result<RemoteRecords>> read_records(RemoteReadRequest request);
    Task<Result<RemoteBatches>> read_batches(ReadAhead::Chunk chunk, std::uint64_t max_bytes);
    void within_history(RemoteBatches& batches) const;
    std::uint64_t ahead_most() const;
    void keep_ahead(storage::Offset offset, std::uint64_t window);
    Task<void> run_ahead(storage::Offset at, std::uint64_t bytes);
    Task<Result<std::vector<storage::AbortedTransaction>>> aborted_transactions(
        storage::remote::RemoteLogSegment segment, RemoteCut cut, std::uint64_t max_bytes);
    Task<Result<std::optional<storage::TimestampedOffset>>> find_remotely(Timestamp timestamp);
    RemoteWork work() { return {services_, *followed_, *metrics_}; }
    Duration interval() const;

    RemoteServices& services_;
    std::shared_ptr<Partition> partition_;
    bool leads_ = false;
    std::shared_ptr<RemoteTopicMetrics> metrics_;
    RemoteFigures figures_;
    std::shared_ptr<FollowedSegments> followed_;
    storage::Offset copied_ = storage::no_offset;
    std::uint64_t total_bytes_ = 0;  // here and in remote storage, each record once
    std::set<Uuid> being_copied_;
    ReadAhead ahead_;
    std::vector<metrics::Registry::Reading> readings_;
    Scope scope_;
};

}  // namespace millrace::broker
