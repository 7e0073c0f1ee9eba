#pragma once

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/condition.h"
#include "base/scope.h"
#include "client/backoff.h"
#include "client/cluster_metadata.h"
#include "client/connection.h"
#include "client/connection_pool.h"
#include "client/topic_partition.h"
#include "env/shard.h"

namespace millrace::client {

// What every kind of client is told of the cluster; client_config.h makes it.
struct ClusterOptions {
    std::vector<env::Address> bootstrap;
    PoolOptions pool;
    Backoff retry;
    std::int64_t max_retries = std::numeric_limits<std::int32_t>::max();
    Duration metadata_max_age = Duration::seconds(300);
    bool allow_auto_topic_creation = false;  // by asking for a topic's metadata
    bool rebootstrap = true;   // try the bootstrap addresses when no known broker can be reached
    bool controllers = false;  // the addresses are of controllers (bootstrap.controllers)
};

// Values are FindCoordinator's key types.
enum class CoordinatorType : std::int8_t { group = 0, transaction = 1, share = 2 };
std::string_view name_of(CoordinatorType type);  // "group"

struct Leader {
    std::int32_t id = -1;
    std::int32_t epoch = -1;
};

// The cluster as a client sees it: what is where, and connections to it. Lives on one shard;
// close() before it is destroyed.
//
// Errors of what may be tried again have a retriable code (base/error_code.h); retry.h tries again.
class Cluster {
  public:
    using Connected = Result<std::shared_ptr<BrokerConnection>>;

    Cluster(env::Shard& shard, ClusterOptions options);
    Cluster(const Cluster&) = delete;
    ~Cluster();
    // Ends all connections; what waits for them fails.
    Task<void> close();

    env::Shard& shard() const { return shard_; }
    const ClusterOptions& options() const { return options_; }

    // Metadata is of the topics that are tracked. It is asked for anew when it is older than
    // metadata.max.age.ms, when a topic is added, and on request; one request at a time, and
    // requests no closer than retry.backoff.ms.
    const std::shared_ptr<const ClusterMetadata>& metadata() const { return metadata_; }
    void track(std::string_view topic);
    void untrack(std::string_view topic);
    void track_all(bool all);
    void request_refresh();
    // Waits for a response that was asked for after this call; tries again until the deadline.
    Task<Result<>> refresh(Time deadline);
    // Waits until metadata()->generation() is another one.
    Task<void> changed_since(std::uint64_t generation);
    // Tracks the topic and waits until it is there with all its partitions. Fails at once when it
    // is forbidden or its name cannot be, at the deadline when it still does not exist.
    Task<Result<std::shared_ptr<const TopicInfo>>> topic(std::string name, Time deadline);
    // Waits for a partition of such a topic to have a leader.
    Task<Result<Leader>> leader(TopicPartition partition, Time deadline);
    // Names of topics of these ids, as far as some broker knows them; one attempt.
    Task<Result<std::map<Uuid, std::string>>> topic_names(std::vector<Uuid> ids);
    // From an answer that names a leader (KIP-951).
    void learn_leader(const TopicPartition& partition, Leader leader,
                      const std::vector<BrokerInfo>& brokers);

    // A connection to this broker, to the least loaded one that can be reached, to the controller
    // (or whom it is asked through), to a coordinator. One attempt: retriable errors are the
    // caller's to repeat.
    Task<Connected> broker(std::int32_t id, Lane lane = Lane::general);
    Task<Connected> any();
    Task<Connected> controller();
    Task<Connected> coordinator(CoordinatorType type, std::string key, Lane lane = Lane::general);
    // Ids of coordinators are remembered until an answer was NOT_COORDINATOR or the like.
    Task<Result<std::int32_t>> coordinator_id(CoordinatorType type, std::string key);
    void forget_coordinator(CoordinatorType type, std::string_view key);

    // For errors: "the cluster of localhost:9092,localhost:9093".
    std::string name() const;

  private:
    struct Candidate {
        std::int32_t id = 0;
        env::Address address;
    };
    Task<void> keep_fresh();
    Time next_refresh() const;
    Task<Result<>> refresh_once();
    Task<Result<>> refresh_from_broker(std::shared_ptr<BrokerConnection> from);
    Task<Result<>> refresh_from_controller(std::shared_ptr<BrokerConnection> from);
    Task<Result<>> know_brokers();
    Time request_deadline() const;
    void replace_metadata(ClusterMetadata metadata);
    Error still_missing(std::string_view topic) const;
    std::vector<Candidate> candidates();
    Task<Result<BrokerInfo>> find_coordinator(CoordinatorType type, std::string key);
    Task<Result<BrokerInfo>> coordinator_of(CoordinatorType type, std::string key);

    env::Shard& shard_;
    ClusterOptions options_;
    Scope scope_;
    ConnectionPool pool_;
    std::shared_ptr<const ClusterMetadata> metadata_;
    std::set<std::string, std::less<>> tracked_;
    bool track_all_ = false;
    // Refreshes are numbered as they are asked for: those up to `done` are answered, those up to
    // `refused` failed for good.
    std::uint64_t refreshes_wanted_ = 0;
    std::uint64_t refreshes_done_ = 0;
    std::uint64_t refreshes_refused_ = 0;
    bool urgent_ = false;  // a topic was added: no pause before the next refresh
    int failures_ = 0;     // of refreshes, in a row
    Time last_refresh_;
    Time next_attempt_;
    Error last_error_;
    bool closed_ = false;
    Condition wanted_;
    Condition changed_;  // a refresh has ended, or metadata_ is another one
    std::map<std::pair<CoordinatorType, std::string>, BrokerInfo, std::less<>> coordinators_;
};

}  // namespace millrace::client
