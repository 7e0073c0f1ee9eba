#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/condition.h"
#include "base/scope.h"
#include "broker/partitions/partition.h"
#include "broker/share/fetch_line.h"
#include "broker/share/share_metrics.h"
#include "broker/share/share_partition_figures.h"
#include "broker/share/share_persister.h"
#include "config/broker_config.h"
#include "core/share/share_partition.h"

namespace millrace::broker {

// One partition that this node leads, as one share group reads it: what members hold of it, and
// its changes on their way to the share coordinator, one after the other. Lives on the partition's
// shard.
class LedShare : public std::enable_shared_from_this<LedShare> {
  public:
    // What it needs of its shard.
    struct Parts {
        env::Shard& shard;
        Scope& scope;
        SharePersister& persister;
        const MetadataCache& metadata;
        const config::BrokerConfig& config;
        ShareMetrics& metrics;
    };
    LedShare(const Parts& parts, share::ShareKey key, std::shared_ptr<Partition> partition);

    void start();
    // None when it can be used; leader_not_available while it loads; why it cannot be any more.
    ErrorCode state() const { return state_; }
    bool is_over() const {
        return state_ != ErrorCode::none && state_ != ErrorCode::leader_not_available;
    }
    const std::string& why() const { return why_; }
    void end(ErrorCode why, std::string message = {});
    const share::ShareKey& key() const { return key_; }
    const std::string& topic() const { return partition_->identity().topic; }

    // What there is to be given out, in memory.
    struct Reading {
        ErrorCode error = ErrorCode::none;
        share::Offset offset = -1;  // -1: there is no room for more
        Slice records;
        std::vector<share::OffsetRange> batches;
        std::vector<std::size_t> ends;  // of each, in `records`
        std::vector<share::OffsetRange> aborted;
        bool is_anothers = false;  // an older fetch is to have what there is
        bool is_remote = false;    // it is in remote storage, and was not read
        FetchLine::Sight seen;
    };
    struct Wanted {
        FetchTicket ticket;
        std::string member_id;
        std::uint64_t max_bytes = 0;
        bool remote = false;  // also what must be brought from remote storage
    };
    // The fetch is in line for what comes from now on, until it leaves.
    Task<Reading> read(Wanted wanted);
    struct Acquired {
        std::vector<share::AcquiredRecords> acquired;
        Slice records;  // the batches that they lie in
        std::int64_t count = 0;
    };
    Acquired acquire(const std::string& member_id, share::AcquireMode mode, std::int64_t batch_size,
                     std::int64_t max_records, const Reading& reading);
    // Ends when it is written.
    Task<Result<>> acknowledge(std::string member_id,
                               std::vector<share::Acknowledgement> acknowledgements);
    // The member's session is over.
    Task<Result<>> release(std::string member_id);

    void leave(const FetchTicket& ticket);
    // A fetch waits for what `reading` did not have: new records, or such as others gave back, once
    // it is its turn.
    void rest(const FetchTicket& ticket, const Reading& reading);
    bool has_news(const FetchTicket& ticket, const Reading& reading);
    void watch(const Reading& reading, std::vector<Arrivals*>& watched);

  private:
    class Wake final : public env::Timer {
      public:
        explicit Wake(LedShare& share) : share_(share) {}
        void fire() override { share_.expire(); }

      private:
        LedShare& share_;
    };
    struct Writing {
        share::SharePartition::Change change;
        Result<> outcome;
        bool done = false;
    };

    // What the configs of the group say.
    struct Terms {
        metadata::ImagePtr as_of;
        share::ShareLimits limits;
        FetchBound bound = FetchBound::high_watermark;
        std::string reset;
    };
    const Terms& terms();
    const share::ShareLimits& limits() { return terms().limits; }
    Task<void> load();
    void watch_figures();
    Task<Result<share::Offset>> first_offset();
    Task<void> take_start();
    Task<Result<>> write(share::SharePartition::Change change);
    Task<void> write_queued();
    void expire();
    void changed();  // others may find something
    FetchLine::Sight sight();
    void reschedule();

    Parts parts_;
    share::ShareKey key_;
    std::shared_ptr<Partition> partition_;
    std::int32_t leader_epoch_;
    ErrorCode state_ = ErrorCode::leader_not_available;
    std::string why_;
    std::optional<share::SharePartition> share_;
    std::int32_t state_epoch_ = 0;
    std::set<std::string> members_;  // with a session
    std::deque<std::shared_ptr<Writing>> queue_;
    bool writes_ = false;
    Condition written_;
    FetchLine line_;
    Arrivals news_;
    std::uint64_t changes_ = 0;
    Terms terms_;
    Wake wake_{*this};
    std::optional<SharePartitionFigures> figures_;  // once it is loaded
};

}  // namespace millrace::broker
