#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/uuid.h"

namespace millrace::storage {

// The file partition.metadata, which tells whose topic the directory is.
std::string partition_metadata_text(const Uuid& topic_id);
// kafka_storage_error, naming the file.
Result<Uuid> parse_partition_metadata(std::string_view text, std::string_view name);

}  // namespace millrace::storage
