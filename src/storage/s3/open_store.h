#pragma once

#include <cstdint>
#include <memory>

#include "base/result.h"
#include "storage/remote/object_store.h"
#include "storage/remote/store_settings.h"

namespace millrace::env {
class Disk;
}

namespace millrace::storage::s3 {

// The store that the settings ask for. Blocking. `disk` holds the directory, or the credentials
// file; `seed` is for pauses between attempts. S3 is not spoken to yet.
Result<std::unique_ptr<remote::ObjectStore>> open_store(const remote::StoreSettings& settings,
                                                        env::Disk& disk, std::int32_t node_id,
                                                        std::uint64_t seed);

}  // namespace millrace::storage::s3
