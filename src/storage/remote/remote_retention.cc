#include "storage/remote/remote_retention.h"

#include <algorithm>

#include "storage/remote/lineage.h"

namespace millrace::storage::remote {
namespace {

class Choice {
  public:
    Choice(const RemoteLogSegments& segments, const RemoteRetention& retention)
        : segments_(segments),
          retention_(retention),
          epochs_(with_records(retention.epochs->entries())) {}

    RemoteExpiry make() {
        measure();
        add_unfinished();
        add_breaching();
        add_outside_history();
        return std::move(expiry_);
    }

  private:
    // Every valid segment once, and how much of it all is beyond retention.bytes.
    void measure() {
        expiry_.total_bytes = retention_.only_local_bytes;
        for (const auto& [id, metadata] : segments_.all()) {
            if (is_valid(metadata)) expiry_.total_bytes += metadata.segment.size;
        }
        auto most =
            static_cast<std::uint64_t>(std::max<std::int64_t>(0, retention_.retention_bytes));
        if (retention_.retention_bytes >= 0 && expiry_.total_bytes > most) {
            excess_ = expiry_.total_bytes - most;
        }
    }

    bool is_valid(const RemoteLogSegmentMetadata& metadata) const {
        return metadata.state == RemoteLogSegmentState::copy_segment_finished &&
               within_lineage(metadata, retention_.log_end, epochs_);
    }

    bool is_being_copied(const RemoteLogSegmentMetadata& metadata) const {
        return retention_.being_copied->contains(metadata.segment.id);
    }

    // A removal that failed is tried again; so is the copy of an earlier run of this broker, under
    // another id: what it has left goes.
    void add_unfinished() {
        for (const auto& [id, metadata] : segments_.all()) {
            bool abandoned = metadata.state == RemoteLogSegmentState::copy_segment_started &&
                             metadata.segment.broker_id == retention_.broker_id &&
                             !is_being_copied(metadata);
            if (abandoned || metadata.state == RemoteLogSegmentState::delete_segment_started) {
                add(metadata);
            }
        }
    }

    // From the oldest on, to the first one that stays.
    void add_breaching() {
        for (const EpochStart& epoch : epochs_) {
            for (const RemoteLogSegmentMetadata* metadata : segments_.list(epoch.epoch)) {
                if (is_being_copied(*metadata)) return;
                if (chosen_.contains(metadata->segment.id)) continue;
                if (below_start(*metadata)) {
                    add(*metadata);
                } else if (within_lineage(*metadata, retention_.log_end, epochs_)) {
                    if (!too_old(*metadata) && !too_much(*metadata)) return;
                    add(*metadata);
                    Offset next = metadata->segment.end_offset + 1;
                    expiry_.log_start = std::max(expiry_.log_start.value_or(next), next);
                }
            }
        }
    }

    // The start may have been moved by a user: then the epochs of the segment are not known any
    // more, or the first one begins later.
    bool below_start(const RemoteLogSegmentMetadata& metadata) const {
        return metadata.segment.end_offset < retention_.log_start &&
               metadata.leader_epochs.back().epoch <= epochs_.front().epoch;
    }

    bool too_old(const RemoteLogSegmentMetadata& metadata) {
        if (retention_.retention_ms < 0) return false;
        Timestamp oldest = retention_.now - retention_.retention_ms;
        if (oldest < 0 || metadata.segment.max_timestamp >= oldest) return false;
        excess_ -= std::min(excess_, metadata.segment.size);
        return true;
    }

    bool too_much(const RemoteLogSegmentMetadata& metadata) {
        if (excess_ == 0 || metadata.segment.size > excess_) return false;
        excess_ -= metadata.segment.size;
        return true;
    }

    // Of leaders before the log's first one: an unclean election left them behind. A log that does
    // not know who wrote its beginning has lost its epochs, and is no witness.
    void add_outside_history() {
        if (retention_.epochs->entries().empty()) return;
        const EpochStart& first = retention_.epochs->entries().front();
        if (first.start_offset > retention_.log_start) return;
        std::int32_t earliest = first.epoch;
        for (const auto& [id, metadata] : segments_.all()) {
            bool older = metadata.leader_epochs.back().epoch < earliest;
            if (older && !is_being_copied(metadata)) add(metadata);
        }
    }

    void add(const RemoteLogSegmentMetadata& metadata) {
        if (chosen_.insert(metadata.segment.id).second) expiry_.segments.push_back(&metadata);
    }

    const RemoteLogSegments& segments_;
    const RemoteRetention& retention_;
    std::vector<EpochStart> epochs_;
    std::uint64_t excess_ = 0;
    std::set<Uuid> chosen_;
    RemoteExpiry expiry_;
};

}  // namespace

RemoteExpiry choose_expired(const RemoteLogSegments& segments, const RemoteRetention& retention) {
    return Choice(segments, retention).make();
}

}  // namespace millrace::storage::remote
