#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "client/cluster.h"
#include "config/properties.h"
#include "config/value.h"

namespace millrace::client {

// Values of one kind of client out of properties, and all that is wrong with them on the way.
class ClientConfigParser {
  public:
    // `kind` is "producer", "consumer" or "admin".
    ClientConfigParser(const config::Catalogue& catalogue, std::string_view kind,
                       const std::vector<config::Property>& properties);

    // Where client.id is not set; brokers count and list clients by it, and an empty one is nobody.
    void call_it(std::string name);
    std::vector<config::Value> take_values() { return std::move(values_); }
    std::vector<std::string> take_warnings() { return std::move(warnings_); }
    // INVALID_CONFIG with a line for each wrong key.
    Result<> verdict() const;

    bool is_set(std::string_view key) const { return texts_.contains(key); }
    std::string text_or(std::string_view key, std::string_view otherwise) const;
    void wrong(std::string_view key, std::string_view sentence);
    void require(bool holds, std::string_view key, std::string_view sentence) {
        if (!holds) wrong(key, sentence);
    }

    // The keys that all three kinds have, and where to begin.
    template <typename Settings>
    ClusterOptions cluster_options(const Settings& settings) {
        ClusterOptions options;
        options.pool.tls = tls_settings(settings.security_protocol());
        options.bootstrap = addresses("bootstrap.servers", settings.bootstrap_servers());
        options.pool.connection.client_id = settings.client_id();
        options.pool.connection.setup_timeout =
            Duration::milliseconds(settings.socket_connection_setup_timeout_ms());
        options.pool.connection.request_timeout =
            Duration::milliseconds(settings.request_timeout_ms());
        options.pool.connection.max_idle = or_never(settings.connections_max_idle_ms());
        options.pool.max_setup_timeout =
            Duration::milliseconds(settings.socket_connection_setup_timeout_max_ms());
        options.pool.reconnect = {Duration::milliseconds(settings.reconnect_backoff_ms()),
                                  Duration::milliseconds(settings.reconnect_backoff_max_ms())};
        options.retry = {Duration::milliseconds(settings.retry_backoff_ms()),
                         Duration::milliseconds(settings.retry_backoff_max_ms())};
        options.metadata_max_age = Duration::milliseconds(settings.metadata_max_age_ms());
        options.rebootstrap = is_rebootstrap(settings.metadata_recovery_strategy());
        return options;
    }
    std::vector<env::Address> addresses(std::string_view key,
                                        const std::vector<std::string>& words);

  private:
    void read(const config::Property& property);
    void parse_values();
    std::optional<tls::Settings> tls_settings(std::string_view protocol);
    static Duration or_never(std::int64_t ms) {
        return ms < 0 ? Duration::max() : Duration::milliseconds(ms);
    }
    static bool is_rebootstrap(std::string_view strategy);

    const config::Catalogue& catalogue_;
    std::string_view kind_;
    std::map<std::string, config::Property, std::less<>> texts_;
    std::vector<config::Value> values_;
    std::vector<std::string> warnings_;
    std::vector<std::string> errors_;
};

}  // namespace millrace::client
