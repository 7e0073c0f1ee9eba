#include "client/fetcher.h"

#include <algorithm>
#include <fmt/format.h>

#include "client/log.h"

namespace millrace::client {

Fetcher::Fetcher(Cluster& cluster, AssignedPartitions& partitions, Signal& changed,
                 const FetchOptions& options)
    : cluster_(cluster),
      shard_(cluster.shard()),
      partitions_(partitions),
      changed_(changed),
      options_(options),
      scope_(shard_) {
    scope_.spawn(run());
    scope_.spawn(watch_metadata());
}

void Fetcher::wake() {
    if (std::exchange(woken_, true)) return;
    wake_.notify_all();
}

Task<void> Fetcher::close() {
    alarm_.stop();
    co_await scope_.close();
}

Task<void> Fetcher::run() {
    for (;;) {
        woken_ = false;
        fetch_where_wanted();
        while (!woken_) co_await wake_.wait();
    }
}

Task<void> Fetcher::watch_metadata() {
    for (;;) {
        co_await cluster_.changed_since(cluster_.metadata()->generation());
        changed_.raise();
        wake();
    }
}

void Fetcher::fetch_where_wanted() {
    alarm_.stop();
    if (partitions_.fetched_bytes() >= static_cast<std::size_t>(options_.max_bytes)) return;
    Time now = shard_.now();
    next_ = Time::never();
    std::map<std::int32_t, FetchTargets> wanted;
    for (auto& [name, partition] : partitions_.all()) {
        if (!partition.fetchable() ||
            partition.fetched_bytes >= static_cast<std::size_t>(options_.max_partition_bytes))
            continue;
        FetchTarget target;
        std::int32_t node = node_for(name, partition, now, target);
        if (node >= 0) wanted[node].emplace(name, target);
    }
    for (auto& [id, targets] : wanted) {
        Node& node = nodes_[id];
        if (node.busy) continue;
        if (node.not_before > now) {
            next_ = std::min(next_, node.not_before);
            continue;
        }
        node.busy = true;
        scope_.spawn(fetch(id, std::move(targets)));
    }
    if (next_ != Time::never()) alarm_.start(shard_, next_);
}

std::int32_t Fetcher::node_for(const TopicPartition& name, AssignedPartition& partition, Time now,
                               FetchTarget& target) {
    if (partition.not_before > now) {
        next_ = std::min(next_, partition.not_before);
        return -1;
    }
    const ClusterMetadata& metadata = *cluster_.metadata();
    const PartitionInfo* info = metadata.partition(name.topic, name.partition);
    if (info == nullptr || info->leader_id < 0) {
        cluster_.track(name.topic);
        cluster_.request_refresh();
        return -1;
    }
    target.topic_id = metadata.topic(std::string_view(name.topic))->id;
    target.offset = partition.fetch_offset;
    target.leader_epoch = info->leader_epoch;
    target.max_bytes = options_.max_partition_bytes;
    if (partition.preferred_replica >= 0 && now < partition.preferred_until &&
        metadata.broker(partition.preferred_replica) != nullptr)
        return partition.preferred_replica;
    partition.preferred_replica = -1;
    return info->leader_id;
}

Task<Result<Reply<FetchResponse>>> Fetcher::ask(std::int32_t id, Node& node,
                                                const FetchTargets& targets, std::string& broker) {
    Cluster::Connected connected = co_await cluster_.broker(id, Lane::fetch);
    CO_RETURN_IF_ERROR(connected);
    std::shared_ptr<BrokerConnection> connection = *std::move(connected);
    broker = connection->name();
    FetchRequest request;
    request.max_wait_ms = static_cast<std::int32_t>(options_.max_wait.ms());
    request.min_bytes = options_.min_bytes;
    request.max_bytes = options_.max_bytes;
    request.isolation_level = static_cast<std::int8_t>(options_.isolation);
    request.rack_id = options_.rack;
    node.session.prepare(targets, request);
    CallOptions call;
    call.timeout = options_.request_timeout + options_.max_wait;
    call.max_version = node.session.max_version();
    co_return co_await connection->call(request, call);
}

Task<void> Fetcher::fetch(std::int32_t id, FetchTargets targets) {
    Node& node = nodes_[id];
    AskedPartitions asked;
    for (const auto& [name, target] : targets)
        if (const AssignedPartition* partition = partitions_.find(name))
            asked.emplace(name, Asked{partition->incarnation, target.offset});
    std::string broker;
    auto reply = co_await ask(id, node, targets, broker);
    node.busy = false;
    if (reply) {
        node.failures = 0;
        if (reply->response.throttle_time_ms > 0)
            node.not_before =
                shard_.now() + Duration::milliseconds(reply->response.throttle_time_ms);
        take(id, node, reply->response, asked, broker);
    } else {
        LOG_DEBUG("A fetch from broker {} failed: {}", id, reply.error().message);
        node.session.lost();
        ++node.failures;
        node.not_before = shard_.now() + options_.retry.after(node.failures, shard_.random());
        cluster_.request_refresh();
        for (const auto& [name, at] : asked)
            if (AssignedPartition* partition = partitions_.find(name))
                partition->preferred_replica = -1;
        // What no repetition mends is the user's to know.
        if (!is_retriable(reply.error().code)) {
            for (const auto& [name, at] : asked)
                if (AssignedPartition* partition = partitions_.find(name))
                    partition->error = reply.error();
            changed_.raise();
        }
    }
    wake();
}

void Fetcher::take(std::int32_t id, Node& node, const FetchResponse& response,
                   const AskedPartitions& asked, const std::string& broker) {
    ErrorCode code = node.session.take(response);
    if (code != ErrorCode::none) {
        LOG_DEBUG("The fetch session with {} begins anew: {}", broker, name_of(code));
        bool of_session = code == ErrorCode::fetch_session_id_not_found ||
                          code == ErrorCode::invalid_fetch_session_epoch ||
                          code == ErrorCode::fetch_session_topic_id_error;
        if (!of_session) {
            ++node.failures;
            node.not_before = shard_.now() + options_.retry.after(node.failures, shard_.random());
            cluster_.request_refresh();
        }
        return;
    }
    for (const auto& topic : response.responses) {
        std::string_view topic_name = topic.topic;
        if (topic_name.empty()) topic_name = node.session.name_of(topic.topic_id);
        for (const auto& data : topic.partitions) {
            TopicPartition name{std::string(topic_name), data.partition_index};
            auto was = asked.find(name);
            AssignedPartition* partition = partitions_.find(name);
            if (was == asked.end() || partition == nullptr ||
                partition->incarnation != was->second.incarnation ||
                partition->fetch_offset != was->second.offset)
                continue;
            take_partition(name, *partition, data, id, broker);
        }
    }
    changed_.raise();
}

void Fetcher::take_partition(const TopicPartition& name, AssignedPartition& partition,
                             const FetchResponse::PartitionData& data, std::int32_t node,
                             const std::string& broker) {
    if (data.error_code != ErrorCode::none) {
        take_error(name, partition, data, node, broker);
        return;
    }
    partition.failures = 0;
    partition.high_watermark = data.high_watermark;
    if (data.last_stable_offset >= 0) partition.last_stable_offset = data.last_stable_offset;
    if (data.preferred_read_replica >= 0) {
        partition.preferred_replica = data.preferred_read_replica;
        partition.preferred_until = shard_.now() + options_.metadata_max_age;
    }
    if (!data.records || data.records->empty()) return;
    FetchedRecords records(name, data.records->in_memory(),
                           data.aborted_transactions.value_or(FetchedRecords::Aborted()),
                           options_.decode);
    partitions_.add(name, partition, std::move(records));
}

void Fetcher::pause(AssignedPartition& partition) {
    ++partition.failures;
    partition.not_before = shard_.now() + options_.retry.after(partition.failures, shard_.random());
}

void Fetcher::take_error(const TopicPartition& name, AssignedPartition& partition,
                         const FetchResponse::PartitionData& data, std::int32_t node,
                         const std::string& broker) {
    ErrorCode code = data.error_code;
    const PartitionInfo* info = cluster_.metadata()->partition(name.topic, name.partition);
    bool of_leader = info != nullptr && info->leader_id == node;
    partition.preferred_replica = -1;
    if (data.current_leader.leader_id >= 0)
        cluster_.learn_leader(
            name, {data.current_leader.leader_id, data.current_leader.leader_epoch}, {});
    if (code == ErrorCode::offset_out_of_range && of_leader && partition.fetched.empty()) {
        out_of_range(name, partition, broker);
        return;
    }
    pause(partition);
    if (code == ErrorCode::offset_out_of_range) return;
    // As Java's consumer: what the broker does not name may pass, as a remote storage that fails.
    bool may_pass = is_retriable(code) || code == ErrorCode::unknown_server_error;
    if (may_pass) {
        LOG_DEBUG("{} gives nothing of {}: {}", broker, to_string(name), name_of(code));
        cluster_.request_refresh();
        return;
    }
    partition.error = Error{
        code, fmt::format("{} gives nothing of {} at offset {}: {} ({})", broker, to_string(name),
                          partition.fetch_offset, meaning_of(code), name_of(code))};
}

void Fetcher::out_of_range(const TopicPartition& name, AssignedPartition& partition,
                           const std::string& broker) {
    if (std::optional<Timestamp> to = reset_time(options_.reset, shard_.wall_ms())) {
        LOG_INFO("Offset {} of {} is not on {}; its position is looked for anew",
                 partition.fetch_offset, to_string(name), broker);
        partitions_.reset(partition, *to);
        return;
    }
    partition.error =
        Error{ErrorCode::offset_out_of_range,
              fmt::format("Offset {} of {} is not in the log any more, or not yet, and "
                          "auto.offset.reset is none: seek to an offset that is",
                          partition.fetch_offset, to_string(name))};
    pause(partition);
}

}  // namespace millrace::client
