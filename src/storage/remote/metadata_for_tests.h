#pragma once

#include <cstdint>

#include "base/check.h"
#include "storage/remote/remote_log_segments.h"

namespace millrace::storage::remote {

struct TestSegment {
    std::uint64_t id = 0;
    Offset start = 0;
    Offset end = 0;
    std::int32_t epoch = 0;
    std::uint64_t size = 1'000;
    Timestamp max_timestamp = 1'000;
    std::int32_t broker_id = 1;
};

inline RemoteLogSegmentMetadata segment_metadata(const TestSegment& test) {
    return {.segment = {.topic = "orders",
                        .topic_id = {7, 7},
                        .partition = 0,
                        .id = {9, test.id},
                        .start_offset = test.start,
                        .end_offset = test.end,
                        .max_timestamp = test.max_timestamp,
                        .broker_id = test.broker_id,
                        .size = test.size},
            .event_timestamp = 5,
            .leader_epochs = {{test.epoch, test.start}}};
}

inline RemoteLogSegmentMetadataUpdate update_of(const RemoteLogSegmentMetadata& metadata,
                                                RemoteLogSegmentState state) {
    const RemoteLogSegment& segment = metadata.segment;
    return {.partition = {segment.topic, segment.topic_id, segment.partition},
            .id = segment.id,
            .broker_id = segment.broker_id,
            .event_timestamp = 6,
            .state = state};
}

inline void copy_into(RemoteLogSegments& segments, const RemoteLogSegmentMetadata& metadata) {
    CHECK(segments.apply(metadata));
    CHECK(segments.apply(update_of(metadata, RemoteLogSegmentState::copy_segment_finished)));
}

}  // namespace millrace::storage::remote
