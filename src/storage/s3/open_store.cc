#include "storage/s3/open_store.h"

#include "storage/remote/directory_store.h"
#include "storage/s3/s3_store.h"

namespace millrace::storage::s3 {

Result<std::unique_ptr<remote::ObjectStore>> open_store(const remote::StoreSettings& settings,
                                                        env::Disk& disk, std::int32_t node_id,
                                                        std::uint64_t seed) {
    if (const auto* directory = std::get_if<remote::DirectorySettings>(&settings)) {
        return remote::DirectoryStore::open(disk, directory->path, node_id);
    }
    return std::make_unique<S3Store>(std::get<remote::S3Settings>(settings), disk, seed);
}

}  // namespace millrace::storage::s3
