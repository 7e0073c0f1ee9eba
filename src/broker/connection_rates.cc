#include "broker/connection_rates.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "broker/client_rates.h"
#include "broker/log.h"
#include "env/shard.h"
#include "metrics/declared.h"

namespace millrace::broker {
namespace {

namespace declared = metrics::declared;

std::optional<config::IpAddress> address_of(std::string_view host) {
    return config::IpAddress::parse(host.substr(0, host.find('%')));
}

}  // namespace

struct ConnectionRates::Listener {
    explicit Listener(quotas::Window window) : rate(window) {}

    quotas::Rate rate;
    RecentSamples throttled;
    RecentSamples addresses_throttled;
    Time rests_until;
    metrics::Registry::Reading rate_reading;
    metrics::Registry::Reading throttled_reading;
    metrics::Registry::Reading addresses_reading;
};

ConnectionRates::ConnectionRates(env::Shard& shard, MetadataCache& metadata,
                                 const config::BrokerConfig& config, metrics::Registry& metrics,
                                 Resolve resolve)
    : shard_(shard),
      metadata_(metadata),
      config_(config),
      metrics_(metrics),
      resolve_(std::move(resolve)),
      window_(client_window(config)),
      node_(window_),
      node_reading_(
          metrics.read_gauge(declared::socket_server_metrics_broker_connection_accept_rate, {},
                             [this] { return node_.a_second(shard_.now()); })),
      scope_(shard) {}

ConnectionRates::~ConnectionRates() = default;

ConnectionRates::Listener& ConnectionRates::of(const std::string& name) {
    auto& listener = listeners_[name];
    if (listener != nullptr) return *listener;
    listener = std::make_unique<Listener>(window_);
    Listener* read = listener.get();
    listener->rate_reading =
        metrics_.read_gauge(declared::socket_server_metrics_connection_accept_rate, {name},
                            [=, this] { return read->rate.a_second(shard_.now()); });
    listener->throttled_reading = metrics_.read_average(
        declared::socket_server_metrics_connection_accept_throttle_time, {name}, read->throttled);
    listener->addresses_reading =
        metrics_.read_average(declared::socket_server_metrics_ip_connection_accept_throttle_time,
                              {name}, read->addresses_throttled);
    return *listener;
}

// Brokers among each other, beside clients: these do not keep those from each other.
bool ConnectionRates::is_protected(const net::ListenerInfo& listener) const {
    return !listener.is_controller && config_.broker_endpoints().size() > 1 &&
           listener.name == config_.inter_broker_listener();
}

double ConnectionRates::bound_of(const std::string& listener) const {
    std::int32_t bound = config_.max_connection_creation_rate();
    if (auto text = config_.listener_text(listener, "max.connection.creation.rate"))
        std::from_chars(text->data(), text->data() + text->size(), bound);
    return bound;
}

Duration ConnectionRates::throttle(quotas::Rate& rate, double bound, Time now) const {
    return std::min(rate.throttle(bound, now), window_.sample);
}

ConnectionRates::Pace ConnectionRates::admit(const net::ListenerInfo& info, const std::string& host,
                                             Time now) {
    Listener& listener = of(info.name);
    if (listener.rests_until > now) return {.again = listener.rests_until - now};
    double node_bound = config_.max_connection_creation_rate();
    bool counts = !is_protected(info);
    Pace pace;
    if (counts) {
        node_.record(1, now);
        pace.delay = throttle(node_, node_bound, now);
    }
    listener.rate.record(1, now);
    pace.delay = std::max(pace.delay, throttle(listener.rate, bound_of(info.name), now));
    if (pace.delay > Duration()) {
        listener.throttled.add(static_cast<double>(pace.delay.ms()), now);
        listener.rests_until = now + pace.delay;
    }
    pace.held = throttle_address(host, now);
    if (pace.held == Duration()) return pace;
    listener.addresses_throttled.add(static_cast<double>(pace.held.ms()), now);
    listener.rate.record(-1, now);
    if (counts) node_.record(-1, now);
    return pace;
}

Duration ConnectionRates::throttle_address(const std::string& host, Time now) {
    if (!(metadata_.current().quotas == table_)) look_again();
    if (limits_.empty()) return {};
    auto address = address_of(host);
    if (!address) return {};
    std::optional<double> bound = limits_.of(*address);
    if (!bound) return {};
    auto make = [&](const config::IpAddress&) {
        OfAddress made{std::make_unique<quotas::Rate>(window_), {}};
        made.reading = metrics_.read_gauge(
            declared::socket_server_metrics_connection_accept_rate, {"", host},
            [rate = made.rate.get(), this] { return rate->a_second(shard_.now()); });
        return made;
    };
    quotas::Rate& rate = *addresses_.of(*address, now, make).rate;
    rate.record(1, now);
    Duration wait = throttle(rate, *bound, now);
    if (wait > Duration()) rate.record(-1, now);
    return wait;
}

void ConnectionRates::look_again() {
    table_ = metadata_.current().quotas;
    limits_ = quotas::ConnectionLimits(table_, hosts_);
}

Task<void> ConnectionRates::follow_hosts() {
    quotas::Table seen;
    for (;;) {
        co_await metadata_.until([&](const auto& image) { return !(image.quotas == seen); });
        seen = metadata_.current().quotas;
        std::vector<std::string> names = quotas::hosts_named_in(seen);
        std::erase_if(hosts_, [&](const auto& known) {
            return std::ranges::find(names, known.first) == names.end();
        });
        for (std::string& name : names) co_await look_up(std::move(name));
        look_again();
    }
}

// One that is not found now stays where it was found before.
Task<void> ConnectionRates::look_up(std::string host) {
    Result<std::vector<std::string>> found = std::vector<std::string>();
    co_await env::blocking(shard_, [&] { found = resolve_(host); });
    auto address = found ? address_of(found->front()) : std::nullopt;
    if (address) {
        hosts_.insert_or_assign(std::move(host), *address);
    } else {
        LOG_WARN("the quota on new connections of {} is not enforced: {}", host,
                 found ? "its address is not known" : found.error().message);
    }
}

}  // namespace millrace::broker
