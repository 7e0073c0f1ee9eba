// Envelope (key 58): a request that a broker passes on for a client (KIP-590). It is carried out in
// the client's name, and its answer goes back in an envelope; a node that is not the active
// controller refuses the envelope itself, and the broker looks for the one that is.

#include "protocol/envelope.h"

#include <fmt/core.h>

#include "broker/controllers.h"
#include "broker/envelope.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/node.h"

namespace millrace::broker {
namespace {

Result<net::Request> unwrapped(const EnvelopeRequest& envelope, const net::Request& outer) {
    ASSIGN_OR_RETURN(std::string principal, principal_in(envelope));
    Reader in(envelope.request_data);
    auto header = decode_request_header(in);
    if (!header) return fail(ErrorCode::invalid_request, header.error().message);
    const ApiInfo* api = find_api(header->request_api_key);
    if (api == nullptr || !api->forwarded || find_handler(api->key) == nullptr) {
        return fail(ErrorCode::invalid_request,
                    fmt::format("API {} is not forwarded to controllers", header->request_api_key));
    }
    if (header->request_api_version < api->min_version ||
        header->request_api_version > api->max_version) {
        return fail(ErrorCode::unsupported_version,
                    fmt::format("{} has no version {}", api->name, header->request_api_version));
    }
    net::Request request;
    request.api = api;
    request.version = header->request_api_version;
    request.correlation_id = header->correlation_id;
    if (header->client_id) request.client_id = std::string(*header->client_id);
    request.body = envelope.request_data.slice(envelope.request_data.size() - in.remaining());
    request.received = outer.received;
    request.peer = std::make_shared<net::Peer>(*outer.peer);
    request.peer->principal = std::move(principal);
    request.peer->note.reset();
    request.bytes = envelope.request_data.size();
    return request;
}

// The quorum's answer about its voters stays true when the leader goes; it may go because of it.
bool outlives_leader(ApiKey key) {
    return key == ApiKey::add_raft_voter || key == ApiKey::remove_raft_voter;
}

Task<EnvelopeResponse> open(const EnvelopeRequest& envelope, const net::Request& outer,
                            Services& services) {
    auto leads = [&] { return services.controllers.leader_id() == services.node.id; };
    auto refusal = [](ErrorCode code) { return EnvelopeResponse{.error_code = code}; };
    auto request = unwrapped(envelope, outer);
    if (!request) co_return refusal(request.error().code);
    if (!leads()) co_return refusal(ErrorCode::not_controller);
    ApiKey key = request->api->key;
    const Handler* handler = find_handler(key);
    net::Reply reply = co_await handler->run(*std::move(request), services);
    if (!leads() && !outlives_leader(key)) co_return refusal(ErrorCode::not_controller);
    if (reply.close) co_return refusal(ErrorCode::invalid_request);
    co_return EnvelopeResponse{.response_data = without_size(reply.bytes)};
}

Task<net::Reply> run(net::Request request, Services& services) {
    Reader reader(request.body);
    auto envelope = EnvelopeRequest::decode(reader, request.version);
    if (!envelope) co_return net::Reply{.close = true, .reason = envelope.error().message};
    co_return detail::encode(request, co_await open(*envelope, request, services));
}

}  // namespace

constinit const Handler handlers::envelope{run};

}  // namespace millrace::broker
