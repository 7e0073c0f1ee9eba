#include "broker/dispatcher.h"

#include <algorithm>
#include <fmt/core.h>

#include "broker/client_quotas.h"
#include "broker/failure_detector.h"
#include "broker/handlers.h"
#include "broker/log.h"
#include "broker/share/share_sessions.h"
#include "protocol/api_versions.h"

namespace millrace::broker {
namespace {

// Which versions of ApiVersions there are, in the one version that every client reads (KIP-511).
net::Reply common_ground(const net::Request& request) {
    ApiVersionsResponse response{.error_code = ErrorCode::unsupported_version};
    response.api_keys.push_back({.api_key = static_cast<std::int16_t>(request.api->key),
                                 .min_version = request.api->min_version,
                                 .max_version = request.api->max_version});
    Result<Chain> bytes = encode_response(request.correlation_id, request.api->key, 0, response);
    CHECK(bytes);
    return {.bytes = *std::move(bytes)};
}

Task<net::Reply> tell(net::Reply reply) { co_return reply; }

}  // namespace

net::Reply detail::cannot_be_told(const net::Request& request, const Error& error) {
    LOG_ERROR("the answer to {} version {} cannot be encoded: {}", request.api->name,
              request.version, error.message);
    return {.close = true, .reason = error.message};
}

bool detail::has_quotas(ClientQuotas& quotas) { return quotas.any(); }

Task<Duration> detail::throttle(const net::Request& request, ClientQuotas& quotas,
                                std::optional<Duration> asked, std::int32_t* throttle_time_ms) {
    Duration wait = asked ? *asked : co_await quotas.worked(request);
    if (throttle_time_ms == nullptr) co_return wait;
    wait = std::max(wait, Duration::milliseconds(*throttle_time_ms));
    *throttle_time_ms = quotas::told_ms(wait);
    co_return wait;
}

// No coroutine of its own: a request that is served is one frame less.
Task<net::Reply> Dispatcher::answer(net::Request request) {
    const ApiInfo& api = *request.api;
    bool here = request.peer->listener->is_controller ? api.on_controller : api.on_broker;
    const Handler* handler = here ? find_handler(api.key) : nullptr;
    if (handler == nullptr) {
        return tell({.close = true,
                     .reason = fmt::format("{} is not served on listener {}", api.name,
                                           request.peer->listener->name)});
    }
    if (request.version < api.min_version || request.version > api.max_version) {
        if (api.key == ApiKey::api_versions) return tell(common_ground(request));
        return tell({.close = true,
                     .reason = fmt::format("{} has no version {}", api.name, request.version)});
    }
    ClientQuotas& limits = services_.client_quotas;
    if (limits.any() && limits.has(quotas::Kind::request, request)) [[unlikely]]
        return answer_measured(*handler, std::move(request));
    return handler->run(std::move(request), services_);
}

Task<net::Reply> Dispatcher::answer_measured(const Handler& handler, net::Request request) {
    WorkMeter meter(services_.shard, clock_);
    request.work = &meter;
    co_return co_await meter.run(handler.run(std::move(request), services_));
}

void Dispatcher::closed(const net::Peer& peer) {
    services_.failure_detector.closed(peer);
    services_.share_sessions.closed(peer.id);
}

}  // namespace millrace::broker
