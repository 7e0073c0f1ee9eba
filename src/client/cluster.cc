#include "client/cluster.h"

#include <algorithm>
#include <fmt/core.h>

#include "base/random.h"
#include "client/log.h"

namespace millrace::client {

Cluster::Cluster(env::Shard& shard, ClusterOptions options)
    : shard_(shard),
      options_(std::move(options)),
      scope_(shard),
      pool_(shard, scope_, options_.pool),
      metadata_(std::make_shared<const ClusterMetadata>()) {
    CHECK(!options_.bootstrap.empty());
    scope_.spawn(keep_fresh());
}

Cluster::~Cluster() = default;

Task<void> Cluster::close() {
    closed_ = true;
    changed_.notify_all();
    pool_.close_all("this client was closed");
    co_await scope_.close();
}

std::string Cluster::name() const {
    std::string name = "the cluster of ";
    for (const env::Address& address : options_.bootstrap) {
        if (name.back() != ' ') name += ',';
        name += address.to_string();
    }
    return name;
}

Time Cluster::request_deadline() const {
    return shard_.now() + options_.pool.connection.request_timeout;
}

void Cluster::replace_metadata(ClusterMetadata metadata) {
    metadata_ = std::make_shared<const ClusterMetadata>(std::move(metadata));
    changed_.notify_all();
}

void Cluster::track(std::string_view topic) {
    if (tracked_.contains(topic)) return;
    tracked_.emplace(topic);
    if (track_all_) return;
    urgent_ = true;
    request_refresh();
}

void Cluster::untrack(std::string_view topic) {
    if (auto at = tracked_.find(topic); at != tracked_.end()) tracked_.erase(at);
}

void Cluster::track_all(bool all) {
    if (std::exchange(track_all_, all) == all || !all) return;
    urgent_ = true;
    request_refresh();
}

void Cluster::request_refresh() {
    ++refreshes_wanted_;
    wanted_.notify_all();
}

Task<Result<>> Cluster::refresh(Time deadline) {
    std::uint64_t mine = ++refreshes_wanted_;
    wanted_.notify_all();
    auto ended = [this, mine] {
        return closed_ || refreshes_done_ >= mine || refreshes_refused_ >= mine;
    };
    bool in_time = co_await env::with_deadline(shard_, deadline, changed_.until(ended));
    if (refreshes_done_ >= mine) co_return Result<>{};
    if (closed_) co_return fail(ErrorCode::network_exception, "this client was closed");
    if (in_time) co_return fail(last_error_);
    co_return fail(
        ErrorCode::request_timed_out,
        fmt::format("{} did not tell its brokers and topics in time{}{}", name(),
                    failures_ > 0 ? ": " : "", failures_ > 0 ? last_error_.message : ""));
}

Task<void> Cluster::changed_since(std::uint64_t generation) {
    while (metadata_->generation() == generation) co_await changed_.wait();
}

Error Cluster::still_missing(std::string_view topic) const {
    const TopicInfo* info = metadata_->topic(topic);
    ErrorCode code = info == nullptr ? ErrorCode::unknown_topic_or_partition : info->error;
    if (code == ErrorCode::unknown_topic_or_partition) {
        return {code, fmt::format("topic '{}' does not exist in {}: create it, or look for a "
                                  "misspelled name (kafka-topics --list)",
                                  topic, name())};
    }
    if (code == ErrorCode::topic_authorization_failed) {
        return {code,
                fmt::format("topic '{}': this client may not see it; it needs DESCRIBE", topic)};
    }
    if (code == ErrorCode::invalid_topic_exception) {
        return {code, fmt::format("'{}' cannot be the name of a topic: letters, digits, '.', '_' "
                                  "and '-' are allowed, at most 249",
                                  topic)};
    }
    return {code, fmt::format("topic '{}': {} says {}", topic, name(), name_of(code))};
}

Task<Result<std::shared_ptr<const TopicInfo>>> Cluster::topic(std::string name, Time deadline) {
    track(name);
    for (;;) {
        auto at = metadata_->topics().find(name);
        if (at != metadata_->topics().end()) {
            const TopicInfo& info = *at->second;
            if (info.error == ErrorCode::none && !info.partitions.empty()) co_return at->second;
            if (info.error != ErrorCode::none && !is_retriable(info.error)) {
                co_return fail(still_missing(name));
            }
        }
        Result<> refreshed = co_await refresh(deadline);
        if (refreshed) continue;
        // Known to be missing says more than that time is over.
        bool told = metadata_->topic(name) != nullptr && failures_ == 0 && !closed_;
        co_return fail(told ? still_missing(name) : std::move(refreshed).error());
    }
}

Task<Result<Leader>> Cluster::leader(TopicPartition partition, Time deadline) {
    for (;;) {
        ASSIGN_OR_CO_RETURN(auto info, co_await topic(partition.topic, deadline));
        const PartitionInfo* found = info->partition(partition.partition);
        if (found != nullptr && found->leader_id >= 0) {
            co_return Leader{found->leader_id, found->leader_epoch};
        }
        if (co_await refresh(deadline)) continue;
        if (found == nullptr) {
            co_return fail(ErrorCode::unknown_topic_or_partition,
                           fmt::format("topic '{}' has no partition {}: it has {}", partition.topic,
                                       partition.partition, info->partitions.size()));
        }
        co_return fail(ErrorCode::leader_not_available,
                       fmt::format("{} has no leader: none of its in-sync replicas is alive",
                                   to_string(partition)));
    }
}

Task<Result<std::map<Uuid, std::string>>> Cluster::topic_names(std::vector<Uuid> ids) {
    ASSIGN_OR_CO_RETURN(auto connection, co_await any());
    MetadataRequest request;
    request.allow_auto_topic_creation = false;
    for (const Uuid& id : ids) {
        auto& topic = request.topics->emplace_back();
        topic.topic_id = id;
        topic.name.reset();
    }
    ASSIGN_OR_CO_RETURN(auto reply, co_await connection->call(request));
    std::map<Uuid, std::string> names;
    for (const auto& topic : reply.response.topics) {
        if (topic.error_code == ErrorCode::none && topic.name && !topic.name->empty())
            names.emplace(topic.topic_id, *topic.name);
    }
    co_return names;
}

void Cluster::learn_leader(const TopicPartition& partition, Leader leader,
                           const std::vector<BrokerInfo>& brokers) {
    auto learned = metadata_->with_leader(partition, leader.id, leader.epoch, brokers);
    if (learned) replace_metadata(*std::move(learned));
}

Time Cluster::next_refresh() const {
    if (refreshes_wanted_ > refreshes_done_) {
        if (failures_ > 0) return next_attempt_;
        bool at_once = urgent_ || metadata_->generation() == 0;
        return at_once ? Time() : last_refresh_ + options_.retry.first;
    }
    if (metadata_->generation() == 0) return Time::never();
    Time aged = last_refresh_ + options_.metadata_max_age;
    return failures_ > 0 ? std::max(aged, next_attempt_) : aged;
}

// The one place that asks for metadata.
Task<void> Cluster::keep_fresh() {
    auto woken = [](Condition& condition) -> Task<void> { co_await condition.wait(); };
    for (;;) {
        if (Time next = next_refresh(); next > shard_.now()) {
            co_await env::with_deadline(shard_, next, woken(wanted_));
            continue;
        }
        std::uint64_t number = refreshes_wanted_;
        urgent_ = false;
        Result<> refreshed = co_await refresh_once();
        if (refreshed) {
            refreshes_done_ = number;
            failures_ = 0;
            last_refresh_ = shard_.now();
        } else {
            last_error_ = std::move(refreshed).error();
            LOG_DEBUG("metadata: {}", last_error_.message);
            if (!is_retriable(last_error_.code)) refreshes_refused_ = number;
            next_attempt_ = shard_.now() + options_.retry.after(++failures_, shard_.random());
        }
        changed_.notify_all();
    }
}

Task<Result<>> Cluster::refresh_once() {
    ASSIGN_OR_CO_RETURN(auto connection, co_await any());
    if (options_.controllers) co_return co_await refresh_from_controller(std::move(connection));
    co_return co_await refresh_from_broker(std::move(connection));
}

Task<Result<>> Cluster::refresh_from_broker(std::shared_ptr<BrokerConnection> from) {
    MetadataRequest request;
    request.allow_auto_topic_creation = options_.allow_auto_topic_creation;
    if (track_all_) request.topics.reset();
    for (const std::string& topic : tracked_) {
        if (track_all_) break;
        request.topics->emplace_back().name = topic;
    }
    ASSIGN_OR_CO_RETURN(auto reply, co_await from->call(request));
    const MetadataResponse& response = reply.response;
    if (response.error_code != ErrorCode::none) {
        co_return fail(response.error_code, fmt::format("{} gives no metadata: {}", from->name(),
                                                        name_of(response.error_code)));
    }
    if (response.brokers.empty()) {
        co_return fail(ErrorCode::network_exception,
                       fmt::format("{} does not know any broker yet", from->name()));
    }
    replace_metadata(ClusterMetadata::updated(*metadata_, response, true));
    co_return Result<>{};
}

Task<Result<>> Cluster::refresh_from_controller(std::shared_ptr<BrokerConnection> from) {
    DescribeClusterRequest request{.endpoint_type = 2};
    ASSIGN_OR_CO_RETURN(auto reply, co_await from->call(request));
    const DescribeClusterResponse& response = reply.response;
    if (response.error_code != ErrorCode::none) {
        co_return fail(response.error_code,
                       fmt::format("{} does not tell its controllers: {}", from->name(),
                                   response.error_message.value_or(
                                       std::string(name_of(response.error_code)))));
    }
    replace_metadata(ClusterMetadata::of_controllers(*metadata_, response));
    co_return Result<>{};
}

}  // namespace millrace::client
