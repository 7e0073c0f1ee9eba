#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/completion.h"
#include "base/condition.h"
#include "base/result.h"
#include "base/scope.h"
#include "core/raft/raft.h"
#include "env/shard.h"
#include "quorum/metadata_log.h"

namespace millrace::quorum {

// Is told what the quorum has come to, in the midst of a step: it must not step again from there.
class QuorumListener {
  public:
    virtual void leadership_changed(const raft::Leadership& leadership) = 0;
    virtual void committed(std::int64_t high_watermark) = 0;
    virtual void quorum_failed(const Error& error) = 0;

  protected:
    ~QuorumListener() = default;
};

// Drives raft::Raft: carries out its actions on the log, quorum-state and the clock, and tells it
// what became durable. Writes of one loop turn share one write and one sync.
//
// A quorum of one has no peers: connections to other voters begin where carry_out() checks that
// there is nothing to send.
class RaftDriver final : private env::Timer {
  public:
    RaftDriver(env::Shard& shard, MetadataLog& log, raft::Raft raft, QuorumListener& listener);

    // Takes part in the quorum, by tasks in `scope`, which ends before this object.
    void start(Scope& scope);
    // Appends batches with `count` records; they lie at the log's next_offset() from now on, in
    // the leader's epoch. CHECK: this node leads. kafka_storage_error: the log takes no more.
    Result<> append(std::vector<Slice> batches, std::int32_t count);
    void snapshot_made() { step(log_.snapshot_made()); }
    // The log must not be written any more.
    void fail_with(const Error& error);
    void resign() { step(raft::ResignRequested{}); }

    const raft::Raft& raft() const { return raft_; }

  private:
    void fire() override { step(raft::TimeReached{}); }
    void step(const raft::Event& event);
    void carry_out(raft::Actions actions);
    void append_epoch_start(const raft::EpochStart& start);
    void append_batches(const raft::Append& append);
    Task<void> keep_state();
    Task<void> sync();

    env::Shard& shard_;
    MetadataLog& log_;
    raft::Raft raft_;
    QuorumListener& listener_;
    bool stepping_ = false;
    std::optional<Error> error_;

    std::vector<Slice> to_append_;
    std::optional<raft::Persist> to_persist_;
    Condition persist_wanted_;
    std::uint64_t generation_ = 1;  // of the last append
    Condition appended_;
};

}  // namespace millrace::quorum
