#include "broker/fetchers/leader_link.h"

#include <fmt/core.h>

#include "tls/profile.h"

namespace millrace::broker {

using client::BrokerConnection;

Task<Result<std::shared_ptr<BrokerConnection>>> LeaderLink::get(Scope& scope) {
    metadata::ImagePtr image = metadata_.image();
    const metadata::Broker* broker = image->brokers.find(broker_);
    const std::string& listener = config_.inter_broker_listener();
    const config::Endpoint* endpoint = broker == nullptr ? nullptr : broker->endpoint(listener);
    if (endpoint == nullptr) {
        co_return fail(
            ErrorCode::broker_not_available,
            fmt::format("broker {} is not registered with a listener {}", broker_, listener));
    }
    env::Address address{endpoint->host, endpoint->port};
    if (connection_ && connection_->is_open() && connection_->address() == address) {
        co_return connection_;
    }
    close(fmt::format("broker {} has moved to {}", broker_, address.to_string()));
    ASSIGN_OR_CO_RETURN(client::ConnectionOptions with, options());
    ASSIGN_OR_CO_RETURN(connection_, co_await BrokerConnection::open(
                                         shard_, scope, fmt::format("broker {}", broker_),
                                         std::move(address), std::move(with)));
    co_return connection_;
}

// Keys and certificates are read anew for each connection: their files may be other ones by then.
Result<client::ConnectionOptions> LeaderLink::options() {
    client::ConnectionOptions options{.client_id = client_id_};
    options.setup_timeout = Duration::milliseconds(config_.socket_connection_setup_timeout_ms());
    options.request_timeout = Duration::milliseconds(config_.replica_socket_timeout_ms());
    options.max_idle = Duration::max();
    if (!config::uses_tls(config_.inter_broker_protocol())) return options;
    ASSIGN_OR_RETURN(tls::Settings settings, tls::Settings::parse([&](std::string_view key) {
                         return config_.listener_text(config_.inter_broker_listener(), key);
                     }));
    ASSIGN_OR_RETURN(options.tls, tls::Profile::load(settings, tls::Profile::Side::client,
                                                     shard_.disk(), shard_.wall_ms()));
    return options;
}

void LeaderLink::close(std::string reason) {
    if (connection_) connection_->close(std::move(reason));
    connection_.reset();
}

}  // namespace millrace::broker
