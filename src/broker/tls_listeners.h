#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "base/scope.h"
#include "config/broker_config.h"
#include "env/shard.h"
#include "net/tls_profiles.h"

namespace millrace::broker {

// Which of a node's listeners.
enum class Listeners { of_controllers, all };

// The profiles that this node's listeners with TLS would have under `next`. Those of `current`
// stay where neither their settings nor their files have changed; a new one has to be fit to take
// its place. Error INVALID_CONFIG with the listener, the file and the reason. Blocking.
Result<net::TlsProfiles> tls_profiles(const config::BrokerConfig& next,
                                      const net::TlsProfiles& current, env::Shard& shard,
                                      Listeners which = Listeners::all);

// Keeps the profiles of a node's listeners with TLS at what its configs and files say. What is
// wrong is logged, and the one before stays. Lives on shard 0.
class TlsListeners {
  public:
    // Brings the profiles to all shards.
    using Publish = std::function<Task<void>(const net::TlsProfiles& profiles)>;
    // `config` is the shard's, which changes while the node runs.
    TlsListeners(env::Shard& shard, const config::BrokerConfig& config, Publish publish)
        : shard_(shard), config_(config), publish_(std::move(publish)), scope_(shard) {}

    // Loads them, and looks after the files from then on: first those of controllers', as what is
    // configured dynamically is not known before they are heard.
    Task<Result<>> start(Listeners which);
    // The config has changed.
    Task<void> reconfigure() { return renew("its configs"); }
    Task<void> stop() { return scope_.close(); }

  private:
    Task<void> watch_files();
    Task<void> renew(std::string_view cause);

    env::Shard& shard_;
    const config::BrokerConfig& config_;
    Publish publish_;
    net::TlsProfiles current_;
    Listeners which_ = Listeners::of_controllers;
    bool watching_ = false;
    std::string refused_;  // why the last attempt failed, which is told once
    Scope scope_;
};

}  // namespace millrace::broker
