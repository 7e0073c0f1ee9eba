#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/chain.h"
#include "base/result.h"
#include "protocol/api.h"
#include "protocol/reader.h"
#include "protocol/request_header.h"
#include "protocol/writer.h"

namespace millrace {

// A frame: int32 size of the rest, header, message.

// Reads a request's header in the version that its key and version ask for.
Result<RequestHeader> decode_request_header(Reader& in);
// Reads a response's header and gives its correlation id.
Result<std::int32_t> decode_response_header(Reader& in, ApiKey key, std::int16_t version);

namespace detail {

// The size, still to be filled in, and the header.
void begin_response(Writer& out, std::int32_t correlation_id, ApiKey key, std::int16_t version);
Result<> begin_request(Writer& out, std::int32_t correlation_id,
                       std::optional<std::string_view> client_id, ApiKey key, std::int16_t version);
Chain end_frame(Writer& out);

}  // namespace detail

// A response with size and header in front, ready to be sent. Fails when the version cannot express
// a field of the response.
template <typename Response>
Result<Chain> encode_response(std::int32_t correlation_id, ApiKey key, std::int16_t version,
                              const Response& response) {
    Writer out(256);
    detail::begin_response(out, correlation_id, key, version);
    RETURN_IF_ERROR(response.encode(out, version));
    return detail::end_frame(out);
}

// A request with size and header in front.
template <typename Request>
Result<Chain> encode_request(std::int32_t correlation_id, std::optional<std::string_view> client_id,
                             std::int16_t version, const Request& request) {
    Writer out(256);
    RETURN_IF_ERROR(
        detail::begin_request(out, correlation_id, client_id, Request::api_key, version));
    RETURN_IF_ERROR(request.encode(out, version));
    return detail::end_frame(out);
}

}  // namespace millrace
