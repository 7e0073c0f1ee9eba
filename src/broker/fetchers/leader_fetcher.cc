#include "broker/fetchers/leader_fetcher.h"

#include <algorithm>
#include <fmt/core.h>

#include "broker/log.h"
#include "env/shard.h"
#include "protocol/list_offsets.h"

namespace millrace::broker {
namespace {

using metadata::BrokerIds;
using replication::Follower;
using PartitionData = FetchResponse::PartitionData;

// An answer has up to replica.fetch.response.max.bytes, 10 MiB; others on this loop wait while
// records are checked and written.
constexpr std::size_t taken_a_turn = 512 << 10;
constexpr std::int16_t first_version_with_ids = 13;
constexpr Timestamp latest = -1;
constexpr Timestamp earliest = -2;
constexpr Timestamp earliest_local = -4;

FetchPosition position_of(const Partition& partition, std::int32_t leader_epoch) {
    const storage::Log& log = partition.log();
    auto last = log.epochs().latest();
    return {.offset = log.next_offset(),
            .leader_epoch = leader_epoch,
            .last_epoch = last ? last->epoch : -1,
            .log_start = log.start_offset()};
}

replication::FetchAnswered answer_of(const PartitionData& data, const storage::Log& log) {
    replication::FetchAnswered answer{.error = data.error_code,
                                      .high_watermark = data.high_watermark,
                                      .log_start = data.log_start_offset,
                                      .has_records = data.records && !data.records->empty()};
    if (data.diverging_epoch.epoch < 0 && data.diverging_epoch.end_offset < 0) return answer;
    answer.diverging = {data.diverging_epoch.epoch, data.diverging_epoch.end_offset};
    auto own = log.epochs().end_of(data.diverging_epoch.epoch, log.next_offset());
    if (own) answer.own = {own->epoch, own->end_offset};
    return answer;
}

}  // namespace

LeaderFetcher::LeaderFetcher(Parts parts, std::int32_t leader, const SaveRecoveryPoints& save)
    : parts_(parts),
      leader_(leader),
      save_recovery_points_(save),
      link_(parts.shard, parts.metadata, parts.config, leader,
            fmt::format("broker-{}-fetcher-{}", parts.node.id, parts.shard.id())),
      scope_(parts.shard) {}

std::string LeaderFetcher::name() const {
    return fmt::format("ReplicaFetcherThread-{}-{}", parts_.shard.id(), leader_);
}

void LeaderFetcher::add(const std::shared_ptr<Partition>& partition) {
    auto backoff = Duration::milliseconds(parts_.config.replica_fetch_backoff_ms());
    TopicIdPartition id = partition->id();
    following_.erase(id);
    Following following{partition, Follower(partition->leader_epoch(), backoff)};
    following.lag = parts_.metrics.registry.read_gauge(
        metrics::declared::fetcher_lag_metrics_consumer_lag,
        {name(), partition->identity().topic, std::to_string(id.partition)},
        [this, id] { return static_cast<double>(following_.at(id).behind.value_or(0)); });
    following_.emplace(id, std::move(following));
    changed_.notify_all();
}

void LeaderFetcher::remove(const TopicIdPartition& id) {
    following_.erase(id);
    changed_.notify_all();
}

std::int64_t LeaderFetcher::most_behind() const {
    std::int64_t most = 0;
    for (const auto& [id, each] : following_) most = std::max(most, each.behind.value_or(0));
    return most;
}

std::size_t LeaderFetcher::failed() const {
    return static_cast<std::size_t>(std::ranges::count_if(following_, [](const auto& each) {
        return each.second.failed || each.second.follower.resumes_at() == Time::never();
    }));
}

// What came for an epoch that has passed counts for nothing.
LeaderFetcher::Following* LeaderFetcher::find(const TopicIdPartition& id, std::int32_t epoch) {
    auto found = following_.find(id);
    if (found == following_.end()) return nullptr;
    return found->second.follower.leader_epoch() == epoch ? &found->second : nullptr;
}

Task<void> LeaderFetcher::run() {
    for (;;) co_await run_round();
}

Task<void> LeaderFetcher::run_round() {
    co_await begin_new();
    FetchPositions positions;
    std::vector<TopicIdPartition> unplaced;
    if (!choose(positions, unplaced)) {
        co_return co_await wait_for_change(next_resumption());
    }
    auto link = co_await link_.get(scope_);
    if (!link) co_return co_await pause(link.error());
    if (!unplaced.empty() && !co_await look_up_offsets(*link, unplaced)) co_return;
    if (positions.empty()) co_return;
    Result<> fetched = co_await fetch(*link, positions);
    if (!fetched) co_return co_await pause(fetched.error());
    told_error_.clear();
}

// The leader counts on all that is asked to go on from: it has to be on stable storage.
Task<void> LeaderFetcher::begin_new() {
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (auto& [id, each] : following_) {
            if (std::exchange(each.begun, true)) continue;
            auto actions = each.follower.step(replication::FollowingBegan{},
                                              each.partition->follower_log(), parts_.shard.now());
            scope.spawn(carry_out(id, each.follower.leader_epoch(), actions, {}));
        }
        co_await scope.join();
    });
}

// False when there is nothing to ask for now.
bool LeaderFetcher::choose(FetchPositions& positions, std::vector<TopicIdPartition>& unplaced) {
    Time now = parts_.shard.now();
    for (auto& [id, each] : following_) {
        std::int32_t epoch = each.follower.leader_epoch();
        if (!each.begun || each.failed || !each.partition->follows(epoch)) continue;
        Follower::Need need = each.follower.need(now);
        if (need == Follower::Need::fetch && !is_held_back(each)) {
            positions.emplace(id, position_of(*each.partition, epoch));
        } else if (need == Follower::Need::offsets) {
            unplaced.push_back(id);
        }
    }
    return !positions.empty() || !unplaced.empty();
}

// A replica that is level, or nearly so, is never held back.
bool LeaderFetcher::is_held_back(const Following& each) const {
    return each.partition->throttled().following && each.behind.value_or(1) > 0 &&
           parts_.quota.is_exceeded(parts_.config.follower_replication_throttled_rate(),
                                    parts_.shard.now());
}

Time LeaderFetcher::next_resumption() const {
    Time next = Time::never();
    Time looked_at_again =
        parts_.shard.now() + Duration::milliseconds(parts_.config.replica_fetch_backoff_ms());
    for (const auto& [id, each] : following_) {
        if (!each.begun) return parts_.shard.now();
        bool ready = !each.failed && each.partition->follows(each.follower.leader_epoch());
        if (!ready) continue;
        Time resumes = each.follower.resumes_at();
        if (is_held_back(each)) resumes = std::max(resumes, looked_at_again);
        next = std::min(next, resumes);
    }
    return next;
}

Task<void> LeaderFetcher::pause(const Error& error) {
    session_.lost();
    if (told_error_ != error.message) {
        LOG_WARN("cannot fetch from broker {}: {}", leader_, error.message);
        told_error_ = error.message;
    }
    auto backoff = Duration::milliseconds(parts_.config.replica_fetch_backoff_ms());
    co_await wait_for_change(parts_.shard.now() + backoff);
}

// Another replica is to be fetched, or one in another epoch.
Task<void> LeaderFetcher::wait_for_change(Time until) {
    auto change = [](Condition& changed) -> Task<void> { co_await changed.wait(); };
    (void)co_await env::with_deadline(parts_.shard, until, change(changed_));
}

// Where the leader's logs begin and end, for replicas that lie outside. False: there was no answer.
Task<bool> LeaderFetcher::look_up_offsets(const Link& link,
                                          const std::vector<TopicIdPartition>& unplaced) {
    std::map<TopicIdPartition, replication::OffsetsAnswered> found;
    std::map<TopicIdPartition, std::int32_t> epochs;
    std::map<std::pair<std::string_view, std::int32_t>, TopicIdPartition> by_name;
    std::vector<std::shared_ptr<Partition>> held;  // their names are in the request
    for (Timestamp timestamp : {earliest, earliest_local, latest}) {
        ListOffsetsRequest request{.replica_id = parts_.node.id};
        for (const TopicIdPartition& id : unplaced) {
            auto following = following_.find(id);
            if (following == following_.end()) continue;
            held.push_back(following->second.partition);
            std::string_view topic = held.back()->identity().topic;
            std::int32_t epoch = following->second.follower.leader_epoch();
            epochs.try_emplace(id, epoch);
            by_name.try_emplace({topic, id.partition}, id);
            auto& asked = request.topics.emplace_back();
            asked.name = topic;
            asked.partitions.push_back({.partition_index = id.partition,
                                        .current_leader_epoch = epochs.at(id),
                                        .timestamp = timestamp});
        }
        auto reply = co_await link->call(request);
        if (!reply) {
            co_await pause(reply.error());
            co_return false;
        }
        for (const auto& topic : reply->response.topics) {
            for (const auto& told : topic.partitions) {
                auto named = by_name.find({topic.name, told.partition_index});
                if (named == by_name.end()) continue;
                replication::OffsetsAnswered& answer = found[named->second];
                if (answer.error == ErrorCode::none) answer.error = told.error_code;
                if (timestamp == earliest) {
                    answer.start = told.offset;
                } else if (timestamp == latest) {
                    answer.end = told.offset;
                } else {
                    answer.local_start = told.offset;
                    answer.local_epoch = told.leader_epoch;
                }
            }
        }
    }
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (const auto& [id, answer] : found) {
            Following* each = find(id, epochs.at(id));
            if (each == nullptr) continue;
            auto actions =
                each->follower.step(answer, each->partition->follower_log(), parts_.shard.now());
            scope.spawn(carry_out(id, epochs.at(id), actions, {}));
        }
        co_await scope.join();
    });
    co_return true;
}

FetchRequest LeaderFetcher::request_of(const FetchPositions& positions) {
    const config::BrokerConfig& config = parts_.config;
    const metadata::Broker* self = parts_.metadata.image()->brokers.find(parts_.node.id);
    FetchRequest request{.max_wait_ms = config.replica_fetch_wait_max_ms(),
                         .min_bytes = config.replica_fetch_min_bytes(),
                         .max_bytes = config.replica_fetch_response_max_bytes()};
    request.replica_state = {.replica_id = parts_.node.id,
                             .replica_epoch = self == nullptr ? -1 : self->epoch};
    session_.prepare(positions, config.replica_fetch_max_bytes(), request);
    return request;
}

Task<Result<>> LeaderFetcher::fetch(const Link& link, const FetchPositions& positions) {
    ASSIGN_OR_CO_RETURN(std::int16_t version, link->version_of(ApiKey::fetch));
    if (version < first_version_with_ids) {
        co_return fail(ErrorCode::unsupported_version,
                       fmt::format("{} has Fetch up to version {}; brokers need {}", link->name(),
                                   version, first_version_with_ids));
    }
    if (!stats_ || stats_->leader() != link->address())
        stats_.emplace(parts_.metrics.registry, name(), link->address());
    stats_->requests.mark();
    auto reply = co_await link->call(request_of(positions));
    if (!reply) co_return fail(reply.error());
    switch (ErrorCode error = session_.take(reply->response)) {
        case ErrorCode::none:
            break;
        case ErrorCode::fetch_session_id_not_found:
        case ErrorCode::invalid_fetch_session_epoch:
        case ErrorCode::fetch_session_topic_id_error:
            co_return Result<>{};  // the next request begins a new one
        default:
            co_return fail(error, fmt::format("{} answered {} ({})", link->name(),
                                              meaning_of(error), name_of(error)));
    }
    co_await take(reply->response, positions);
    co_return Result<>{};
}

Task<void> LeaderFetcher::take(const FetchResponse& response, const FetchPositions& asked) {
    co_await with_scope([&](Scope& scope) -> Task<void> {
        std::size_t taken = 0;
        for (const auto& topic : response.responses) {
            for (const PartitionData& data : topic.partitions) {
                TopicIdPartition id{topic.topic_id, data.partition_index};
                auto at = asked.find(id);
                if (at == asked.end()) continue;
                if (taken >= taken_a_turn) {
                    taken = 0;
                    co_await env::sleep_until(parts_.shard, parts_.shard.now());
                }
                if (data.records) taken += data.records->size();
                scope.spawn(take_partition(id, at->second, data));
            }
        }
        co_await scope.join();
    });
}

Task<void> LeaderFetcher::take_partition(TopicIdPartition id, FetchPosition asked,
                                         const PartitionData& data) {
    Following* each = find(id, asked.leader_epoch);
    if (each == nullptr || position_of(*each->partition, asked.leader_epoch) != asked) co_return;
    replication::FetchAnswered answer = answer_of(data, each->partition->log());
    if (answer.error != ErrorCode::none) {
        LOG_INFO("broker {} answers a fetch of {} in epoch {} with {}", leader_,
                 each->partition->identity().to_string(), asked.leader_epoch,
                 name_of(answer.error));
    }
    auto actions = each->follower.step(answer, each->partition->follower_log(), parts_.shard.now());
    Slice records = actions.append ? data.records->in_memory() : Slice();
    parts_.metrics.bytes_in.mark(records.size());
    stats_->bytes.mark(records.size());
    const BrokerIds& adding = each->partition->state().adding;
    if (metadata::contains(adding, parts_.node.id))
        parts_.metrics.reassignment_bytes_in.mark(records.size());
    if (each->partition->throttled().following)
        parts_.quota.record(records.size(), parts_.shard.now());
    each->behind = std::max<std::int64_t>(0, data.high_watermark - asked.offset);
    co_await carry_out(id, asked.leader_epoch, actions, std::move(records));
}

// A start trusts what lies below the recovery point: when the log is cut below, that is told before
// anything else is written there.
Task<Result<>> LeaderFetcher::follow(Partition& partition, std::int32_t epoch,
                                     replication::FollowerActions actions, Slice records) {
    storage::Offset flushed = partition.log().flushed_end_offset();
    std::optional<storage::RemoteBeginning> behind;
    if (actions.begin_behind) {
        ASSIGN_OR_CO_RETURN(behind, co_await partition.remote_beginning(*actions.begin_behind));
    }
    CO_RETURN_IF_ERROR(
        co_await partition.follow(epoch, actions, std::move(records), std::move(behind)));
    bool cut = (actions.truncate_to || actions.begin_anew_at || actions.begin_behind) &&
               partition.log().flushed_end_offset() < flushed;
    if (!cut) co_return Result<>{};
    co_return co_await save_recovery_points_();
}

Task<void> LeaderFetcher::carry_out(TopicIdPartition id, std::int32_t epoch,
                                    replication::FollowerActions actions, Slice records) {
    Following* each = find(id, epoch);
    if (each == nullptr) co_return;
    std::shared_ptr<Partition> partition = each->partition;
    Result<> done = co_await follow(*partition, epoch, actions, std::move(records));
    each = find(id, epoch);
    if (done || each == nullptr || done.error().code == ErrorCode::not_leader_or_follower) {
        co_return;
    }
    LOG_ERROR("{} does not follow broker {}: {}", partition->identity().to_string(), leader_,
              done.error().message);
    if (done.error().code == ErrorCode::kafka_storage_error) {
        each->failed = true;
    } else {
        each->follower.step(replication::RecordsRefused{}, partition->follower_log(),
                            parts_.shard.now());
    }
}

}  // namespace millrace::broker
