#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "base/condition.h"
#include "base/result.h"
#include "base/scope.h"
#include "base/task.h"
#include "base/time.h"
#include "config/broker_config.h"
#include "core/metadata/image.h"
#include "env/network.h"
#include "quorum/active_controller.h"
#include "quorum/committed_image.h"
#include "quorum/metadata_log.h"
#include "quorum/metadata_quorum.h"
#include "quorum/peers.h"
#include "quorum/proposal.h"
#include "quorum/quorum_answers.h"
#include "quorum/raft_driver.h"
#include "storage/directory_health.h"

namespace millrace::quorum {

// What MetadataQuorum is made of; see there.
class MetadataReplica final : private QuorumListener {
  public:
    MetadataReplica(env::Shard& shard, const QuorumOptions& options, SharedStanding& standing);

    Task<Result<>> open();
    Task<Result<>> stop(Duration patience);
    Task<Error> failed();
    metadata::ImagePtr image() const { return image_; }
    Task<metadata::ImagePtr> caught_up();
    Task<metadata::ImagePtr> image_after(std::int64_t offset);
    QuorumStatus status() const;
    QuorumFigures figures() const;
    std::optional<Duration> since_heartbeat(std::int32_t broker) const;
    Task<void> leader_changed(std::int32_t from);
    std::optional<env::Address> leader_address() const;
    Task<Result<std::int64_t>> commit(const Decide& decide);
    template <typename Request>
    auto answer(const Request& request, Asker asker)
        -> decltype(std::declval<QuorumAnswers&>().to(request, asker)) {
        Visit visit(*this);
        co_return co_await answers_->to(request, asker);
    }

  private:
    // A task of someone else that is in here; stop() waits until none is.
    class Visit {
      public:
        explicit Visit(MetadataReplica& replica) : replica_(replica) { ++replica_.visits_; }
        Visit(const Visit&) = delete;
        ~Visit() {
            --replica_.visits_;
            replica_.visit_ended_.notify_all();
        }

      private:
        MetadataReplica& replica_;
    };

    void leadership_changed(const raft::Leadership& leadership) override;
    void committed(std::int64_t high_watermark) override;
    void truncated(std::int64_t end) override { committed_->truncated(end); }
    void voters_changed() override;
    void snapshot_installed(const DownloadedSnapshot& snapshot) override;
    void quorum_failed(const Error& error) override;

    Result<> take_over(LogContents contents);
    Result<raft::QuorumState> read_quorum_state() const;
    Task<void> follow();
    void publish(Published published);
    Task<void> lead();
    Result<> begin_term();
    void end_term();
    Result<metadata::Records> bootstrap_records() const;
    std::vector<std::int32_t> voter_ids() const;
    bool snapshot_due() const;
    Task<void> make_snapshots();
    Task<Result<>> make_snapshot();
    Result<> clean_log();
    Task<void> remove_deleted();
    Task<void> changed();
    Task<void> drain();

    env::Shard& shard_;
    std::string cluster_id_;
    raft::ReplicaKey self_;
    std::string directory_;
    config::BrokerConfig config_;
    RaftDriver::Clock clock_;
    SharedStanding& standing_;
    storage::DirectoryHealth health_;
    std::unique_ptr<MetadataLog> log_;
    std::optional<Peers> peers_;
    std::unique_ptr<RaftDriver> driver_;
    std::optional<QuorumAnswers> answers_;
    std::optional<CommittedImage> committed_;
    Condition progressed_;                          // what is committed
    std::shared_ptr<ActiveController> controller_;  // of the term of office
    std::int32_t term_ = 0;                         // its epoch
    bool had_term_ = false;
    Condition leadership_changed_;

    metadata::ImagePtr image_;
    bool caught_up_ = false;
    std::optional<Error> failure_;
    bool stopped_ = false;
    Condition changed_;  // one of the four above
    int visits_ = 0;
    Condition visit_ended_;

    std::int32_t elected_epoch_ = -1;  // the last one whose leader was known here
    std::int64_t elections_ = 0;
    std::int64_t failed_snapshots_ = 0;
    std::int64_t snapshots_loaded_ = 0;
    std::uint64_t snapshot_bytes_ = 0;
    Time snapshot_made_;
    std::int64_t operations_started_ = 0;
    std::uint64_t bytes_since_snapshot_ = 0;
    Timestamp last_timestamp_ = 0;  // of what image_ holds
    Time last_snapshot_;
    Condition snapshot_due_;
    Condition cleaned_;
    Scope scope_;
};

}  // namespace millrace::quorum
