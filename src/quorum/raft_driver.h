#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "base/condition.h"
#include "base/result.h"
#include "base/scope.h"
#include "core/raft/raft.h"
#include "env/shard.h"
#include "quorum/metadata_log.h"
#include "quorum/peers.h"
#include "quorum/raft_figures.h"
#include "quorum/snapshot_download.h"

namespace millrace::quorum {

// Is told what the quorum has come to, in the midst of a step: it must not step again from there.
class QuorumListener {
  public:
    virtual void leadership_changed(const raft::Leadership& leadership) = 0;
    // The high watermark moved, or the leader told its own.
    virtual void committed(std::int64_t high_watermark) = 0;
    virtual void truncated(std::int64_t end) = 0;
    // The log begins anew behind a snapshot of the leader's.
    virtual void snapshot_installed(const DownloadedSnapshot& snapshot) = 0;
    // Others vote than before, or kraft.version has risen; committed or not.
    virtual void voters_changed() = 0;
    virtual void quorum_failed(const Error& error) = 0;

  protected:
    ~QuorumListener() = default;
};

// Drives raft::Raft: carries out its actions on the log, quorum-state, the clock and the
// connections to the other replicas, and tells it what became durable and what arrived. Writes of
// one loop turn share one write and one sync.
class RaftDriver final : private env::Timer {
  public:
    // Goes on during a loop turn; none: that of the shard.
    using Clock = std::function<Time()>;
    RaftDriver(env::Shard& shard, MetadataLog& log, Peers& peers, raft::Raft raft,
               QuorumListener& listener, Clock clock = {});

    // Takes part in the quorum, by tasks in `scope`, which ends before this object.
    void start(Scope& scope);
    // Appends batches with `count` records; they lie at the log's next_offset() from now on, in
    // the leader's epoch. CHECK: this node leads. kafka_storage_error: the log takes no more.
    Result<> append(std::vector<Slice> batches, std::int32_t count);
    // Raises kraft.version, and brings the voters into the log; both lie before what is appended
    // next. CHECK: raft().check_kraft_version() has nothing against it.
    Result<> raise_kraft_version(std::int16_t level);
    // What this node answers to a request of another one. broker_not_available: it is shutting
    // down, or its log has failed.
    Task<Result<raft::Response>> answer(raft::Request request);
    // A replica was given a piece of a snapshot.
    void snapshot_served(const raft::ReplicaKey& to) { step(raft::SnapshotPieceServed{to}); }
    void snapshot_made() { step(log_.snapshot_made()); }
    // The log must not be written any more.
    void fail_with(const Error& error);
    // Gives up the leadership, if there is one, and takes no part any more once a majority knows,
    // or after `patience`.
    Task<void> leave(Duration patience);

    const raft::Raft& raft() const { return raft_; }
    const RaftFigures& figures() const { return figures_; }
    const std::map<raft::ReplicaKey, raft::Progress::Replica>& observers() {
        return raft_.observers(shard_.now());
    }

  private:
    struct Asked {
        std::optional<raft::Response> response;
        Condition answered;
    };

    void fire() override { step(raft::TimeReached{}); }
    void step(const raft::Event& event);
    void carry_out(raft::Actions actions);
    void truncate(std::int64_t end);
    void note_append(const raft::Span& span);
    void append_epoch_start(const raft::EpochStart& start);
    void append_voters(const raft::VotersRecord& record);
    void append_batches(const raft::Append& append);
    void append_fetched(const raft::Append& append);
    void reply(raft::Reply reply);
    Task<void> send(raft::Send send);
    Task<void> look_for_leader(std::int32_t leader, std::vector<raft::Endpoint> endpoints);
    Task<void> fetch_snapshot(raft::FetchSnapshot wanted);
    bool follows(std::int32_t leader) const;
    bool still_wants(const raft::FetchSnapshot& wanted, std::int32_t epoch) const;
    Task<void> keep_state();
    Task<void> sync();

    Time precise_now() const { return clock_ ? clock_() : shard_.now(); }

    env::Shard& shard_;
    Clock clock_;
    MetadataLog& log_;
    Peers& peers_;
    raft::Raft raft_;
    raft::ReplicaKey self_;
    QuorumListener& listener_;
    Scope* scope_ = nullptr;
    bool stepping_ = false;
    bool ending_ = false;  // no request is answered any more
    bool ended_ = false;   // nothing happens any more
    std::optional<Error> error_;
    bool looking_for_leader_ = false;
    std::optional<std::int64_t> told_high_watermark_;  // of the leader's

    RaftFigures figures_;
    std::vector<Slice> to_append_;
    std::vector<raft::Send> to_send_;  // when the step is over
    std::optional<raft::FetchSnapshot> to_fetch_;
    std::optional<raft::Persist> to_persist_;
    Condition persist_wanted_;
    // As raft counts: it goes up with each cut of the log.
    std::uint64_t generation_ = 1;
    std::uint64_t synced_generation_ = 1;
    Condition log_changed_;
    std::map<std::uint64_t, Asked*> asked_;
    std::uint64_t tokens_ = 0;
    Condition stepped_;
};

}  // namespace millrace::quorum
