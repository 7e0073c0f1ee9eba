#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace millrace::metrics {

// The figures of shards are summed up, but for an average, which is that of all their samples, and
// a maximum.
enum class Kind : std::uint8_t { counter, gauge, average, maximum, meter, histogram, timer };

// One line of schema/metrics. Its samples are named family + "_" + attribute, as Prometheus's JMX
// exporter names the attributes of Kafka's MBeans when it has no rules; one attribute of its own
// (Kafka's own metrics library, process figures) is the whole of `family` instead.
struct Declaration {
    std::string_view family;  // "kafka_server_BrokerTopicMetrics"
    std::string_view name;    // the label `name`, "BytesInPerSec"; "": without
    Kind kind = Kind::gauge;
    bool whole_name = false;  // family is the sample's name
    std::span<const std::string_view> labels = {};
    std::uint8_t required_labels = 0;  // how many of them every instance has
    std::string_view documentation = {};
};

// A declaration by kind, so that a meter is not asked for where a gauge was declared.
struct CounterDeclaration : Declaration {};
struct GaugeDeclaration : Declaration {};
struct AverageDeclaration : Declaration {};
struct MaximumDeclaration : Declaration {};
struct MeterDeclaration : Declaration {};
struct HistogramDeclaration : Declaration {};
struct TimerDeclaration : Declaration {};

}  // namespace millrace::metrics
