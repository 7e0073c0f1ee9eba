#include "protocol/frame.h"

#include "protocol/response_header.h"

namespace millrace {

Result<RequestHeader> decode_request_header(Reader& in) {
    Reader::Mark start = in.mark();
    ApiKey key{in.read_int16("RequestApiKey")};
    std::int16_t version = in.read_int16("RequestApiVersion");
    if (!in.ok()) return fail(in.error("RequestHeader"));
    in.rewind(start);
    return RequestHeader::decode(in, request_header_version(key, version));
}

Result<std::int32_t> decode_response_header(Reader& in, ApiKey key, std::int16_t version) {
    ASSIGN_OR_RETURN(ResponseHeader header,
                     ResponseHeader::decode(in, response_header_version(key, version)));
    return header.correlation_id;
}

namespace detail {

void begin_response(Writer& out, std::int32_t correlation_id, ApiKey key, std::int16_t version) {
    out.write_int32(0);
    out.write_int32(correlation_id);
    if (response_header_version(key, version) > 0) out.write_uvarint(0);  // tags
}

Result<> begin_request(Writer& out, std::int32_t correlation_id,
                       std::optional<std::string_view> client_id, ApiKey key,
                       std::int16_t version) {
    RequestHeader header{
        .request_api_key = static_cast<std::int16_t>(key),
        .request_api_version = version,
        .correlation_id = correlation_id,
    };
    header.client_id = client_id;
    out.write_int32(0);
    return header.encode(out, request_header_version(key, version));
}

Chain end_frame(Writer& out) {
    std::uint64_t size = out.size() - 4;
    CHECK(size <= 0x7fffffff);  // what is fetched or produced at once is bounded far below
    out.patch_int32(0, static_cast<std::int32_t>(size));
    return std::move(out).finish();
}

}  // namespace detail
}  // namespace millrace
