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

RemoteMetrics::RemoteMetrics(metrics::Registry& registry) : registry_(registry) {
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

std::shared_ptr<RemoteTopicMetrics> RemoteMetrics::topic(const std::string& name) {
    std::erase_if(topics_, [](const auto& each) { return each.second.expired(); });
    std::weak_ptr<RemoteTopicMetrics>& held = topics_[name];
    std::shared_ptr<RemoteTopicMetrics> topic = held.lock();
    if (!topic) held = topic = std::make_shared<RemoteTopicMetrics>(registry_, name);
    return topic;
}

}  // namespace millrace::broker
