#pragma once

#include <functional>

#include "base/result.h"
#include "core/metadata/image.h"
#include "core/metadata/record.h"

namespace millrace::metadata {

using RecordSink = std::function<void(VersionedRecord)>;

// The records that make this image from an empty one, in Apache's order: features, brokers and
// controllers, topics, configs, quotas, producer ids, ACLs, SCRAM credentials, tokens. Error
// unsupported_version when the image holds what its metadata.version cannot say.
Result<> write_records(const Image& image, const RecordSink& sink);
Result<Records> to_records(const Image& image);

// The versions are those that Apache writes at this metadata.version.
VersionedRecord register_broker_record(const Broker& broker, MetadataVersion version);
VersionedRecord partition_record(const Uuid& topic, std::int32_t index, const Partition& partition,
                                 MetadataVersion version, bool elr_enabled);
VersionedRecord feature_level_record(std::string_view feature, std::int16_t level);

}  // namespace millrace::metadata
