#pragma once

#include <cstdint>

#include "base/time.h"
#include "core/metadata/image.h"

namespace millrace::quorum {

// The image after committed records, and what they took in the log.
struct Published {
    metadata::ImagePtr image;
    std::uint64_t bytes = 0;
    Timestamp timestamp = 0;
};

}  // namespace millrace::quorum
