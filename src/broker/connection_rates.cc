#include "broker/connection_rates.h"

#include <algorithm>

namespace millrace::broker {

Duration ConnectionRates::throttle(const std::string& host, Time now) {
    const quotas::Table& table = metadata_.current().quotas;
    if (!(table == table_)) {
        table_ = table;
        limits_ = quotas::ConnectionLimits(table);
    }
    if (limits_.empty()) return {};
    auto address = config::IpAddress::parse(host.substr(0, host.find('%')));
    if (!address) return {};
    std::optional<double> bound = limits_.of(*address);
    if (!bound) return {};
    quotas::Rate& rate =
        rates_.of(*address, now, [&](const config::IpAddress&) { return quotas::Rate(window_); });
    rate.record(1, now);
    Duration throttle = std::min(rate.throttle(*bound, now), window_.sample);
    if (throttle > Duration()) rate.record(-1, now);
    return throttle;
}

}  // namespace millrace::broker
