#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "base/time.h"
#include "base/uuid.h"
#include "core/coordinator/record.h"
#include "core/share/share_types.h"

namespace millrace::share {

// A partition as one share group reads it.
struct ShareKey {
    std::string group_id;
    Uuid topic_id;
    std::int32_t partition = 0;
    auto operator<=>(const ShareKey&) const = default;
    // By which its coordinator is found.
    std::string to_string() const;
};
// invalid_request: it has not the three parts.
Result<ShareKey> parse_share_key(std::string_view text);

// What the share coordinator keeps of it.
struct ShareState {
    std::int32_t snapshot_epoch = 0;
    std::int32_t state_epoch = 0;
    std::int32_t leader_epoch = 0;
    Offset start_offset = -1;  // -1: share.auto.offset.reset says
    std::int32_t delivery_complete_count = -1;
    Timestamp create_timestamp = 0;
    Timestamp write_timestamp = 0;
    std::vector<StateBatch> batches;
    bool operator==(const ShareState&) const = default;
};

// The records of __share_group_state as Apache Kafka 4.3.1 writes them: all of a state, or what has
// changed since the one before, which tells no timestamps and no state epoch.
coordinator::Record snapshot_record(const ShareKey& key, const ShareState& state);
coordinator::Record update_record(const ShareKey& key, const ShareState& state);
coordinator::Record share_tombstone(const ShareKey& key);

struct ShareSnapshot {
    ShareState state;
};
struct ShareUpdate {
    ShareState state;
};
struct ShareGone {};
struct ShareEntry {
    ShareKey key;
    std::variant<ShareSnapshot, ShareUpdate, ShareGone> what;
};
// Nothing for records of other types.
Result<std::optional<ShareEntry>> parse(const coordinator::Record& record);

}  // namespace millrace::share
