#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/scope.h"
#include "client/assigned_partitions.h"
#include "client/client_config.h"
#include "client/cluster.h"
#include "client/fetch_session.h"
#include "client/signal.h"
#include "env/shard.h"

namespace millrace::client {

struct FetchOptions {
    DecodeOptions decode;
    IsolationLevel isolation = IsolationLevel::read_uncommitted;
    std::string rack;
    std::int32_t min_bytes = 1;
    std::int32_t max_bytes = 50 << 20;
    std::int32_t max_partition_bytes = 1 << 20;
    Duration max_wait = Duration::milliseconds(500);
    Duration request_timeout = Duration::seconds(30);
    Duration metadata_max_age = Duration::seconds(300);
    OffsetReset reset;  // where to go on when an offset is out of range
    Backoff retry;
};

// Fetches ahead for all assigned partitions: one request at a time for each broker, that names
// every partition it leads which has less than max.partition.fetch.bytes waiting for the user. What
// waits is bounded by fetch.max.bytes, and one response of that size for each broker.
class Fetcher {
  public:
    // Raises `changed` when there is something for the user.
    Fetcher(Cluster& cluster, AssignedPartitions& partitions, Signal& changed,
            const FetchOptions& options);

    // Positions, the assignment or the room have changed.
    void wake();
    Task<void> close();

  private:
    struct Node {
        FetchSession session;
        bool busy = false;
        int failures = 0;
        Time not_before;
    };
    // What a request asked for: an answer counts only while the partition still stands there.
    struct Asked {
        std::uint64_t incarnation = 0;
        std::int64_t offset = 0;
    };
    using AskedPartitions = std::map<TopicPartition, Asked>;
    class Alarm final : public env::Timer {
      public:
        explicit Alarm(Fetcher& fetcher) : fetcher_(fetcher) {}
        void fire() override { fetcher_.wake(); }

      private:
        Fetcher& fetcher_;
    };

    Task<void> run();
    Task<void> watch_metadata();
    void fetch_where_wanted();
    std::int32_t node_for(const TopicPartition& name, AssignedPartition& partition, Time now,
                          FetchTarget& target);
    Task<void> fetch(std::int32_t id, FetchTargets targets);
    Task<Result<Reply<FetchResponse>>> ask(std::int32_t id, Node& node, const FetchTargets& targets,
                                           std::string& broker);
    void take(std::int32_t id, Node& node, const FetchResponse& response,
              const AskedPartitions& asked, const std::string& broker);
    void take_partition(const TopicPartition& name, AssignedPartition& partition,
                        const FetchResponse::PartitionData& data, std::int32_t node,
                        const std::string& broker);
    void take_error(const TopicPartition& name, AssignedPartition& partition,
                    const FetchResponse::PartitionData& data, std::int32_t node,
                    const std::string& broker);
    void out_of_range(const TopicPartition& name, AssignedPartition& partition,
                      const std::string& broker);
    void pause(AssignedPartition& partition);

    Cluster& cluster_;
    env::Shard& shard_;
    AssignedPartitions& partitions_;
    Signal& changed_;
    FetchOptions options_;
    std::map<std::int32_t, Node> nodes_;
    Scope scope_;
    bool woken_ = true;
    Condition wake_;
    Time next_;  // when something that waits now may go
    Alarm alarm_{*this};
};

}  // namespace millrace::client
