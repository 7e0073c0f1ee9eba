#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "base/error_code.h"
#include "base/time.h"
#include "core/replication/rules.h"

namespace millrace::replication {

// A follower's own log.
struct FollowerLog {
    Offset start = 0;
    Offset end = 0;
    Offset high_watermark = 0;
    bool has_epochs = false;
};

// What a follower is told.
//
// A leader's epoch begins.
struct FollowingBegan {};
// The leader's answer to a fetch.
struct FetchAnswered {
    ErrorCode error = ErrorCode::none;
    Offset high_watermark = -1;
    Offset log_start = -1;
    bool has_records = false;
    std::optional<EpochEnd> diverging;
    std::optional<EpochEnd> own;  // what the own log says of diverging->epoch
};
// The leader's answer to where its log begins and ends. What lies below `local_start` it has in
// remote storage only (KIP-405), and does not send.
struct OffsetsAnswered {
    ErrorCode error = ErrorCode::none;
    Offset start = -1;
    Offset local_start = -1;
    std::int32_t local_epoch = -1;  // of the record there
    Offset end = -1;
};
// What the leader sent cannot follow the own log, or is broken.
struct RecordsRefused {};
using FollowerEvent = std::variant<FollowingBegan, FetchAnswered, OffsetsAnswered, RecordsRefused>;

// Where a log goes on of which the older records are in remote storage.
struct TieredBeginning {
    Offset start = -1;        // of the log
    Offset local_start = -1;  // of what comes from the leader
    std::int32_t local_epoch = -1;
    bool operator==(const TieredBeginning&) const = default;
};

// To be carried out in the order of the fields.
struct FollowerActions {
    std::optional<Offset> truncate_to;
    std::optional<Offset> begin_anew_at;          // all records go
    std::optional<TieredBeginning> begin_behind;  // the same
    bool append = false;                          // what came with the answer
    // As far as the own log goes; neither ever moves back.
    std::optional<Offset> high_watermark;
    std::optional<Offset> log_start;
};

// One partition that follows a leader, in one epoch of it: what it asks for, and what it makes of
// the answers. Its log cuts itself where a fetch finds that it differs (KIP-595).
class Follower {
  public:
    Follower(std::int32_t leader_epoch, Duration backoff, const Rules& rules = kafka_rules)
        : leader_epoch_(leader_epoch), backoff_(backoff), rules_(&rules) {}

    enum class Need : std::uint8_t {
        fetch,
        offsets,  // where the leader's log begins and ends
        nothing,  // until resumes_at(), or the next epoch
    };
    Need need(Time now) const { return now < resumes_at_ ? Need::nothing : need_; }
    // never: when the controller has told a later epoch.
    Time resumes_at() const { return need_ == Need::nothing ? Time::never() : resumes_at_; }
    std::int32_t leader_epoch() const { return leader_epoch_; }

    FollowerActions step(const FollowerEvent& event, const FollowerLog& log, Time now);

  private:
    FollowerActions handle(const FollowingBegan& event, const FollowerLog& log, Time now);
    FollowerActions handle(const FetchAnswered& event, const FollowerLog& log, Time now);
    FollowerActions handle(const OffsetsAnswered& event, const FollowerLog& log, Time now);
    FollowerActions handle(const RecordsRefused& event, const FollowerLog& log, Time now);
    void failed(ErrorCode error, Time now);

    std::int32_t leader_epoch_;
    Duration backoff_;  // replica.fetch.backoff.ms
    const Rules* rules_;
    Need need_ = Need::fetch;
    int not_yet_ = 0;  // answers in a row of a broker that does not know yet that it leads
    Time resumes_at_;
};

}  // namespace millrace::replication
