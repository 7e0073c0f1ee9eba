#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/task.h"
#include "broker/services.h"
#include "net/request.h"
#include "protocol/frame.h"
#include "protocol/reader.h"

namespace millrace::broker {

// Who asks, and how.
struct Caller {
    const net::Request& request;
    const net::Peer& peer() const { return *request.peer; }
    std::string_view client_id() const {
        return request.client_id ? std::string_view(*request.client_id) : std::string_view();
    }
    std::int16_t version() const { return request.version; }
};

// What a handler returns that may also stay silent or end the connection (Produce with acks=0), or
// whose response has views into something else than the request.
template <typename Response>
struct Answer {
    std::optional<Response> response;
    std::string close_reason;          // ends the connection when not empty
    std::shared_ptr<const void> keep;  // lives until the response is encoded
    // What quotas have the client wait, where the handler has asked them itself.
    std::optional<Duration> throttle = {};
};

// One API of the broker: a function `Task<Response> answer(const Request&, const Caller&, S&...)`,
// whose further parameters are services of the shard, found by type. handlers/NAME.cc defines
// `constinit const Handler handlers::NAME = serve<answer>;` and nothing else names it: the table is
// made from the files that are there.
struct Handler {
    Task<net::Reply> (*run)(net::Request request, Services& services);
};

namespace detail {

template <typename T>
inline constexpr bool is_answer = false;
template <typename T>
inline constexpr bool is_answer<Answer<T>> = true;

// A handler has set what the request's version cannot tell: logged as the bug that it is.
net::Reply cannot_be_told(const net::Request& request, const Error& error);

template <typename Response>
net::Reply encode(const net::Request& request, Response&& response) {
    if constexpr (is_answer<std::remove_cvref_t<Response>>) {
        if (!response.close_reason.empty()) {
            return {.close = true, .reason = std::move(response.close_reason)};
        }
        if (!response.response) return {};
        return encode(request, *response.response);
    } else {
        Result<Chain> bytes =
            encode_response(request.correlation_id, request.api->key, request.version, response);
        if (!bytes) return cannot_be_told(request, bytes.error());
        return {.bytes = *std::move(bytes)};
    }
}

template <typename Response>
std::int32_t* throttle_time_ms_of(Response& response) {
    if constexpr (is_answer<Response>) {
        return response.response ? throttle_time_ms_of(*response.response) : nullptr;
    } else if constexpr (requires { response.throttle_time_ms; }) {
        return &response.throttle_time_ms;
    } else {
        return nullptr;
    }
}

// Counts the request against the quota on a shard's time, unless the handler has, and tells what
// the client is to wait; the controller may have told something already.
Task<Duration> throttle(const net::Request& request, ClientQuotas& quotas,
                        std::optional<Duration> asked, std::int32_t* throttle_time_ms);
bool has_quotas(ClientQuotas& quotas);

template <typename Request, typename Response, typename... S>
Task<net::Reply> run(Task<Response> (*answer)(const Request&, const Caller&, S&...),
                     net::Request request, Services& services) {
    Reader reader(request.body);
    Result<Request> decoded = Request::decode(reader, request.version);
    if (!decoded) co_return net::Reply{.close = true, .reason = decoded.error().message};
    Caller caller{request};
    Response response =
        co_await answer(*decoded, caller, service<std::remove_cv_t<S>>(services)...);
    Duration wait;
    if (has_quotas(services.client_quotas)) [[unlikely]] {
        std::optional<Duration> asked;
        if constexpr (is_answer<Response>) asked = response.throttle;
        wait = co_await throttle(request, services.client_quotas, asked,
                                 throttle_time_ms_of(response));
    }
    net::Reply reply = encode(request, std::move(response));
    reply.throttle = wait;
    co_return reply;
}

}  // namespace detail

template <auto answer>
inline constexpr Handler serve{[](net::Request request, Services& services) {
    return detail::run(answer, std::move(request), services);
}};

// The handler of an API, or null when this build does not serve it.
const Handler* find_handler(ApiKey key);

}  // namespace millrace::broker
