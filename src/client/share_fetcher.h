#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/scope.h"
#include "client/acquired_records.h"
#include "client/cluster.h"
#include "client/coordinated_member.h"
#include "client/held_records.h"
#include "client/share_session.h"
#include "client/signal.h"
#include "env/shard.h"

namespace millrace::client {

struct ShareFetchOptions {
    std::string group_id;
    std::string member_id;
    DecodeOptions decode;
    std::int32_t min_bytes = 1;
    std::int32_t max_bytes = 50 << 20;
    std::int32_t max_records = 500;  // max.poll.records
    bool record_limit = false;       // share.acquire.mode
    Duration max_wait = Duration::milliseconds(500);
    Duration request_timeout = Duration::seconds(30);
    Backoff retry;
};

// Acknowledgements with when to give up on them. Somebody may wait until all of a commit are
// settled.
struct Commitment {
    std::size_t left = 0;  // that are not settled
    std::map<TopicPartition, Result<>> outcomes;
};
struct Parcel {
    Answers answers;
    Time deadline;
    std::shared_ptr<Commitment> commitment;  // null: nobody waits
};

// Acquires records for a share group's member and tells what became of them: one request at a time
// for each broker's session, acknowledgements with the next fetch, or by themselves where none is
// due. Records are acquired only while the user wants some, as their locks run from then on.
class ShareFetcher {
  public:
    // A partition's records that wait for the user.
    struct Fetched {
        std::int32_t node = -1;
        SharePartition partition;
        AcquiredRecords records;
    };
    using OnSettled = std::function<void(const Answers&, const Result<>&)>;

    // Raises `changed` when there is something for the user; tells what was settled from inside
    // the fetcher's tasks.
    ShareFetcher(Cluster& cluster, Signal& changed, ShareFetchOptions options,
                 OnSettled on_settled);

    // By topic id and in the metadata's names; topics that it does not know are asked for.
    void assign(TopicIdPartitions partitions);
    void want_records();
    void acknowledge(Parcel parcel);
    std::deque<Fetched>& fetched() { return fetched_; }
    std::optional<Error> take_error() { return std::exchange(error_, std::nullopt); }
    // As the last answer told it.
    std::optional<Duration> lock_timeout() const { return lock_timeout_; }

    // Ends all sessions, with what is to be acknowledged yet: what is held goes back.
    Task<void> end_sessions(Time deadline);
    Task<void> close();

  private:
    struct Node {
        explicit Node(ShareSession begun) : session(std::move(begun)) {}
        ShareSession session;
        bool busy = false;
        int failures = 0;
        Time not_before;
        std::vector<Parcel> parcels;
    };
    class Alarm final : public env::Timer {
      public:
        explicit Alarm(ShareFetcher& fetcher) : fetcher_(fetcher) {}
        void fire() override { fetcher_.wake(); }

      private:
        ShareFetcher& fetcher_;
    };
    using Wanted = std::map<std::int32_t, std::set<SharePartition>>;

    void wake();
    Task<void> run();
    Task<void> watch_metadata();
    void ask_where_due();
    Wanted wanted();
    std::optional<std::int32_t> next_to_fetch(const Wanted& wanted) const;
    void ask(std::int32_t id, Node& node, const std::set<SharePartition>& targets, bool fetches);
    Node& node_of(std::int32_t id);
    Task<void> fetch(std::int32_t id, ShareFetchRequest request, std::vector<Parcel> sent);
    Task<void> tell(std::int32_t id, ShareAcknowledgeRequest request, std::vector<Parcel> sent);
    template <typename Request>
    Task<Result<Reply<typename Request::Response>>> call(std::int32_t id, const Request& request,
                                                         Duration timeout);
    void take(std::int32_t id, const Reply<ShareFetchResponse>& reply, std::vector<Parcel>& sent);
    void take_error_of(const TopicPartition& name, const ShareFetchResponse::PartitionData& data,
                       const std::string& broker);
    // The parcels of a partition are settled, or go again.
    void settle(Node& node, std::vector<Parcel>& sent, const SharePartition& partition,
                const Result<>& outcome);
    void settle_all(std::vector<Parcel>& parcels, const Result<>& outcome);
    void settle_one(const Parcel& parcel, const Result<>& outcome);
    void lose_session(std::int32_t id, Node& node);
    void pause(Node& node);
    std::string name_of(const SharePartition& partition) const;

    Cluster& cluster_;
    env::Shard& shard_;
    Signal& changed_;
    ShareFetchOptions options_;
    OnSettled on_settled_;
    std::map<std::int32_t, Node> nodes_;
    TopicIdPartitions assigned_;
    std::map<Uuid, std::string> names_;
    std::deque<Fetched> fetched_;
    bool wants_records_ = false;
    std::int32_t last_fetched_ = -1;  // node, of record_limit
    int fetching_ = 0;
    std::optional<Error> error_;
    std::optional<Duration> lock_timeout_;
    bool ending_ = false;
    Scope scope_;
    bool woken_ = true;
    Condition wake_;
    Time next_;
    Alarm alarm_{*this};
};

}  // namespace millrace::client
