#include "broker/coordinators/java_hash.h"

#include <limits>

namespace millrace::broker {

std::int32_t coordinator_partition(std::string_view key, std::int32_t partitions) {
    std::int32_t hash = java_hash(key);
    if (hash == std::numeric_limits<std::int32_t>::min()) return 0;
    return (hash < 0 ? -hash : hash) % partitions;
}

}  // namespace millrace::broker
