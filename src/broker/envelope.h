#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/chain.h"
#include "base/result.h"
#include "protocol/envelope.h"
#include "protocol/frame.h"

namespace millrace::net {
struct Peer;
}

namespace millrace::broker {

// A client's request on its way from a broker to the active controller, and the answer back
// (KIP-590).

// Whose request it is. `principal`: "User:NAME"; `host`: the client's address.
struct ForwardedFor {
    std::string principal;
    std::string host;
    std::string client_id;
};
ForwardedFor forwarded_for(const net::Peer& peer, std::string_view client_id);

// `frame`: a request as encode_request() makes it.
Result<EnvelopeRequest> wrap(const Chain& frame, const ForwardedFor& sender);
// "User:NAME". principal_deserialization_failure.
Result<std::string> principal_in(const EnvelopeRequest& envelope);
// What a frame holds without its size.
Slice without_size(const Chain& frame);

// The answer in an envelope; the error of the envelope itself.
template <typename Response>
Result<Response> unwrap(const EnvelopeResponse& envelope, ApiKey key, std::int16_t version) {
    if (envelope.error_code != ErrorCode::none)
        return fail(envelope.error_code, std::string(meaning_of(envelope.error_code)));
    if (!envelope.response_data)
        return fail(ErrorCode::unknown_server_error, "the envelope of an answer is empty");
    Reader reader(*envelope.response_data);
    RETURN_IF_ERROR(decode_response_header(reader, key, version));
    return Response::decode(reader, version);
}

}  // namespace millrace::broker
