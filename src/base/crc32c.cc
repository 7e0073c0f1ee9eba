#include "base/crc32c.h"

#include <algorithm>
#include <isa-l/crc.h>
#include <limits>

namespace millrace {

std::uint32_t crc32c(Bytes bytes, std::uint32_t crc) {
    crc = ~crc;
    while (!bytes.empty()) {  // libisal counts in int
        std::size_t n = std::min<std::size_t>(bytes.size(), std::numeric_limits<int>::max());
        crc = crc32_iscsi(const_cast<unsigned char*>(bytes.data()), static_cast<int>(n), crc);
        bytes = bytes.subspan(n);
    }
    return ~crc;
}

}  // namespace millrace
