#pragma once

#include <cstdint>
#include <memory>

#include "base/result.h"
#include "base/scope.h"
#include "base/task.h"
#include "broker/envelope.h"
#include "client/connection_pool.h"
#include "config/broker_config.h"
#include "env/shard.h"
#include "quorum/metadata_quorum.h"

namespace millrace::broker {

// The way to the active controller where it is another node. Lives on shard 0; any shard may ask.
class ControllerChannel {
  public:
    ControllerChannel(env::Shard& shard, quorum::MetadataQuorum& quorum,
                      const config::BrokerConfig& config)
        : shard_(shard), quorum_(quorum), config_(config), scope_(shard) {}

    // Error invalid_config where the ssl.* keys of the controllers' listener are wrong.
    Result<> start();
    Task<void> stop() { return scope_.close(); }

    // A request of this node itself. One attempt; not_controller when nobody is known to lead, or
    // it has ceased to; network_exception when it leaves controller.socket.timeout.ms without an
    // answer, and `timeout` is not over. `from`: the shard that asks.
    template <typename Request>
    Task<Result<typename Request::Response>> ask(env::Shard& from, const Request& request,
                                                 Duration timeout) {
        using Response = typename Request::Response;
        auto here = [&](env::Shard&) -> Task<Result<Response>> {
            ASSIGN_OR_CO_RETURN(auto connection, co_await connect(client::Lane::coordinator));
            auto reply = co_await connection->call(request, {.timeout = within(timeout)});
            if (!reply) co_return fail(unanswered(std::move(reply).error(), timeout));
            co_return std::move(reply->response);
        };
        Result<Response> answered = co_await env::call_on(from, 0, here);
        if constexpr (requires { answered->error_code; }) {
            if (answered && answered->error_code == ErrorCode::not_controller)
                co_return fail(not_controller());
        }
        co_return answered;
    }

    // A client's request of this version, in an envelope. Otherwise as ask().
    template <typename Request>
    Task<Result<typename Request::Response>> forward(env::Shard& from, const Request& request,
                                                     std::int16_t version,
                                                     const ForwardedFor& sender, Duration timeout) {
        using Response = typename Request::Response;
        ASSIGN_OR_CO_RETURN(Chain frame, encode_request(0, sender.client_id, version, request));
        auto here = [&](env::Shard&) -> Task<Result<Response>> {
            ASSIGN_OR_CO_RETURN(auto connection, co_await connect(client::Lane::general));
            ASSIGN_OR_CO_RETURN(EnvelopeRequest envelope, wrap(frame, sender));
            auto reply = co_await connection->call(envelope, {.timeout = within(timeout)});
            if (!reply) co_return fail(unanswered(std::move(reply).error(), timeout));
            co_return unwrap<Response>(reply->response, Request::api_key, version);
        };
        co_return co_await env::call_on(from, 0, here);
    }

  private:
    using Connection = std::shared_ptr<client::BrokerConnection>;
    Task<Result<Connection>> connect(client::Lane lane);
    Task<void> leave_former_controllers();
    static Error not_controller();
    Duration within(Duration timeout) const;
    Error unanswered(Error error, Duration timeout) const;

    env::Shard& shard_;
    quorum::MetadataQuorum& quorum_;
    const config::BrokerConfig& config_;
    std::unique_ptr<client::ConnectionPool> pool_;
    Scope scope_;
};

}  // namespace millrace::broker
