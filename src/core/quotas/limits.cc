#include "core/quotas/limits.h"

#include <algorithm>

namespace millrace::quotas {
namespace {

constexpr std::array<std::string_view, kinds> keys{
    "producer_byte_rate", "consumer_byte_rate", "request_percentage", "controller_mutation_rate"};
constexpr std::string_view connection_key = "connection_creation_rate";
constexpr std::string_view client_type = "client-id";
constexpr std::string_view ip_type = "ip";
constexpr std::string_view user_type = "user";

metadata::QuotaEntityPart named(std::string_view type, std::string_view name) {
    return {std::string(type), std::string(name)};
}
metadata::QuotaEntityPart any(std::string_view type) { return {std::string(type), std::nullopt}; }

void set(Limits& limits, const metadata::Quotas& quotas, const Counted& counted) {
    for (std::size_t kind = 0; kind < kinds; ++kind) {
        auto found = quotas.find(keys[kind]);
        if (found == quotas.end() || limits[kind]) continue;
        limits[kind] = Limit{found->second, counted};
    }
}

}  // namespace

Limits limits_of(const Table& table, std::string_view user, std::string_view client_id) {
    Limits limits;
    auto look = [&](const metadata::QuotaEntity& entity, const Counted& counted) {
        const metadata::Quotas* found = table.find(entity);
        if (found != nullptr) set(limits, *found, counted);
    };
    Counted of_user{std::string(user), ""};
    Counted of_client{"", std::string(client_id)};
    Counted of_both{std::string(user), std::string(client_id)};
    bool has_id = !client_id.empty();
    auto client = named(client_type, client_id);
    if (has_id) {
        look({client, named(user_type, user)}, of_both);
        look({any(client_type), named(user_type, user)}, of_both);
    }
    look({named(user_type, user)}, of_user);
    if (has_id) {
        look({client, any(user_type)}, of_both);
        look({any(client_type), any(user_type)}, of_both);
    }
    look({any(user_type)}, of_user);
    if (has_id) {
        look({client}, of_client);
        look({any(client_type)}, of_client);
    }
    return limits;
}

bool any_of_clients(const Table& table) {
    return std::ranges::any_of(table, [](const auto& each) {
        return !each.value->empty() && each.key.front().type != ip_type;
    });
}

std::vector<std::string> hosts_named_in(const Table& table) {
    std::vector<std::string> hosts;
    for (const auto& [entity, quotas] : table) {
        const metadata::QuotaEntityPart& part = entity.front();
        bool named = part.type == ip_type && part.name && quotas->contains(connection_key);
        if (named && !config::IpAddress::parse(*part.name)) hosts.push_back(*part.name);
    }
    return hosts;
}

ConnectionLimits::ConnectionLimits(const Table& table, const Hosts& hosts) {
    for (const auto& [entity, quotas] : table) {
        if (entity.front().type != ip_type) continue;
        auto found = quotas->find(connection_key);
        if (found == quotas->end()) continue;
        const std::optional<std::string>& name = entity.front().name;
        if (!name) {
            any_ = found->second;
            continue;
        }
        auto host = hosts.find(*name);
        auto address = host == hosts.end() ? config::IpAddress::parse(*name) : host->second;
        if (address) by_address_[*address] = found->second;
    }
}

std::optional<double> ConnectionLimits::of(const config::IpAddress& address) const {
    auto found = by_address_.find(address);
    return found == by_address_.end() ? any_ : std::optional(found->second);
}

}  // namespace millrace::quotas
