#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "base/task.h"
#include "client/cluster.h"
#include "client/consumer_offsets.h"
#include "client/group_offsets.h"
#include "client/producer_sender.h"

namespace millrace::client {

// The transactions of one producer, one after the other (KIP-98), as transaction.version 2 has them
// (KIP-890): partitions join with their first records, and each end gives the producer its next
// epoch, so that nothing of one transaction can come to belong to the next.
class ProducerTransactions {
  public:
    ProducerTransactions(Cluster& cluster, ProducerSender& sender, std::string transactional_id,
                         std::int32_t timeout_ms);

    // Once, before the first: aborts what a producer of the same id has left open, and fences it.
    // UNSUPPORTED_VERSION: a cluster of a lower transaction.version.
    Task<Result<>> init(Time deadline);
    Result<> begin();
    // These offsets of a group count when the transaction commits.
    Task<Result<>> add_offsets(PartitionOffsets offsets, Committer group, Time deadline);
    // Ends the open transaction. A commit sends what is buffered first, and fails with the first
    // error that a record had: abort it then. After REQUEST_TIMED_OUT the same again.
    Task<Result<>> end(bool commit, Time deadline);
    bool is_open() const { return state_ == State::open; }

  private:
    enum class State : std::uint8_t { new_here, ready, open, fenced };
    template <typename Request>
    Task<Result<typename Request::Response>> ask(Request request, CoordinatorType type,
                                                 std::string key);
    Task<Result<>> init_once();
    Task<Result<>> end_once(bool commit);
    Task<Result<>> add_offsets_once(const PartitionOffsets& offsets, const Committer& group);
    Error refused(std::string_view doing, ErrorCode code, CoordinatorType type,
                  const std::string& key);
    Result<> check_open() const;

    Cluster& cluster_;
    ProducerSender& sender_;
    std::string id_;
    std::int32_t timeout_ms_;
    State state_ = State::new_here;
    bool has_offsets_ = false;
    std::uint64_t batches_before_ = 0;  // that were sent before the transaction began
};

}  // namespace millrace::client
