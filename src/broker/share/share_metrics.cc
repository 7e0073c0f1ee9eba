#include "broker/share/share_metrics.h"

#include <array>
#include <string_view>

#include "broker/partitions/topic_meter.h"
#include "metrics/declared.h"

namespace millrace::broker {

namespace declared = metrics::declared;

namespace {

// By AcknowledgeType; gaps are not told.
constexpr std::array<std::string_view, 5> type_names{"", "Accept", "Release", "Reject", "Renew"};

}  // namespace

void ShareMetrics::fetch_request(const std::string& topic) {
    TopicMeter(registry_, declared::broker_topic_metrics_total_share_fetch_requests_per_sec, topic)
        .mark();
}

void ShareMetrics::acknowledge_request(const std::string& topic) {
    TopicMeter(registry_,
               declared::broker_topic_metrics_total_share_acknowledgement_requests_per_sec, topic)
        .mark();
}

void ShareMetrics::fetch_failed(std::uint64_t topics) {
    if (topics == 0) return;
    registry_.meter(declared::broker_topic_metrics_failed_share_fetch_requests_per_sec)
        .mark(topics);
}

void ShareMetrics::acknowledge_failed(std::uint64_t topics) {
    if (topics == 0) return;
    registry_.meter(declared::broker_topic_metrics_failed_share_acknowledgement_requests_per_sec)
        .mark(topics);
}

void ShareMetrics::fetch_expired() {
    registry_.meter(declared::delayed_share_fetch_metrics_expires_per_sec).mark();
}

void ShareMetrics::fetched(const std::string& group_id, std::size_t had, std::size_t asked,
                           Duration after) {
    registry_
        .histogram(declared::share_group_metrics_request_topic_partitions_fetch_ratio, {group_id})
        .update(static_cast<double>(100 * had / asked));
    registry_.histogram(declared::share_group_metrics_topic_partitions_acquire_time_ms, {group_id})
        .update(static_cast<double>(after.ms()));
}

void ShareMetrics::loaded(Duration took) {
    registry_.histogram(declared::share_group_metrics_partition_load_time_ms)
        .update(static_cast<double>(took.ms()));
}

void ShareMetrics::acknowledged(const std::vector<share::Acknowledgement>& acknowledgements) {
    std::array<std::uint64_t, type_names.size()> counts{};
    for (const share::Acknowledgement& each : acknowledgements) {
        // One type is that of all offsets.
        std::uint64_t times =
            each.types.size() == 1 ? static_cast<std::uint64_t>(each.offsets.size()) : 1;
        for (std::int8_t type : each.types) counts.at(static_cast<std::size_t>(type)) += times;
    }
    for (std::size_t type = 1; type < counts.size(); ++type) {
        if (counts[type] == 0) continue;
        registry_
            .meter(declared::share_group_metrics_record_acknowledgements_per_sec,
                   {std::string(type_names[type])})
            .mark(counts[type]);
    }
}

}  // namespace millrace::broker
