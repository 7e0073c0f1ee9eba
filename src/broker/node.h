#pragma once

#include <cstdint>
#include <string>

#include "base/uuid.h"

namespace millrace::broker {

// Who this process is; fixed for its life.
struct Node {
    std::int32_t id = 0;
    std::string cluster_id;
    Uuid incarnation;
    std::string version;  // of the executable
};

}  // namespace millrace::broker
