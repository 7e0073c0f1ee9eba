#include "records/record_format.h"

namespace millrace {

const char* check_headers(const std::uint8_t* at, const std::uint8_t* end, std::int32_t count) {
    for (std::int32_t i = 0; i < count; ++i) {
        std::optional<Bytes> part;
        at = get_nullable(at, end, part);
        if (at == nullptr) return "a header key runs past the record";
        if (!part) return "a header key is null";
        at = get_nullable(at, end, part);
        if (at == nullptr) return "a header value runs past the record";
    }
    return at == end ? nullptr : "bytes are left behind its headers";
}

}  // namespace millrace
