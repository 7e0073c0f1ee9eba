#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "client/client_config.h"
#include "client/cluster.h"
#include "client/consumer_offsets.h"
#include "client/consumer_records.h"
#include "client/topic_partition.h"

namespace millrace::client {

class ConsumerCore;

// Is told of rebalances inside poll(), unsubscribe() and close(); may commit and seek there.
class RebalanceListener {
  public:
    virtual Task<void> assigned(const Partitions& partitions) = 0;
    // Still this member's: what was read of them may be committed.
    virtual Task<void> revoked(const Partitions& partitions) = 0;
    // Somebody else may have them already.
    virtual Task<void> lost(const Partitions& partitions) { return revoked(partitions); }

  protected:
    ~RebalanceListener() = default;
};

// Reads records of topics, either of partitions that are assigned by hand or as a member of a
// group, whose partitions a member (group.protocol=classic) or the coordinator (consumer, KIP-848)
// shares out. Lives on one shard; one call at a time.
//
//   ASSIGN_OR_CO_RETURN(auto consumer, Consumer::create(cluster, config));
//   CO_RETURN_IF_ERROR(consumer->subscribe({"t"}));
//   while (...) {
//       ASSIGN_OR_CO_RETURN(ConsumerRecords records, co_await consumer->poll(timeout));
//       for (const ConsumedBatch& batch : records.batches)
//           for (const Record& record : batch.records) ...
//   }
//   CO_RETURN_IF_ERROR(co_await consumer->close());
class Consumer {
  public:
    // The cluster outlives the consumer.
    static Result<std::unique_ptr<Consumer>> create(Cluster& cluster, ConsumerConfig config);
    Consumer(const Consumer&) = delete;
    // close() comes first.
    ~Consumer();

    // What the group's members share among them; takes effect in the next poll(). Subscribing,
    // a pattern and assign() exclude each other until unsubscribe(). INVALID_GROUP_ID: no group.id.
    // The listener outlives the subscription.
    Result<> subscribe(std::vector<std::string> topics, RebalanceListener* listener = nullptr);
    // Every topic whose whole name matches (RE2's syntax), those that come later included. Which,
    // is found out here, and without internal ones unless exclude.internal.topics=false; with
    // group.protocol=consumer by the coordinator.
    Result<> subscribe_pattern(const std::string& pattern, RebalanceListener* listener = nullptr);
    // Leaves the group; forgets what was assigned.
    Task<Result<>> unsubscribe();
    // Exactly these from now on; partitions that stay keep their position.
    Result<> assign(const Partitions& partitions);
    Partitions assignment() const;
    // The topics that are subscribed to, of a pattern those that match now.
    std::set<std::string> subscription() const;

    // Records, at most max.poll.records, as soon as there are any; none at the timeout. Keeps the
    // membership: to be called at least every max.poll.interval.ms. Errors: a broken record or a
    // wrong CRC (CORRUPT_MESSAGE, INVALID_RECORD: names the offset; seek past it to go on), an
    // offset that does not exist with auto.offset.reset=none (OFFSET_OUT_OF_RANGE), what is not
    // allowed, a group that does not want this member (FENCED_INSTANCE_ID).
    Task<Result<ConsumerRecords>> poll(Duration timeout);

    // Where the next poll() goes on. INVALID_REQUEST: not assigned, or below 0.
    Result<> seek(const TopicPartition& partition, std::int64_t offset,
                  std::int32_t leader_epoch = -1);
    // Found by the next poll() or position(). No partitions: all that are assigned.
    Result<> seek_to_beginning(const Partitions& partitions = {});
    Result<> seek_to_end(const Partitions& partitions = {});
    // Offset of the next record; looked for where it is not known yet.
    Task<Result<std::int64_t>> position(TopicPartition partition);
    // Where they are, of partitions whose position is known.
    PartitionOffsets positions() const;
    // Paused partitions stay assigned and give no records.
    Result<> pause(const Partitions& partitions);
    Result<> resume(const Partitions& partitions);
    Partitions paused() const;

    // Commits the positions of all partitions, or the given ones, and waits; retriable errors are
    // tried again for default.api.timeout.ms. REBALANCE_IN_PROGRESS, ILLEGAL_GENERATION,
    // UNKNOWN_MEMBER_ID: the partitions may be another member's now, or no member is there yet;
    // poll() again.
    Task<Result<>> commit();
    Task<Result<>> commit(PartitionOffsets offsets);
    // Without waiting; what fails is logged and the next commit makes it good.
    void commit_in_background();
    // Of the group; partitions without a committed offset are left out.
    Task<Result<PartitionOffsets>> committed(Partitions partitions);

    // Of any partitions, assigned or not, all within default.api.timeout.ms.
    Task<Result<std::map<TopicPartition, std::int64_t>>> beginning_offsets(Partitions partitions);
    // The high watermark, of a read_committed consumer the last stable offset.
    Task<Result<std::map<TopicPartition, std::int64_t>>> end_offsets(Partitions partitions);
    // The first record at or after the time; partitions without one are left out.
    Task<Result<std::map<TopicPartition, OffsetAndTimestamp>>> offsets_for_times(
        std::map<TopicPartition, Timestamp> times);
    Task<Result<std::shared_ptr<const TopicInfo>>> partitions_for(std::string topic);
    // As the last fetch told them; none where none has.
    std::optional<std::int64_t> lag(const TopicPartition& partition) const;

    // Who this is in the group.
    struct Membership {
        std::string group_id;
        std::string member_id;  // empty: no member now
        std::optional<std::string> instance_id;
        std::int32_t generation = -1;  // with group.protocol=consumer, the member's epoch
    };
    Membership membership() const;

    // Commits if enable.auto.commit, leaves the group (a static member stays), ends fetching.
    Task<Result<>> close(Duration timeout = Duration::seconds(30));
    const ConsumerConfig& config() const;

  private:
    explicit Consumer(std::unique_ptr<ConsumerCore> core);
    Result<> reset(const Partitions& partitions, Timestamp to);
    Result<> set_paused(const Partitions& partitions, bool paused);
    Task<Result<std::map<TopicPartition, std::int64_t>>> offsets_at(Partitions partitions,
                                                                    Timestamp time);

    std::unique_ptr<ConsumerCore> core_;
};

}  // namespace millrace::client
