#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "core/metadata/features.h"
#include "core/metadata/partition.h"
#include "core/metadata/record.h"

namespace millrace::controller {

enum class Election : std::uint8_t {
    preferred,  // the first replica if it may lead
    online,     // the leader stays if it may lead
    unclean,    // one outside the ISR, rather than none
};

// Works out the PartitionChangeRecord that brings a partition from one state towards another:
// elects a leader among those who may lead, keeps the ELR, ends reassignments that are complete.
class PartitionChange {
  public:
    struct Cluster {
        metadata::MetadataVersion version;
        bool elr_enabled = false;
        std::int32_t min_insync_replicas = 1;
        std::function<bool(std::int32_t broker)> may_lead;
        std::function<Uuid(std::int32_t broker)> default_directory;
    };

    PartitionChange(const Uuid& topic, std::int32_t index, const metadata::Partition& partition,
                    Cluster cluster);

    void set_election(Election election) { election_ = election; }
    void set_isr(metadata::BrokerIds isr) { isr_ = std::move(isr); }
    void set_replicas(metadata::BrokerIds replicas) { replicas_ = std::move(replicas); }
    void set_removing(metadata::BrokerIds removing) { removing_ = std::move(removing); }
    void set_adding(metadata::BrokerIds adding) { adding_ = std::move(adding); }
    void set_recovery(metadata::LeaderRecovery recovery) { recovery_ = recovery; }
    void set_directory(std::int32_t broker, const Uuid& id) { directories_[broker] = id; }
    // A replica that may have lost what it had is no eligible leader.
    void set_unclean_shutdown(std::int32_t broker) { unclean_shutdown_ = broker; }

    // nullopt when nothing would change.
    std::optional<metadata::VersionedRecord> build();

  private:
    struct Elected {
        std::int32_t leader;
        bool unclean;
    };
    void complete_reassignment();
    void find_elr();
    Elected elect() const;
    bool may_lead_cleanly(std::int32_t broker) const;
    bool may_elect_last_leader() const;
    void elect_into(PartitionChangeRecord& record);
    void put_elr(PartitionChangeRecord& record);
    void put_last_leader(PartitionChangeRecord& record) const;
    void put_assignment(PartitionChangeRecord& record) const;

    Uuid topic_;
    std::int32_t index_;
    const metadata::Partition& partition_;
    Cluster cluster_;
    Election election_ = Election::online;
    metadata::BrokerIds isr_;
    metadata::BrokerIds replicas_;
    metadata::BrokerIds removing_;
    metadata::BrokerIds adding_;
    metadata::BrokerIds elr_;
    std::map<std::int32_t, Uuid> directories_;
    std::int32_t unclean_shutdown_ = metadata::no_leader;
    metadata::LeaderRecovery recovery_;
};

}  // namespace millrace::controller
