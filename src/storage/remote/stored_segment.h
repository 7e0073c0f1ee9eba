#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/result.h"
#include "storage/remote/indexes_header.h"
#include "storage/remote/layout.h"
#include "storage/remote/object_store.h"

namespace millrace::storage::remote {

// A segment's objects as one thing (docs/tiered-storage.md). All of it blocks, on helper threads.

// What is copied; null where the segment has no such file.
struct SegmentFiles {
    ObjectSource* log = nullptr;
    std::array<ObjectSource*, index_types> indexes{};

    ObjectSource*& index(IndexType type) { return indexes[static_cast<std::size_t>(type)]; }
};

// The log, then the indexes with the segment's metadata in front: where they are, all is there.
// After an error remove_segment() takes away what may have come to be. segment.size is that of
// files.log.
Result<> copy_segment(ObjectStore& store, const RemoteLogSegment& segment,
                      const SegmentFiles& files);
// Fine when some or all of it is missing.
Result<> remove_segment(ObjectStore& store, const RemoteLogSegment& segment);

// Indexes [first, last] in the order of IndexType, each whole, checked, and empty where the segment
// has none; the others are left empty. resource_not_found: there is no such segment.
// corrupt_message: its bytes are not those that were put.
using SegmentIndexes = std::array<Slice, index_types>;
Result<SegmentIndexes> fetch_indexes(ObjectStore& store, const RemoteLogSegment& segment,
                                     IndexType first, IndexType last);
Result<Slice> fetch_index(ObjectStore& store, const RemoteLogSegment& segment, IndexType type);

// What the .indexes object of this key says of its segment: for whoever rebuilds metadata.
Result<IndexesHeader> read_header(ObjectStore& store, std::string_view key);

}  // namespace millrace::storage::remote
