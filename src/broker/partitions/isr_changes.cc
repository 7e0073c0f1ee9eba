#include "broker/partitions/isr_changes.h"

#include <algorithm>
#include <utility>

#include "broker/log.h"

namespace millrace::broker {
namespace {

constexpr Duration first_pause = Duration::milliseconds(50);
constexpr Duration longest_pause = Duration::seconds(1);

}  // namespace

IsrChanges::IsrChanges(Parts parts, std::int32_t node_id)
    : parts_(std::move(parts)), node_id_(node_id), scope_(parts_.partitions.shard()) {
    parts_.partitions.lead_for(*this);
}

void IsrChanges::start() {
    scope_.spawn(check_lags());
    scope_.spawn(ask_for_wanted());
}

Task<void> IsrChanges::check_lags() {
    for (;;) {
        co_await env::sleep_for(parts_.partitions.shard(), max_lag() / 2);
        for (const auto& [id, partition] : parts_.partitions.all()) partition->check_lag();
    }
}

void IsrChanges::isr_wanted(Partition& partition, replication::IsrChange change, bool retry) {
    failed_ |= retry;
    wanted_.insert_or_assign(partition.id(), std::move(change));
    changed_.notify_all();
}

void IsrChanges::isr_settled(replication::LeaderActions::Outcome outcome) {
    using Outcome = replication::LeaderActions::Outcome;
    if (outcome == Outcome::expanded) parts_.metrics.isr_expands.mark();
    if (outcome == Outcome::shrunk) parts_.metrics.isr_shrinks.mark();
    if (outcome == Outcome::failed) parts_.metrics.failed_isr_updates.mark();
}

Task<void> IsrChanges::ask_for_wanted() {
    for (;;) {
        co_await changed_.until([this] { return !wanted_.empty(); });
        failures_ = failed_ ? failures_ + 1 : 0;
        if (std::exchange(failed_, false)) {
            Duration pause = first_pause * (1LL << std::min(failures_ - 1, 10));
            co_await env::sleep_for(parts_.partitions.shard(), std::min(pause, longest_pause));
        }
        co_await ask_for(std::exchange(wanted_, {}));
    }
}

AlterPartitionRequest IsrChanges::request_of(const Batch& batch) const {
    const metadata::Broker* self = image().brokers.find(node_id_);
    AlterPartitionRequest request{.broker_id = node_id_,
                                  .broker_epoch = self == nullptr ? -1 : self->epoch};
    for (const auto& [id, change] : batch) {
        auto& topics = request.topics;
        if (topics.empty() || topics.back().topic_id != id.topic_id) {
            topics.emplace_back().topic_id = id.topic_id;
        }
        auto& asked = topics.back().partitions.emplace_back();
        asked.partition_index = id.partition;
        asked.leader_epoch = change.leader_epoch;
        asked.partition_epoch = change.partition_epoch;
        for (const auto& member : change.isr) {
            asked.new_isr_with_epochs.push_back(
                {.broker_id = member.id, .broker_epoch = member.broker_epoch});
        }
    }
    return request;
}

Task<void> IsrChanges::ask_for(Batch batch) {
    auto response = co_await parts_.ask(request_of(batch));
    ErrorCode error = response ? response->error_code : response.error().code;
    if (error != ErrorCode::none) {
        LOG_WARN("the replicas in sync of {} partitions cannot be changed now: {}", batch.size(),
                 name_of(error));
        co_return answer_all(batch);
    }
    for (const auto& topic : response->topics) {
        for (const auto& told : topic.partitions) {
            auto sent = batch.find({topic.topic_id, told.partition_index});
            if (sent == batch.end()) continue;
            answer(sent->first, {.error = told.error_code,
                                 .asked_epoch = sent->second.partition_epoch,
                                 .isr = told.isr,
                                 .leader_epoch = told.leader_epoch,
                                 .partition_epoch = told.partition_epoch});
            batch.erase(sent);
        }
    }
    answer_all(batch);
}

// Nothing was said of these partitions: each is to be asked for again.
void IsrChanges::answer_all(const Batch& batch) {
    for (const auto& [id, change] : batch) {
        answer(id, {.error = ErrorCode::network_exception, .asked_epoch = change.partition_epoch});
    }
}

void IsrChanges::answer(const TopicIdPartition& id, const replication::ChangeAnswered& answer) {
    if (std::shared_ptr<Partition> partition = parts_.partitions.find(id)) {
        partition->isr_answered(answer);
    }
}

}  // namespace millrace::broker
