#pragma once

#include <cstdint>
#include <string>

#include "base/random.h"
#include "core/metadata/image.h"
#include "core/metadata/record.h"

namespace millrace::metadata {

// Records that may stand in a log behind those of an image, for tests. The same seed gives the
// same records.
class RandomRecords {
  public:
    explicit RandomRecords(std::uint64_t seed) : random_(seed) {}

    VersionedRecord next(const Image& image);

  private:
    MetadataRecord any(const Image& image);
    MetadataRecord register_broker();
    MetadataRecord change_broker(const Image& image);
    MetadataRecord new_topic();
    MetadataRecord new_partition(const Image& image);
    MetadataRecord change_partition(const Image& image);
    MetadataRecord config(const Image& image);
    MetadataRecord security(const Image& image);
    MetadataRecord quota();
    MetadataRecord token();
    const Topic& some_topic(const Image& image);
    std::string some_name(const char* prefix, std::int64_t most);
    std::vector<std::int32_t> some_brokers();

    Random random_;
    std::int64_t epoch_ = 0;
};

}  // namespace millrace::metadata
