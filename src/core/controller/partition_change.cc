#include "core/controller/partition_change.h"

#include <algorithm>
#include <set>
#include <utility>

namespace millrace::controller {

using metadata::BrokerIds;
using metadata::contains;
using metadata::no_leader;

namespace {

bool contains_all(const BrokerIds& brokers, const BrokerIds& wanted) {
    return std::ranges::all_of(wanted, [&](std::int32_t id) { return contains(brokers, id); });
}

BrokerIds without(const BrokerIds& brokers, const BrokerIds& removed) {
    BrokerIds kept;
    for (std::int32_t id : brokers) {
        if (!contains(removed, id)) kept.push_back(id);
    }
    return kept;
}

bool changes_nothing(const PartitionChangeRecord& record) {
    return !record.isr && !record.eligible_leader_replicas && !record.last_known_elr &&
           record.leader == metadata::leader_unchanged && !record.replicas &&
           !record.removing_replicas && !record.adding_replicas &&
           record.leader_recovery_state == -1 && !record.directories;
}

}  // namespace

PartitionChange::PartitionChange(const Uuid& topic, std::int32_t index,
                                 const metadata::Partition& partition, Cluster cluster)
    : topic_(topic),
      index_(index),
      partition_(partition),
      cluster_(std::move(cluster)),
      isr_(partition.isr),
      replicas_(partition.replicas),
      removing_(partition.removing),
      adding_(partition.adding),
      elr_(partition.elr),
      recovery_(partition.recovery) {
    for (std::size_t i = 0; i < partition.replicas.size(); ++i)
        directories_[partition.replicas[i]] = partition.directories[i];
}

std::optional<metadata::VersionedRecord> PartitionChange::build() {
    PartitionChangeRecord record;
    record.topic_id = topic_;
    record.partition_id = index_;

    complete_reassignment();
    find_elr();
    elect_into(record);
    // Followers that are no longer replicas must be told by a new epoch.
    if (record.leader == metadata::leader_unchanged &&
        !contains_all(replicas_, partition_.replicas))
        record.leader = partition_.leader;
    put_elr(record);
    if (!record.isr && (!isr_.empty() || cluster_.elr_enabled) && isr_ != partition_.isr)
        record.isr = isr_;
    // Leaders before 3.6 went on with the old ISR otherwise (KAFKA-15021).
    if (cluster_.version.bumps_epoch_when_isr_shrinks() &&
        record.leader == metadata::leader_unchanged && record.isr &&
        !contains_all(*record.isr, partition_.isr)) {
        record.leader = partition_.leader;
    }
    put_last_leader(record);
    put_assignment(record);
    if (recovery_ != partition_.recovery)
        record.leader_recovery_state = static_cast<std::int8_t>(recovery_);

    if (changes_nothing(record)) return std::nullopt;
    return metadata::VersionedRecord{std::move(record), cluster_.version.partition_change_record()};
}

void PartitionChange::complete_reassignment() {
    if (removing_.empty() && adding_.empty()) return;
    BrokerIds isr = without(isr_, removing_);
    BrokerIds replicas = without(replicas_, removing_);
    if (!removing_.empty() && (isr.empty() || replicas.empty())) return;
    if (!contains_all(isr, adding_)) return;
    if (adding_.size() < removing_.size() && !contains_all(isr, replicas)) return;
    isr_ = std::move(isr);
    replicas_ = std::move(replicas);
    removing_.clear();
    adding_.clear();
}

// Replicas that leave the ISR while it is below the minimum have all that was acknowledged.
void PartitionChange::find_elr() {
    if (!cluster_.elr_enabled) return;
    if (static_cast<std::int32_t>(isr_.size()) >= cluster_.min_insync_replicas) {
        elr_.clear();
        return;
    }
    std::set<std::int32_t> candidates(elr_.begin(), elr_.end());
    candidates.insert(partition_.isr.begin(), partition_.isr.end());
    elr_.clear();
    for (std::int32_t id : candidates) {
        if (!contains(isr_, id) && id != unclean_shutdown_) elr_.push_back(id);
    }
}

bool PartitionChange::may_lead_cleanly(std::int32_t broker) const {
    return (contains(isr_, broker) || (isr_.empty() && contains(elr_, broker))) &&
           cluster_.may_lead(broker);
}

bool PartitionChange::may_elect_last_leader() const {
    return cluster_.elr_enabled && elr_.empty() && isr_.empty() &&
           partition_.last_known_elr.size() == 1 && cluster_.may_lead(partition_.last_known_elr[0]);
}

PartitionChange::Elected PartitionChange::elect() const {
    if (election_ == Election::preferred && !replicas_.empty() && may_lead_cleanly(replicas_[0]))
        return {replicas_[0], false};
    if (may_lead_cleanly(partition_.leader)) return {partition_.leader, false};
    for (std::int32_t id : replicas_) {
        if (may_lead_cleanly(id)) return {id, false};
    }
    if (may_elect_last_leader()) return {partition_.last_known_elr[0], true};
    if (election_ == Election::unclean) {
        for (std::int32_t id : replicas_) {
            if (cluster_.may_lead(id)) return {id, true};
        }
    }
    return {no_leader, false};
}

void PartitionChange::elect_into(PartitionChangeRecord& record) {
    Elected elected = elect();
    if (elected.leader == partition_.leader) return;
    record.leader = elected.leader;
    if (contains(elr_, elected.leader)) {
        isr_ = {elected.leader};
        std::erase(elr_, elected.leader);
    }
    if (!elected.unclean) return;
    // Only the new leader's log counts now; records may be lost.
    record.isr = BrokerIds{elected.leader};
    if (partition_.recovery != metadata::LeaderRecovery::recovering)
        record.leader_recovery_state =
            static_cast<std::int8_t>(metadata::LeaderRecovery::recovering);
}

void PartitionChange::put_elr(PartitionChangeRecord& record) {
    bool unclean = record.isr.has_value();
    if (unclean || !cluster_.elr_enabled) elr_.clear();
    if (elr_ != partition_.elr) record.eligible_leader_replicas = elr_;
}

// Of a partition without leader the last one is kept: it is elected when it comes back.
void PartitionChange::put_last_leader(PartitionChangeRecord& record) const {
    if (!cluster_.elr_enabled) return;
    if (record.leader == no_leader && partition_.last_known_elr.empty()) {
        record.last_known_elr = BrokerIds{partition_.leader};
    } else if (record.leader >= 0 && !partition_.last_known_elr.empty()) {
        record.last_known_elr = BrokerIds{};
    }
}

void PartitionChange::put_assignment(PartitionChangeRecord& record) const {
    if (!replicas_.empty()) {
        if (cluster_.version.supports_directories()) {
            std::vector<Uuid> directories;
            for (std::int32_t id : replicas_) {
                auto known = directories_.find(id);
                directories.push_back(known != directories_.end() ? known->second
                                                                  : cluster_.default_directory(id));
            }
            if (directories != partition_.directories) record.directories = std::move(directories);
        }
        if (replicas_ != partition_.replicas) record.replicas = replicas_;
    }
    if (removing_ != partition_.removing) record.removing_replicas = removing_;
    if (adding_ != partition_.adding) record.adding_replicas = adding_;
}

}  // namespace millrace::controller
