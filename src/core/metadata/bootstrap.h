#pragma once

#include <optional>

#include "base/result.h"
#include "core/metadata/features.h"
#include "core/metadata/record.h"

namespace millrace::metadata {

struct FormatOptions {
    std::optional<MetadataVersion> release;  // --release-version
    FeatureLevels features;                  // --feature NAME=LEVEL
    bool dynamic_quorum = false;  // --standalone, --initial-controllers, --no-initial-controllers
    bool unstable = false;        // unstable.feature.versions.enable
};

// The level of every feature that a newly formatted cluster has, 0 included. Errors carry the
// sentences of kafka-storage.
Result<FeatureLevels> format_levels(const FormatOptions& options);

// What bootstrap.checkpoint holds for these levels: metadata.version first, the others by name,
// kraft.version and those at 0 left out.
Records bootstrap_records(const FeatureLevels& levels);

// The metadata.version among bootstrap records. Error invalid_record when they have none.
Result<MetadataVersion> bootstrap_version(const Records& records);

}  // namespace millrace::metadata
