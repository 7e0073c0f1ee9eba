#pragma once

#include <cstdint>
#include <string>

#include "base/time.h"
#include "base/uuid.h"

namespace millrace::groups {

struct CommittedOffset {
    std::int64_t offset = -1;
    std::int32_t leader_epoch = -1;
    std::string metadata;
    Timestamp commit_timestamp = -1;
    std::int64_t expire_timestamp = -1;  // of commits by old versions with a retention of their own
    Uuid topic_id;
    std::int64_t record_offset = -1;  // of the commit in __consumer_offsets
};

}  // namespace millrace::groups
