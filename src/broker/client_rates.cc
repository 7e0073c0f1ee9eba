#include "broker/client_rates.h"

#include <algorithm>

#include "config/broker_config.h"
#include "env/shard.h"
#include "metrics/declared.h"

namespace millrace::broker {
namespace {

using quotas::Kind;

quotas::Window controller_window(const config::BrokerConfig& config) {
    return {config.controller_quota_window_num(),
            Duration::seconds(config.controller_quota_window_size_seconds())};
}

struct Figures {
    const metrics::GaugeDeclaration& rate;
    const metrics::AverageDeclaration& throttle;
};

Figures figures_of(Kind kind) {
    namespace declared = metrics::declared;
    switch (kind) {
        case Kind::produce:
            return {declared::produce_byte_rate, declared::produce_throttle_time};
        case Kind::fetch:
            return {declared::fetch_byte_rate, declared::fetch_throttle_time};
        default:
            return {declared::request_request_time, declared::request_throttle_time};
    }
}

}  // namespace

quotas::Window client_window(const config::BrokerConfig& config) {
    return {config.quota_window_num(), Duration::seconds(config.quota_window_size_seconds())};
}

struct ClientRates::State {
    explicit State(quotas::Window window) : rate(window) {}

    Duration throttle(double bound, Time now) {
        Duration wait = rate.throttle(bound, now);
        if (wait > Duration()) throttled.add(static_cast<double>(wait.ms()), now);
        return wait;
    }

    quotas::Rate rate;
    RecentSamples throttled;
    metrics::Registry::Reading rate_reading;
    metrics::Registry::Reading throttle_reading;
};

bool ClientRates::Metered::is_at_rest(Time now) const { return state->rate.is_at_rest(now); }

ClientRates::ClientRates(env::Shard& shard, const config::BrokerConfig& config,
                         metrics::Registry& metrics)
    : shard_(shard),
      window_(client_window(config)),
      metrics_(metrics),
      mutations_(controller_window(config),
                 [this](const auto& counted, auto& client) { return show(counted, client); }) {}

ClientRates::~ClientRates() = default;

ClientRates::State& ClientRates::of(Kind kind, const quotas::Limit& limit) {
    auto make = [&](const quotas::Counted& counted) {
        auto state = std::make_unique<State>(window_);
        metrics::Labels labels{counted.user, counted.client_id};
        Figures figures = figures_of(kind);
        State* read = state.get();
        state->rate_reading = metrics_.read_gauge(
            figures.rate, labels, [read, this] { return read->rate.a_second(shard_.now()); });
        state->throttle_reading = metrics_.read_average(figures.throttle, labels, read->throttled);
        return Metered{std::move(state)};
    };
    auto& rates = rates_[static_cast<std::size_t>(kind)];
    return *rates.of(limit.counted, shard_.now(), make).state;
}

std::shared_ptr<void> ClientRates::show(const quotas::Counted& counted,
                                        quotas::MutationBuckets::Client& client) {
    namespace declared = metrics::declared;
    auto shown = std::make_shared<std::array<metrics::Registry::Reading, 3>>();
    metrics::Labels labels{counted.user, counted.client_id};
    auto read = [&](const metrics::GaugeDeclaration& figure, auto value) {
        return metrics_.read_gauge(figure, labels,
                                   [&client, value, this] { return value(client, shard_.now()); });
    };
    (*shown)[0] = read(declared::controller_mutation_tokens,
                       [](auto& one, Time now) { return one.tokens.tokens(one.bound, now); });
    (*shown)[1] = read(declared::controller_mutation_mutation_rate,
                       [](auto& one, Time now) { return one.rate.a_second(now); });
    (*shown)[2] = metrics_.read_average(declared::controller_mutation_throttle_time, labels,
                                        client.throttled);
    return shown;
}

Duration ClientRates::produced(const quotas::Limit& limit, double bytes) {
    State& state = of(Kind::produce, limit);
    state.rate.record(bytes, shard_.now());
    return state.throttle(limit.bound, shard_.now());
}

Duration ClientRates::fetched(const quotas::Limit& limit, double bytes, Fetch fetch) {
    State& state = of(Kind::fetch, limit);
    Time now = shard_.now();
    state.rate.record(bytes, now);
    Duration wait = state.throttle(limit.bound, now);
    if (wait > Duration() || fetch == Fetch::waits_anyway) state.rate.record(-bytes, now);
    return wait;
}

Duration ClientRates::worked(const quotas::Limit& limit, Duration work) {
    State& state = of(Kind::request, limit);
    state.rate.record(work.in_seconds() * 100, shard_.now());
    return std::min(state.throttle(limit.bound, shard_.now()), window_.sample);
}

}  // namespace millrace::broker
