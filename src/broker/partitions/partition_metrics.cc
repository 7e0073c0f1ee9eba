#include "broker/partitions/partition_metrics.h"

#include "broker/partitions/partition.h"
#include "metrics/declared.h"

namespace millrace::broker {

namespace declared = metrics::declared;

namespace {

// In whole hundredths; 0 without a limit (KIP-1257).
std::uint64_t retention_size_in_percent(Partition& partition) {
    std::int64_t limit = partition.retention().bytes;
    return limit <= 0 ? 0 : partition.log().size() * 100 / static_cast<std::uint64_t>(limit);
}

}  // namespace

TopicMetrics::TopicMetrics(metrics::Registry& registry, std::string topic)
    : registry_(registry),
      topic_(std::move(topic)),
      produce_requests_(registry, declared::broker_topic_metrics_total_produce_requests_per_sec,
                        topic_),
      fetch_requests_(registry, declared::broker_topic_metrics_total_fetch_requests_per_sec,
                      topic_),
      records_in_(registry, declared::broker_topic_metrics_messages_in_per_sec, topic_),
      bytes_in_(registry, declared::broker_topic_metrics_bytes_in_per_sec, topic_),
      bytes_out_(registry, declared::broker_topic_metrics_bytes_out_per_sec, topic_),
      bytes_rejected_(registry.meter(declared::broker_topic_metrics_bytes_rejected_per_sec)),
      produce_failures_(
          registry.meter(declared::broker_topic_metrics_failed_produce_requests_per_sec)),
      fetch_failures_(registry.meter(declared::broker_topic_metrics_failed_fetch_requests_per_sec)),
      replication_bytes_out_(
          registry.meter(declared::broker_topic_metrics_replication_bytes_out_per_sec)),
      produces_expired_(registry.meter(declared::delayed_produce_metrics_expires_per_sec)) {}

TopicMetrics::~TopicMetrics() { registry_.remove_labelled("topic", topic_); }

void TopicMetrics::produce_request() { produce_requests_.mark(); }
void TopicMetrics::fetch_request() { fetch_requests_.mark(); }
void TopicMetrics::produced(std::uint64_t records, std::uint64_t bytes) {
    records_in_.mark(records);
    bytes_in_.mark(bytes);
}
void TopicMetrics::fetched(std::uint64_t bytes) { bytes_out_.mark(bytes); }
void TopicMetrics::produce_failed(std::uint64_t bytes) {
    produce_failures_.mark();
    bytes_rejected_.mark(bytes);
}
void TopicMetrics::replica_fetched(std::uint64_t bytes) { replication_bytes_out_.mark(bytes); }
void TopicMetrics::produce_expired() { produces_expired_.mark(); }
void TopicMetrics::fetch_failed() { fetch_failures_.mark(); }

void TopicMetrics::began_behind_remote(std::uint64_t times) {
    if (times == 0) return;
    TopicMeter(registry_,
               declared::broker_topic_metrics_build_remote_log_aux_state_requests_per_sec, topic_)
        .mark(times);
}

std::shared_ptr<TopicMetrics> PartitionMetrics::topic(const std::string& name) {
    std::weak_ptr<TopicMetrics>& held = topics_[name];
    std::shared_ptr<TopicMetrics> topic = held.lock();
    if (!topic) held = topic = std::make_shared<TopicMetrics>(registry_, name);
    return topic;
}

metrics::Timer& PartitionMetrics::log_syncs() {
    return registry_.timer(declared::log_flush_stats_log_flush_rate_and_time_ms);
}

std::vector<metrics::Registry::Reading> PartitionMetrics::watch(Partition& partition) {
    const Partition::Identity& identity = partition.identity();
    metrics::Labels labels{identity.topic, std::to_string(identity.index)};
    std::vector<metrics::Registry::Reading> readings;
    auto read = [&](const metrics::GaugeDeclaration& declaration, auto value) {
        readings.push_back(registry_.read_gauge(declaration, labels, [value, &partition] {
            return static_cast<double>(value(partition));
        }));
    };
    read(declared::log_size, [](Partition& p) { return p.log().size(); });
    read(declared::log_retention_size_in_percent,
         [](Partition& p) { return retention_size_in_percent(p); });
    read(declared::log_num_log_segments, [](Partition& p) { return p.log().segment_count(); });
    read(declared::log_log_start_offset, [](Partition& p) { return p.log().start_offset(); });
    read(declared::log_log_end_offset, [](Partition& p) { return p.log().end_offset(); });
    read(declared::partition_replicas_count,
         [](Partition& p) { return p.state().replicas.size(); });
    read(declared::partition_in_sync_replicas_count,
         [](Partition& p) { return p.state().isr.size(); });
    read(declared::partition_under_replicated,
         [](Partition& p) { return p.is_under_replicated(); });
    read(declared::partition_under_min_isr,
         [](Partition& p) { return p.isr_against_minimum() < 0; });
    read(declared::partition_at_min_isr, [](Partition& p) { return p.isr_against_minimum() == 0; });
    read(declared::partition_last_stable_offset_lag,
         [](Partition& p) { return p.high_watermark() - p.last_stable_offset(); });
    return readings;
}

}  // namespace millrace::broker
