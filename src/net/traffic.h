#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"
#include "metrics/registry.h"
#include "protocol/api.h"

namespace millrace::net {

// The figures of one shard's connections: kafka.network's RequestMetrics by API, and
// socket-server-metrics by listener, where the shard stands for Kafka's network processor.
class Traffic {
  public:
    struct Listener {
        metrics::Gauge& open;
        metrics::Counter& opened;
        metrics::Counter& closed;
        metrics::Gauge& expired;
        metrics::Counter& bytes_in;
        metrics::Counter& bytes_out;
        metrics::Counter& requests;
        metrics::Counter& responses;
        metrics::Counter& authenticated;  // by TLS or SASL
        metrics::Counter& refused;
    };
    // When an answer was begun, ready, handed to the connection, and with the OS.
    struct Times {
        Time received, ready, begun, sent;
        Duration throttle;  // what a quota has the client wait
    };

    Traffic(metrics::Registry& registry, int shard)
        : registry_(registry), processor_(std::to_string(shard)) {}

    // The figures of the listener of this name; they live as long as the Traffic.
    Listener& listener(std::string_view name);
    void received(const ApiInfo& api, std::int16_t version, std::size_t bytes);
    void answered(const ApiInfo& api, const Times& times);

  private:
    struct Api {
        metrics::Histogram& bytes;
        metrics::Histogram& total;
        metrics::Histogram& queued;
        metrics::Histogram& sending;
        metrics::Histogram& throttled;
        std::vector<metrics::Meter*> by_version;
    };
    Api& of(const ApiInfo& api);

    metrics::Registry& registry_;
    std::string processor_;
    std::vector<std::unique_ptr<Api>> apis_;  // by key
    std::map<std::string, std::unique_ptr<Listener>, std::less<>> listeners_;
};

}  // namespace millrace::net
