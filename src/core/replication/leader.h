#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "base/time.h"
#include "core/metadata/image.h"
#include "core/replication/rules.h"

namespace millrace::replication {

using metadata::BrokerIds;

inline constexpr Offset no_offset = -1;

// An ISR that a leader asks the controller for (AlterPartition).
struct IsrChange {
    struct Member {
        std::int32_t id = -1;
        std::int64_t broker_epoch = -1;  // -1: it has not fetched from this leader
        bool operator==(const Member&) const = default;
    };
    std::vector<Member> isr;
    std::int32_t leader_epoch = -1;
    std::int32_t partition_epoch = -1;  // of the state that it is to change

    bool operator==(const IsrChange&) const = default;
};

// What a leader is told.
//
// The controller's word on a partition, in this leader's epoch.
struct StateChanged {
    metadata::Partition state;
    std::int32_t min_isr = 1;  // min.insync.replicas
};
// Its own log.
struct LogMoved {
    Offset end = 0;
    Offset counted = 0;  // up to where this replica counts towards the high watermark
};
// A follower has asked for what is behind `offset`: it has everything below on stable storage. To
// be told when the fetch was found to fit the log.
struct FollowerFetched {
    std::int32_t id = -1;
    std::int64_t broker_epoch = -1;  // -1: it does not say
    Offset offset = 0;
    Offset log_start = 0;
};
// Some time has passed.
struct LagChecked {};
// The controller's answer to an IsrChange, or what kept it from one.
struct ChangeAnswered {
    ErrorCode error = ErrorCode::none;
    std::int32_t asked_epoch = -1;  // IsrChange::partition_epoch
    BrokerIds isr;
    std::int32_t leader_epoch = -1;
    std::int32_t partition_epoch = -1;
};
using LeaderEvent =
    std::variant<StateChanged, LogMoved, FollowerFetched, LagChecked, ChangeAnswered>;

struct LeaderInput {
    Time now;
    Duration max_lag;              // replica.lag.time.max.ms
    const metadata::Image& image;  // which brokers may be in sync
};

struct LeaderActions {
    // The fetch is not to be served: its broker has been replaced by a later life.
    bool refused = false;
    bool high_watermark_moved = false;
    std::optional<IsrChange> change;  // to be told to the controller
    bool retry = false;               // `change` has failed before: not at once
    enum class Outcome : std::uint8_t { none, expanded, shrunk, failed };
    Outcome outcome = Outcome::none;  // what became of a change
};

// A leader's view of its followers: who is in sync, and so what is committed.
//
// The high watermark moves over all that are in the ISR, or may be by the time the controller has
// answered (KIP-497), and over those that are about to join. It stands still while fewer are in
// sync than min.insync.replicas asks for (KIP-966).
class Leader {
  public:
    // Begins in the epoch of `begun.state`, whose first offset is `epoch_start`.
    Leader(std::int32_t self, StateChanged begun, Offset epoch_start, Offset high_watermark,
           Time now, const Rules& rules = kafka_rules);

    LeaderActions step(const LeaderEvent& event, const LeaderInput& input);

    Offset high_watermark() const { return high_watermark_; }
    const BrokerIds& isr() const { return isr_; }  // as the controller has it
    // The largest ISR that the controller may have by now.
    const BrokerIds& maximal_isr() const { return pending_ ? pending_->maximal : isr_; }
    bool is_changing() const { return pending_.has_value(); }
    Offset epoch_start() const { return epoch_start_; }
    std::int32_t partition_epoch() const { return partition_epoch_; }
    bool knows(std::int32_t replica) const { return find(replica) != nullptr; }
    // No living replica has records below; its own log begins at `own_start`.
    Offset low_watermark(Offset own_start, const metadata::Image& image) const;

    struct Follower {
        std::int32_t id = -1;
        Offset end = no_offset;  // on its stable storage below
        Offset log_start = no_offset;
        Offset leader_end = no_offset;  // when it fetched last
        Time last_fetch;
        std::optional<Time> caught_up;  // when it last had all that there was
        std::optional<std::int64_t> broker_epoch;
    };
    const std::vector<Follower>& followers() const { return followers_; }

  private:
    struct Pending {
        IsrChange change;
        BrokerIds maximal;
        bool expands = false;
    };

    void handle(const StateChanged& event, const LeaderInput& input, LeaderActions& actions);
    void handle(const LogMoved& event, const LeaderInput& input, LeaderActions& actions);
    void handle(const FollowerFetched& event, const LeaderInput& input, LeaderActions& actions);
    void handle(const LagChecked& event, const LeaderInput& input, LeaderActions& actions);
    void handle(const ChangeAnswered& event, const LeaderInput& input, LeaderActions& actions);
    void settle(const ChangeAnswered& event, LeaderActions& actions);
    void take_replicas(const metadata::Partition& state, Time now, bool begins);
    const Follower* find(std::int32_t id) const;
    bool is_caught_up(const Follower& follower, const LeaderInput& input) const;
    bool may_join(const Follower& follower, const metadata::Image& image) const;
    void propose(BrokerIds isr, BrokerIds maximal, const LeaderInput& input,
                 LeaderActions& actions);
    void advance(const LeaderInput& input, LeaderActions& actions);

    const Rules* rules_;
    std::int32_t self_;
    std::int32_t leader_epoch_;
    std::int32_t partition_epoch_;
    std::int32_t min_isr_ = 1;
    BrokerIds isr_;
    std::optional<Pending> pending_;
    std::vector<Follower> followers_;
    Offset epoch_start_;
    Offset end_ = 0;
    Offset counted_ = 0;
    Offset high_watermark_;
};

}  // namespace millrace::replication
