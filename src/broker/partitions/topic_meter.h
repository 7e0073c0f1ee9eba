#pragma once

#include <cstdint>
#include <string>

#include "metrics/registry.h"

namespace millrace::broker {

// A figure of BrokerTopicMetrics: that of all topics, and one topic's.
class TopicMeter {
  public:
    TopicMeter(metrics::Registry& registry, const metrics::MeterDeclaration& declaration,
               const std::string& topic)
        : all_(registry.meter(declaration)), own_(registry.meter(declaration, {topic})) {}
    void mark(std::uint64_t n = 1) {
        all_.mark(n);
        own_.mark(n);
    }

  private:
    metrics::Meter& all_;
    metrics::Meter& own_;
};

}  // namespace millrace::broker
