#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "client/client_config.h"
#include "client/cluster.h"
#include "client/coordinated_membership.h"
#include "client/held_records.h"
#include "client/share_fetcher.h"
#include "client/share_records.h"
#include "client/signal.h"

namespace millrace::client {

// Reads records as a member of a share group (KIP-932): each is given to one member at a time, and
// again to somebody until a member has told that it is done with. Lives on one shard; one call at
// a time.
//
// With share.acknowledgement.mode=implicit the next poll(), or commit(), accepts what the last
// poll() gave; with explicit each record is acknowledged by itself before the next poll().
//
//   ASSIGN_OR_CO_RETURN(auto consumer, ShareConsumer::create(cluster, config));
//   CO_RETURN_IF_ERROR(consumer->subscribe({"t"}));
//   while (...) {
//       ASSIGN_OR_CO_RETURN(ShareRecords records, co_await consumer->poll(timeout));
//       for (const AcquiredBatch& batch : records.batches)
//           for (const Record& record : batch.records) ...
//   }
//   CO_RETURN_IF_ERROR(co_await consumer->close());
class ShareConsumer {
  public:
    // What was told of records, and whether the broker took it; offsets are in order.
    using OnAcknowledged = std::function<void(
        const TopicPartition& partition, const Acknowledgements& ranges, const Result<>& outcome)>;

    // The cluster outlives the consumer. INVALID_GROUP_ID: no group.id.
    static Result<std::unique_ptr<ShareConsumer>> create(Cluster& cluster,
                                                         ShareConsumerConfig config);
    ShareConsumer(const ShareConsumer&) = delete;
    // close() comes first.
    ~ShareConsumer();

    // Takes effect in the next poll().
    Result<> subscribe(std::vector<std::string> topics);
    // Leaves the group; what is held goes back.
    Task<Result<>> unsubscribe();
    const std::set<std::string>& subscription() const { return topics_; }

    // Records, of one or more batches, about max.poll.records (share.acquire.mode); none at the
    // timeout. What was renewed comes again, alone, once the broker has taken it. Errors: explicit
    // acknowledgements that are missing (INVALID_RECORD_STATE), a broken batch, which is rejected
    // (CORRUPT_MESSAGE), what is not allowed.
    Task<Result<ShareRecords>> poll(Duration timeout);

    // Of what the last poll() gave, only with share.acknowledgement.mode=explicit; told with the
    // next poll() or commit(). INVALID_RECORD_STATE: it is not held.
    Result<> acknowledge(const TopicPartition& partition, std::int64_t offset,
                         AcknowledgeType type = AcknowledgeType::accept);

    // Tells what became of records and waits, for default.api.timeout.ms at most; by partition.
    Task<std::map<TopicPartition, Result<>>> commit();
    // Without waiting.
    void commit_in_background();
    // Called inside poll(), commit() and close(), for everything that was told.
    void on_acknowledged(OnAcknowledged callback) { on_acknowledged_ = std::move(callback); }

    // For how long records are held without being renewed, as the last answer told it.
    std::optional<Duration> lock_timeout() const { return fetcher_->lock_timeout(); }
    const std::string& member_id() const { return member_->committer().member_id; }
    std::int32_t member_epoch() const { return member_->committer().generation; }

    // Tells what was acknowledged, gives back what is held, leaves the group.
    Task<Result<>> close(Duration timeout = Duration::seconds(30));
    const ShareConsumerConfig& config() const { return config_; }

  private:
    ShareConsumer(Cluster& cluster, ShareConsumerConfig config);

    void follow_coordinator();
    Result<ShareRecords> take_fetched();
    void tell(std::shared_ptr<Commitment> commitment);
    void tell_callback();
    Task<void> give_back(std::string reason, Time deadline);

    Cluster& cluster_;
    env::Shard& shard_;
    ShareConsumerConfig config_;
    Signal changed_;
    std::set<std::string> topics_;
    bool topics_moved_ = false;
    HeldRecords held_;
    std::optional<Error> broken_;  // for the next poll()
    OnAcknowledged on_acknowledged_;
    struct Settled {
        Answers answers;
        Result<> outcome;
    };
    std::deque<Settled> settled_;  // that the callback is to be told
    std::unique_ptr<CoordinatedMembership> member_;
    std::unique_ptr<ShareFetcher> fetcher_;
};

}  // namespace millrace::client
