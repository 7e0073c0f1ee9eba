#include "net/traffic.h"

#include "metrics/declared.h"

namespace millrace::net {
namespace {

namespace declared = metrics::declared;

double milliseconds(Duration took) { return static_cast<double>(took.us()) / 1000; }

}  // namespace

Traffic::Listener& Traffic::listener(std::string_view name) {
    auto found = listeners_.find(name);
    if (found != listeners_.end()) return *found->second;
    metrics::Labels labels{std::string(name), processor_};
    auto counter = [&](const metrics::CounterDeclaration& declaration) -> metrics::Counter& {
        return registry_.counter(declaration, labels);
    };
    auto gauge = [&](const metrics::GaugeDeclaration& declaration) -> metrics::Gauge& {
        return registry_.gauge(declaration, labels);
    };
    auto made = std::make_unique<Listener>(
        Listener{gauge(declared::socket_server_metrics_connection_count),
                 counter(declared::socket_server_metrics_connection_creation_total),
                 counter(declared::socket_server_metrics_connection_close_total),
                 gauge(declared::socket_server_metrics_expired_connections_killed_count),
                 counter(declared::socket_server_metrics_incoming_byte_total),
                 counter(declared::socket_server_metrics_outgoing_byte_total),
                 counter(declared::socket_server_metrics_request_total),
                 counter(declared::socket_server_metrics_response_total),
                 counter(declared::socket_server_metrics_successful_authentication_total),
                 counter(declared::socket_server_metrics_failed_authentication_total)});
    return *listeners_.emplace(std::string(name), std::move(made)).first->second;
}

Traffic::Api& Traffic::of(const ApiInfo& api) {
    auto key = static_cast<std::size_t>(api.key);
    if (key >= apis_.size()) apis_.resize(key + 1);
    if (!apis_[key]) {
        metrics::Labels labels{std::string(api.name)};
        apis_[key] = std::make_unique<Api>(
            Api{registry_.histogram(declared::request_metrics_request_bytes, labels),
                registry_.histogram(declared::request_metrics_total_time_ms, labels),
                registry_.histogram(declared::request_metrics_response_queue_time_ms, labels),
                registry_.histogram(declared::request_metrics_response_send_time_ms, labels),
                registry_.histogram(declared::request_metrics_throttle_time_ms, labels),
                {}});
    }
    return *apis_[key];
}

void Traffic::received(const ApiInfo& api, std::int16_t version, std::size_t bytes) {
    Api& figures = of(api);
    figures.bytes.update(static_cast<double>(bytes));
    // Only versions that exist get a figure: a client must not make figures at will.
    if (version < api.min_version || version > api.max_version) return;
    auto index = static_cast<std::size_t>(version);
    if (index >= figures.by_version.size()) figures.by_version.resize(index + 1);
    metrics::Meter*& meter = figures.by_version[index];
    if (meter == nullptr) {
        meter = &registry_.meter(declared::request_metrics_requests_per_sec,
                                 {std::string(api.name), std::to_string(version)});
    }
    meter->mark();
}

void Traffic::answered(const ApiInfo& api, const Times& times) {
    Api& figures = of(api);
    figures.queued.update(milliseconds(times.begun - times.ready));
    figures.sending.update(milliseconds(times.sent - times.begun));
    figures.throttled.update(milliseconds(times.throttle));
    figures.total.update(milliseconds(times.sent - times.received));
}

}  // namespace millrace::net
