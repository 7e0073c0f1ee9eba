#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "base/result.h"
#include "storage/remote/segment_metadata.h"

namespace millrace::storage::remote {

// What __remote_log_metadata says of one partition: its segments in remote storage, by leader
// epoch. Records come in the order of that topic; apply() is the only writer.
class RemoteLogSegments {
  public:
    // invalid_record: what the record says cannot follow on what is known; nothing has changed.
    Result<> apply(const RemoteLogSegmentMetadata& metadata);
    // resource_not_found: the segment is not known (any more).
    Result<> apply(const RemoteLogSegmentMetadataUpdate& update);

    // --- Reading: segments whose copy is finished ---
    // The one that holds `offset` as a record of `epoch`.
    const RemoteLogSegmentMetadata* find(std::int32_t epoch, Offset offset) const;
    // The first one from the one that holds `offset` on, within the epoch, that has aborted
    // transactions; its neighbours must follow without a gap.
    const RemoteLogSegmentMetadata* find_with_transactions(std::int32_t epoch, Offset offset) const;
    // The highest offset of the epoch that was ever copied.
    std::optional<Offset> highest_offset(std::int32_t epoch) const;

    // --- Listing: segments in every state but delete_segment_finished ---
    const RemoteLogSegmentMetadata* find(const Uuid& id) const;
    const std::map<Uuid, RemoteLogSegmentMetadata>& all() const { return segments_; }
    // Those with records of the epoch, ascending by start offset.
    std::vector<const RemoteLogSegmentMetadata*> list(std::int32_t epoch) const;
    bool empty() const { return segments_.empty(); }

  private:
    // The segments of one leader epoch.
    struct Epoch {
        std::map<Offset, Uuid> copied;  // by the epoch's first offset in them
        // Being copied, being deleted, or replaced by a later copy that holds more.
        std::set<Uuid> unreferenced;
        std::optional<Offset> highest_offset;
    };
    void finish_copy(const RemoteLogSegmentMetadata& metadata);
    void start_deletion(const RemoteLogSegmentMetadata& metadata);
    void finish_deletion(const RemoteLogSegmentMetadata& metadata);

    std::map<Uuid, RemoteLogSegmentMetadata> segments_;
    std::map<std::int32_t, Epoch> epochs_;
};

}  // namespace millrace::storage::remote
