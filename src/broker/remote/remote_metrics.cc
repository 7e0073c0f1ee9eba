#include "broker/remote/remote_metrics.h"

#include <utility>

#include "metrics/declared.h"

namespace millrace::broker {

namespace declared = metrics::declared;

namespace {

using Figure = double RemoteFigures::*;

constexpr std::pair<const metrics::GaugeDeclaration*, Figure> gauges[] = {
    {&declared::broker_topic_metrics_remote_copy_lag_bytes, &RemoteFigures::copy_lag_bytes},
    {&declared::broker_topic_metrics_remote_copy_lag_segments, &RemoteFigures::copy_lag_segments},
    {&declared::broker_topic_metrics_remote_delete_lag_bytes, &RemoteFigures::delete_lag_bytes},
    {&declared::broker_topic_metrics_remote_delete_lag_segments,
     &RemoteFigures::delete_lag_segments},
    {&declared::broker_topic_metrics_remote_log_metadata_count, &RemoteFigures::metadata_count},
    {&declared::broker_topic_metrics_remote_log_size_bytes, &RemoteFigures::size_bytes},
    {&declared::broker_topic_metrics_remote_log_size_computation_time,
     &RemoteFigures::size_computation_ms},
};

double sum(const std::vector<const RemoteFigures*>& all, Figure figure) {
    double total = 0;
    for (const RemoteFigures* each : all) total += each->*figure;
    return total;
}

}  // namespace

RemoteTopicMetrics::RemoteTopicMetrics(metrics::Registry& registry, const std::string& topic)
    : copy_bytes(registry, declared::broker_topic_metrics_remote_copy_bytes_per_sec, topic),
      copy_requests(registry, declared::broker_topic_metrics_remote_copy_requests_per_sec, topic),
      copy_errors(registry, declared::broker_topic_metrics_remote_copy_errors_per_sec, topic),
      fetch_bytes(registry, declared::broker_topic_metrics_remote_fetch_bytes_per_sec, topic),
      fetch_requests(registry, declared::broker_topic_metrics_remote_fetch_requests_per_sec, topic),
      fetch_errors(registry, declared::broker_topic_metrics_remote_fetch_errors_per_sec, topic),
      delete_requests(registry, declared::broker_topic_metrics_remote_delete_requests_per_sec,
                      topic),
      delete_errors(registry, declared::broker_topic_metrics_remote_delete_errors_per_sec, topic) {
    for (const auto& [declaration, figure] : gauges) {
        readings_.push_back(registry.read_gauge(*declaration, {topic},
                                                [this, figure] { return sum(figures_, figure); }));
    }
}

RemoteMetrics::RemoteMetrics(metrics::Registry& registry)
    : registry_(registry),
      reads_(registry.timer(declared::remote_log_manager_remote_log_reader_fetch_rate_and_time_ms)),
      fetches_expired_(registry.meter(declared::delayed_remote_fetch_metrics_expires_per_sec)),
      list_offsets_expired_(
          registry.meter(declared::delayed_remote_list_offsets_metrics_expires_per_sec)) {
    auto waiting = [&](const char* operation, const std::size_t& count) {
        for (const auto* declaration :
             {&declared::delayed_operation_purgatory_num_delayed_operations,
              &declared::delayed_operation_purgatory_purgatory_size}) {
            readings_.push_back(registry.read_gauge(
                *declaration, {operation}, [&count] { return static_cast<double>(count); }));
        }
    };
    waiting("RemoteFetch", waiting_fetches_);
    waiting("RemoteListOffsets", waiting_list_offsets_);
    for (const auto& [declaration, figure] : gauges) {
        readings_.push_back(registry.read_gauge(*declaration, {}, [this, figure] {
            double total = 0;
            for (const auto& [name, held] : topics_) {
                if (auto topic = held.lock()) total += sum(topic->figures_, figure);
            }
            return total;
        }));
    }
}

std::vector<metrics::Registry::Reading> RemoteMetrics::watch(const std::string& topic,
                                                             std::int32_t partition,
                                                             std::function<double()> whole,
                                                             std::function<double()> local) {
    metrics::Labels labels{topic, std::to_string(partition)};
    std::vector<metrics::Registry::Reading> readings;
    readings.push_back(registry_.read_gauge(declared::remote_log_manager_retention_size_in_percent,
                                            labels, std::move(whole)));
    readings.push_back(registry_.read_gauge(
        declared::remote_log_manager_local_retention_size_in_percent, labels, std::move(local)));
    return readings;
}

void RemoteMetrics::list_offsets_expired(const std::string& topic, std::int32_t partition) {
    list_offsets_expired_.mark();
    registry_
        .meter(declared::delayed_remote_list_offsets_metrics_expires_per_sec,
               {topic, std::to_string(partition)})
        .mark();
}

std::shared_ptr<RemoteTopicMetrics> RemoteMetrics::topic(const std::string& name) {
    std::erase_if(topics_, [](const auto& each) { return each.second.expired(); });
    std::weak_ptr<RemoteTopicMetrics>& held = topics_[name];
    std::shared_ptr<RemoteTopicMetrics> topic = held.lock();
    if (!topic) held = topic = std::make_shared<RemoteTopicMetrics>(registry_, name);
    return topic;
}

}  // namespace millrace::broker
