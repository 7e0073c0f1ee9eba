#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/coordinator/record.h"
#include "core/metadata/image.h"
#include "core/share/share_records.h"

namespace millrace::share {

using coordinator::Decision;

// Broker configs that the share coordinator follows; Kafka's names and defaults.
struct ShareCoordinatorOptions {
    // share.coordinator.snapshot.update.records.per.snapshot
    std::int32_t updates_per_snapshot = 500;
    // share.coordinator.cold.partition.snapshot.interval.ms
    std::int64_t cold_snapshot_interval_ms = 300'000;
};

// The states that one partition of __share_group_state is about. Decisions name records, and only
// applying them changes a state; they must be appended and applied before the next decision.
class ShareCoordinator {
  public:
    explicit ShareCoordinator(const ShareCoordinatorOptions& options) : options_(options) {}

    Result<> apply(const coordinator::Record& record, std::int64_t offset);
    // The topics of the moment: of others there is no state.
    void set_image(metadata::ImagePtr image) { image_ = std::move(image); }

    struct Outcome {
        ErrorCode error = ErrorCode::none;
        std::string message;
    };
    // A group begins with the partition, or is set back: what was known of it is forgotten.
    Decision<Outcome> initialize(const ShareKey& key, std::int32_t state_epoch, Offset start,
                                 Timestamp now) const;
    struct Write {
        std::int32_t state_epoch = 0;
        std::int32_t leader_epoch = 0;
        Offset start_offset = -1;
        std::int32_t delivery_complete_count = -1;
        std::vector<StateBatch> batches;
    };
    // From the partition's leader; fenced_leader_epoch, fenced_state_epoch where it is no longer.
    Decision<Outcome> write(const ShareKey& key, const Write& write, Timestamp now) const;
    struct Read {
        Outcome outcome;
        std::int32_t state_epoch = 0;
        Offset start_offset = 0;
        std::vector<StateBatch> batches;
    };
    // By a leader that begins: from now on those before are fenced.
    Decision<Read> read(const ShareKey& key, std::int32_t leader_epoch, Timestamp now) const;
    struct Summary {
        Outcome outcome;
        std::int32_t state_epoch = 0;
        std::int32_t leader_epoch = 0;
        Offset start_offset = -1;
        std::int32_t delivery_complete_count = -1;
    };
    Summary summarize(const ShareKey& key) const;
    Decision<Outcome> remove(const ShareKey& key) const;

    // The topics were deleted.
    Decision<int> forget_topics(const std::set<Uuid>& topics) const;
    // States that nobody wrote for long, so that what their updates lie in can be deleted.
    Decision<int> snapshot_cold(Timestamp now) const;
    // Records before it say nothing any more; none while nothing is known.
    std::optional<std::int64_t> redundant_below() const;

    struct Entry {
        ShareState state;
        std::int32_t highest_leader_epoch = 0;
        std::int32_t highest_state_epoch = 0;
        std::int32_t updates = 0;  // since the last snapshot
        std::int64_t snapshot_offset = 0;
    };
    const Entry* find(const ShareKey& key) const;
    std::size_t size() const { return entries_.size(); }

  private:
    std::optional<Outcome> check_topic(const ShareKey& key) const;
    coordinator::Record record_of(const ShareKey& key, const Entry& entry, const Write& write,
                                  std::int32_t leader_epoch, Timestamp now) const;

    ShareCoordinatorOptions options_;
    metadata::ImagePtr image_ = std::make_shared<const metadata::Image>();
    std::map<ShareKey, Entry> entries_;
    std::optional<std::int64_t> last_tombstone_;
};

}  // namespace millrace::share
