#include "broker/coordinators/transaction_markers.h"

#include <fmt/core.h>

#include "broker/coordinators/local_markers.h"
#include "broker/log.h"
#include "client/backoff.h"
#include "core/metadata/topic_names.h"
#include "metrics/declared.h"

namespace millrace::broker {
namespace {

using transactions::TopicPartition;

enum class Outcome { done, again, superseded };

// What an answer means for the partition's part in the transaction.
Outcome outcome_of(ErrorCode error) {
    switch (error) {
        case ErrorCode::none:
        case ErrorCode::unsupported_for_message_format:
        case ErrorCode::unsupported_version:
        // The producer has written there with a later epoch: this transaction ended before.
        case ErrorCode::invalid_producer_epoch:
            return Outcome::done;
        case ErrorCode::transaction_coordinator_fenced:
            return Outcome::superseded;
        default:
            return Outcome::again;
    }
}

// One transaction's part of a figure.
struct Share {
    explicit Share(std::size_t& t) : total(t) {}
    ~Share() { total -= mine; }
    void set(std::size_t to) {
        total += to - mine;
        mine = to;
    }
    std::size_t& total;
    std::size_t mine = 0;
};

MarkerChannel::Marker marker_of(const std::vector<TopicPartition>& partitions,
                                const TransactionEnd& end) {
    MarkerChannel::Marker marker{.producer_id = end.producer_id,
                                 .producer_epoch = end.producer_epoch,
                                 .transaction_result = end.committed};
    marker.coordinator_epoch = end.coordinator_epoch;
    marker.transaction_version = end.transaction_version;
    for (const TopicPartition& each : partitions) {
        if (marker.topics.empty() || marker.topics.back().name != each.topic) {
            marker.topics.emplace_back().name = each.topic;
        }
        marker.topics.back().partition_indexes.push_back(each.partition);
    }
    return marker;
}

}  // namespace

TransactionMarkers::TransactionMarkers(const Parts& parts, metrics::Registry& registry)
    : parts_(parts), scope_(parts.shard) {
    readings_.push_back(registry.read_gauge(
        metrics::declared::transaction_marker_channel_manager_unknown_destination_queue_size, {},
        [this] { return static_cast<double>(without_leader_); }));
    readings_.push_back(registry.read_gauge(
        metrics::declared::transaction_marker_channel_manager_log_append_retry_queue_size, {},
        [this] { return static_cast<double>(append_retries_); }));
}

Task<void> TransactionMarkers::stop() { co_await scope_.close(); }

std::map<std::int32_t, std::vector<TopicPartition>> TransactionMarkers::by_leader(
    const std::set<TopicPartition>& partitions) const {
    std::map<std::int32_t, std::vector<TopicPartition>> leaders;
    metadata::ImagePtr image = parts_.metadata.image();
    for (const TopicPartition& each : partitions) {
        const metadata::Partition* partition =
            image->topics.find(std::string_view(each.topic), each.partition);
        if (partition != nullptr) leaders[partition->leader].push_back(each);
    }
    return leaders;
}

MarkerChannel& TransactionMarkers::channel(std::int32_t broker) {
    std::unique_ptr<MarkerChannel>& channel = channels_[broker];
    if (!channel) {
        LeaderLink link(parts_.shard, parts_.metadata, parts_.config, broker,
                        fmt::format("broker-{}-txn-marker-sender", parts_.node.id));
        channel = std::make_unique<MarkerChannel>(parts_.shard, std::move(link), scope_);
    }
    return *channel;
}

Task<void> TransactionMarkers::write_here(const std::vector<TopicPartition>& partitions,
                                          TransactionEnd end, Outcomes& outcomes) {
    metadata::ImagePtr image = parts_.metadata.image();
    std::vector<LocalMarker> markers;
    for (const TopicPartition& each : partitions) {
        const metadata::Topic* topic = image->topics.find(std::string_view(each.topic));
        ErrorCode& outcome = outcomes[each];
        if (topic == nullptr) continue;
        markers.push_back({{topic->id, each.partition},
                           topic->name == metadata::consumer_offsets_topic,
                           end,
                           &outcome});
    }
    co_await write_markers_here(parts_.router, parts_.groups, std::move(markers));
}

Task<bool> TransactionMarkers::write(transactions::Ending ending, std::int32_t coordinator_epoch) {
    constexpr client::Backoff backoff{Duration::milliseconds(20), Duration::milliseconds(1000)};
    TransactionEnd end{.producer_id = ending.producer.id,
                       .producer_epoch = ending.producer.epoch,
                       .coordinator_epoch = coordinator_epoch,
                       .transaction_version = static_cast<std::int8_t>(ending.version),
                       .committed = ending.commit};
    std::set<TopicPartition> left = std::move(ending.partitions);
    Share waiting(without_leader_);
    for (int failures = 0;; ++failures) {
        if (failures > 0) {
            Duration pause = backoff.after(failures, parts_.shard.random());
            co_await env::sleep_for(parts_.shard, pause);
        }
        auto leaders = by_leader(left);
        std::map<std::int32_t, Outcomes> told;
        co_await with_scope([&](Scope& scope) -> Task<void> {
            auto send = [&](std::int32_t broker, const auto& partitions) -> Task<void> {
                told[broker] = co_await channel(broker).send(marker_of(partitions, end));
            };
            for (auto& [leader, partitions] : leaders) {
                if (leader == metadata::no_leader) continue;
                scope.spawn(leader == parts_.node.id ? write_here(partitions, end, told[leader])
                                                     : send(leader, partitions));
            }
            co_await scope.join();
        });
        left.clear();
        for (const TopicPartition& each : leaders[metadata::no_leader]) left.insert(each);
        waiting.set(left.size());
        for (auto& [leader, outcomes] : told) {
            for (auto& [partition, error] : outcomes) {
                Outcome outcome = outcome_of(error);
                if (outcome == Outcome::superseded) co_return false;
                if (outcome == Outcome::again) left.insert(partition);
            }
        }
        if (left.empty()) co_return true;
        LOG_DEBUG("markers of transactional id {} wait for {} partitions", ending.transactional_id,
                  left.size());
    }
}

}  // namespace millrace::broker
