#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/error_code.h"

namespace millrace::replication {

using Offset = std::int64_t;

// The largest epoch of a log that is not above one that was asked for, and where it ends there.
struct EpochEnd {
    std::int32_t epoch = -1;
    Offset end = -1;
    bool operator==(const EpochEnd&) const = default;
};

// The decisions that the safety of replication rests on, each by itself. There is one set of rules,
// Kafka's; tests break one after the other, and see that the laws of replication notice
// (faults_test.cc).
class Rules {
  public:
    virtual ~Rules() = default;

    // --- Of leaders ---
    // A leader goes on from where the one before it was, as far as it heard.
    virtual Offset begins_at(Offset heard) const { return heard; }
    // Its own replica counts as far as it is on stable storage.
    virtual Offset counts_itself(Offset /*end*/, Offset stable) const { return stable; }
    // Fetches of a broker's life before its latest count for nothing (KIP-903); -1: of any life.
    virtual std::int64_t life_of(std::int64_t broker_epoch) const { return broker_epoch; }
    // Who joins the ISR has all that is committed, and all that earlier leaders may have committed.
    virtual bool has_all(Offset end, Offset high_watermark, Offset epoch_start) const {
        return end >= high_watermark && end >= epoch_start;
    }
    // It is the controller's answer that changes the ISR, and not the request (KIP-497).
    virtual bool takes_unanswered() const { return false; }
    // A change without an answer may have been made: it counts until there is one.
    virtual bool asks_again() const { return true; }
    // Nothing is committed while fewer are in sync than min.insync.replicas (KIP-966).
    virtual bool may_commit(std::int32_t in_sync, std::int32_t min_isr) const {
        return in_sync >= min_isr;
    }
    // Nor without those that are in sync by now, for all that the leader knows.
    virtual bool waits_for(bool /*in_known_isr*/, bool may_be_in_isr) const {
        return may_be_in_isr;
    }
    // Who asks in another epoch than the leader's is told so; -1: it does not say.
    virtual ErrorCode judge_epoch(std::int32_t asked, std::int32_t own) const {
        if (asked < 0 || asked == own) return ErrorCode::none;
        return asked < own ? ErrorCode::fenced_leader_epoch : ErrorCode::unknown_leader_epoch;
    }
    // Whether a log that ends at `end` in `epoch` is another one than the leader's, which ends that
    // epoch as `own` says.
    virtual bool parts(EpochEnd own, std::int32_t epoch, Offset end) const {
        return own.epoch < epoch || own.end < end;
    }

    // --- Of followers ---
    // Only a log whose records have no epochs (before KIP-101) is cut without asking the leader:
    // records that cannot be compared, and may not be committed, go.
    virtual bool cuts_at_high_watermark(bool has_epochs) const { return !has_epochs; }
    // Where a log is cut that does not match the leader's: `leader` is what the leader said of its
    // last epoch, `own` what it says itself of leader.epoch (KIP-101, 595). An epoch that only one
    // of the two has brings the next fetch a step further back.
    virtual Offset cut(EpochEnd leader, std::optional<EpochEnd> own, Offset own_end) const;
    // What is committed ends within the own log.
    virtual Offset heard_high_watermark(Offset told, Offset own_end) const {
        return std::min(told, own_end);
    }
};

inline const Rules kafka_rules;

}  // namespace millrace::replication
