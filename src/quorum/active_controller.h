#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/condition.h"
#include "base/list.h"
#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "core/controller/decision.h"
#include "core/controller/sessions.h"
#include "core/controller/state.h"
#include "core/metadata/image.h"
#include "core/metadata/record.h"
#include "env/shard.h"
#include "quorum/metadata_log.h"
#include "quorum/proposal.h"
#include "quorum/published.h"
#include "quorum/raft_driver.h"

namespace millrace::quorum {

// The controller for one term of office: decides on its State, which is ahead of what is committed,
// has the records appended in the order of decisions, and releases answers when they are committed.
class ActiveController {
  public:
    // `driver` outlives it; its raft leads and has the first batch of the epoch in the log.
    ActiveController(env::Shard& shard, MetadataLog& log, RaftDriver& driver,
                     controller::Settings settings);
    ~ActiveController();

    // Takes over the log as it was before the epoch. Error invalid_record: the log contradicts
    // itself.
    Result<> load(LogContents contents);
    // Brings the bootstrap records into an empty log, and ends a transaction left open. The broker
    // that this node was may be known to have ended with its process: a new one need not wait for
    // it. Errors of controller::Activate.
    Result<> activate(metadata::Records bootstrap, bool own_broker_is_gone);

    // Decides now; the offset of the last record, which the image of Published is to reach. Errors
    // leave everything as it was: record_list_too_large for records that must be together and are
    // more than a batch holds, unsupported_version for what metadata.version cannot say. A decision
    // that contradicts the state ends the driver: the node must not go on.
    Result<std::int64_t> propose(const Decide& decide);
    // Ends when the records at and below `offset` are committed, or with the error of end().
    Task<Result<>> committed(std::int64_t offset);
    // False while there are more uncommitted records in memory than there should.
    bool has_room() const;
    // Ends when that changes, or with the term.
    Task<void> room();
    // Writes the NoOpRecords of an idle log, fences brokers that are not heard of, and elects
    // leaders that are preferred (auto.leader.rebalance.enable) or may be unclean.
    Task<void> keep_time();

    // When a broker was heard of, or the term began for one that was not fenced then.
    std::optional<Time> last_heard(std::int32_t broker) const {
        return sessions_.last_heard(broker);
    }
    // Others vote than before, or kraft.version has risen.
    void set_voters(std::vector<std::int32_t> ids, std::int16_t kraft_version);

    // Releases what is committed. What becomes visible; nothing when that is nothing new.
    std::optional<Published> advance(std::int64_t high_watermark);
    // The term is over: all that wait get this error.
    void end(const Error& error);
    // Behind the records that activate() wrote.
    std::int64_t activation_end() const { return activation_end_; }

  private:
    // Of one decision.
    struct Pending {
        std::int64_t end = 0;
        Published published;
    };
    class Commit;
    struct CommitLink;
    // Elections that nobody asks for, every so often.
    struct Elections {
        Duration interval;
        Time next = Time::never();

        void begin(Time now) { next = now + interval; }
    };

    Result<std::vector<Slice>> encode(const Proposal& proposal, Timestamp now) const;
    Result<> fence_stale_brokers();
    Result<> write_no_op();
    template <typename Command>
    Result<> hold(Elections& elections, Command command);
    Time next_duty() const;
    Time next_no_op() const;

    env::Shard& shard_;
    MetadataLog& log_;
    RaftDriver& driver_;
    std::size_t max_batch_bytes_;
    Duration idle_interval_;  // 0: no NoOpRecords
    Duration session_timeout_;
    controller::State state_;
    controller::Sessions sessions_;
    std::optional<Error> ended_;
    Condition term_ended_;

    std::deque<Pending> pending_;
    std::uint64_t pending_bytes_ = 0;
    std::int64_t committed_end_ = 0;
    std::int64_t activation_end_ = 0;
    List<CommitLink> commits_;  // by offset
    Condition room_;
    Time last_append_;
    Time next_expiry_check_;
    Elections balance_;
    Elections unclean_;
};

}  // namespace millrace::quorum
