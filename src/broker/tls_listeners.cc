#include "broker/tls_listeners.h"

#include <fmt/core.h>
#include <utility>
#include <vector>

#include "broker/log.h"
#include "env/disk.h"

namespace millrace::broker {
namespace {

constexpr Duration watch_interval = Duration::seconds(1);

using ProfilePtr = std::shared_ptr<const tls::Profile>;
using Side = tls::Profile::Side;

std::vector<std::string> listeners_with_tls(const config::BrokerConfig& config, Listeners which) {
    std::vector<std::string> names;
    for (const auto* endpoints : {&config.broker_endpoints(), &config.controller_endpoints()}) {
        bool of_brokers = endpoints == &config.broker_endpoints();
        if (of_brokers && which == Listeners::of_controllers) continue;
        for (const config::Endpoint& each : *endpoints) {
            if (config::uses_tls(each.protocol)) names.push_back(each.listener);
        }
    }
    return names;
}

// Brokers are clients of each other there: the keystore has to pass the truststore.
Result<> check_among_brokers(const tls::Profile& server, env::Shard& shard) {
    ASSIGN_OR_RETURN(ProfilePtr client, tls::Profile::load(server.settings(), Side::client,
                                                           shard.disk(), shard.wall_ms()));
    Result<> understood = tls::check_handshake(server, *client, shard.wall_ms());
    if (understood) return {};
    return fail(ErrorCode::invalid_config,
                fmt::format("brokers could not connect to each other with these settings, as its "
                            "truststore does not take its keystore's certificate: {}",
                            understood.error().message));
}

Result<ProfilePtr> profile_of(const std::string& listener, const config::BrokerConfig& config,
                              const ProfilePtr& current, env::Shard& shard) {
    ASSIGN_OR_RETURN(tls::Settings settings, tls::Settings::parse([&](std::string_view key) {
                         return config.listener_text(listener, key);
                     }));
    bool same = current && current->settings() == settings && !current->is_outdated(shard.disk());
    if (same) return current;
    ASSIGN_OR_RETURN(ProfilePtr next,
                     tls::Profile::load(settings, Side::server, shard.disk(), shard.wall_ms()));
    if (current) RETURN_IF_ERROR(current->check_successor(*next));
    if (listener == config.inter_broker_listener()) {
        RETURN_IF_ERROR(check_among_brokers(*next, shard));
    }
    return next;
}

}  // namespace

Result<net::TlsProfiles> tls_profiles(const config::BrokerConfig& next,
                                      const net::TlsProfiles& current, env::Shard& shard,
                                      Listeners which) {
    net::TlsProfiles profiles;
    for (const std::string& listener : listeners_with_tls(next, which)) {
        auto at = current.by_listener.find(listener);
        ProfilePtr old = at == current.by_listener.end() ? nullptr : at->second;
        Result<ProfilePtr> profile = profile_of(listener, next, old, shard);
        if (!profile) {
            return fail(ErrorCode::invalid_config,
                        fmt::format("listener {}: {}", listener, profile.error().message));
        }
        profiles.by_listener.emplace(listener, *std::move(profile));
    }
    return profiles;
}

Task<Result<>> TlsListeners::start(Listeners which) {
    which_ = which;
    ASSIGN_OR_CO_RETURN(current_, tls_profiles(config_, current_, shard_, which_));
    if (current_.by_listener.empty()) co_return Result<>{};
    co_await publish_(current_);
    if (!std::exchange(watching_, true)) scope_.spawn(watch_files());
    co_return Result<>{};
}

Task<void> TlsListeners::watch_files() {
    for (;;) {
        co_await env::sleep_for(shard_, watch_interval);
        co_await renew("a file that they name");
    }
}

Task<void> TlsListeners::renew(std::string_view cause) {
    if (current_.by_listener.empty()) co_return;
    Result<net::TlsProfiles> next = tls_profiles(config_, current_, shard_, which_);
    if (!next) {
        if (refused_ != next.error().message) {
            LOG_ERROR("{} changed, and cannot be used; what was there goes on: {}", cause,
                      next.error().message);
        }
        refused_ = std::move(next).error().message;
        co_return;
    }
    refused_.clear();
    bool changed = false;
    for (const auto& [listener, profile] : next->by_listener) {
        if (current_.by_listener.at(listener) == profile) continue;
        LOG_INFO("listener {} takes other keys or certificates: {} changed", listener, cause);
        changed = true;
    }
    if (!changed) co_return;
    current_ = *std::move(next);
    co_await publish_(current_);
}

}  // namespace millrace::broker
