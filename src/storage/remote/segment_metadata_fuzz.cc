#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "storage/remote/remote_log_segments.h"
#include "storage/remote/segment_metadata.h"

// Any bytes are a record, which is written as what it was read as, or an Error; and any record can
// be applied or is refused.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace millrace::storage::remote;
    auto record = decode_remote_log_metadata(millrace::Bytes(data, size));
    if (!record) return 0;
    auto again = decode_remote_log_metadata(encode(*record).bytes());
    CHECK(again && *again == *record);
    const auto* metadata = std::get_if<RemoteLogSegmentMetadata>(&*record);
    if (metadata == nullptr) return 0;
    RemoteLogSegments segments;
    if (!segments.apply(*metadata)) return 0;
    for (auto state : {RemoteLogSegmentState::copy_segment_finished,
                       RemoteLogSegmentState::delete_segment_started,
                       RemoteLogSegmentState::delete_segment_finished}) {
        CHECK(segments.apply(
            RemoteLogSegmentMetadataUpdate{.id = metadata->segment.id, .state = state}));
        const auto& first = metadata->leader_epochs.front();
        (void)segments.find(first.epoch, first.start_offset);
    }
    CHECK(segments.empty());
    return 0;
}
