#include "client/consumer.h"

#include <fmt/format.h>

#include "client/consumer_core.h"
#include "client/offset_lookup.h"

namespace millrace::client {
namespace {

std::unexpected<Error> not_assigned(const TopicPartition& partition) {
    return fail(ErrorCode::invalid_request,
                fmt::format("{} is not assigned to this consumer", to_string(partition)));
}

}  // namespace

Result<std::unique_ptr<Consumer>> Consumer::create(Cluster& cluster, ConsumerConfig config) {
    ASSIGN_OR_RETURN(auto core, ConsumerCore::create(cluster, std::move(config)));
    return std::unique_ptr<Consumer>(new Consumer(std::move(core)));
}

Consumer::Consumer(std::unique_ptr<ConsumerCore> core) : core_(std::move(core)) {}
Consumer::~Consumer() = default;

Result<> Consumer::subscribe(std::vector<std::string> topics, RebalanceListener* listener) {
    return core_->subscribe(std::move(topics), listener);
}

Result<> Consumer::subscribe_pattern(const std::string& pattern, RebalanceListener* listener) {
    return core_->subscribe_pattern(pattern, listener);
}

Task<Result<>> Consumer::unsubscribe() {
    co_await core_->unsubscribe("the consumer has unsubscribed", core_->api_deadline());
    co_return Result<>();
}

Result<> Consumer::assign(const Partitions& partitions) { return core_->assign(partitions); }

Partitions Consumer::assignment() const { return core_->partitions().names(); }

std::set<std::string> Consumer::subscription() const { return core_->topics(); }

Task<Result<ConsumerRecords>> Consumer::poll(Duration timeout) { return core_->poll(timeout); }

Result<> Consumer::seek(const TopicPartition& partition, std::int64_t offset,
                        std::int32_t leader_epoch) {
    AssignedPartition* found = core_->partitions().find(partition);
    if (found == nullptr) return not_assigned(partition);
    if (offset < 0)
        return fail(ErrorCode::invalid_request,
                    fmt::format("Offset {} of {} is below 0", offset, to_string(partition)));
    core_->partitions().seek(*found, offset, leader_epoch);
    core_->changed().raise();
    core_->fetcher().wake();
    return {};
}

Result<> Consumer::reset(const Partitions& partitions, Timestamp to) {
    for (const TopicPartition& name : partitions.empty() ? assignment() : partitions) {
        AssignedPartition* partition = core_->partitions().find(name);
        if (partition == nullptr) return not_assigned(name);
        core_->partitions().reset(*partition, to);
    }
    core_->changed().raise();
    return {};
}

Result<> Consumer::seek_to_beginning(const Partitions& partitions) {
    return reset(partitions, earliest_timestamp);
}

Result<> Consumer::seek_to_end(const Partitions& partitions) {
    return reset(partitions, latest_timestamp);
}

Task<Result<std::int64_t>> Consumer::position(TopicPartition name) {
    Time deadline = core_->api_deadline();
    env::Shard& shard = core_->cluster().shard();
    for (;;) {
        std::uint64_t seen = core_->changed().count();
        core_->look_for_positions();
        AssignedPartition* partition = core_->partitions().find(name);
        if (partition == nullptr) co_return not_assigned(name);
        bool known = partition->need == AssignedPartition::Need::nothing ||
                     partition->need == AssignedPartition::Need::validation;
        if (known && partition->position >= 0) co_return partition->position;
        if (std::optional<Error> error = core_->take_error()) co_return fail(*std::move(error));
        if (shard.now() >= deadline)
            co_return fail(ErrorCode::request_timed_out,
                           fmt::format("The position of {} was not found within "
                                       "default.api.timeout.ms ({} ms)",
                                       to_string(name), config().default_api_timeout_ms()));
        co_await env::with_deadline(shard, deadline, core_->changed().changed_since(seen));
    }
}

PartitionOffsets Consumer::positions() const { return core_->positions(); }

Result<> Consumer::set_paused(const Partitions& partitions, bool paused) {
    for (const TopicPartition& name : partitions) {
        AssignedPartition* partition = core_->partitions().find(name);
        if (partition == nullptr) return not_assigned(name);
        partition->paused = paused;
    }
    core_->changed().raise();
    core_->fetcher().wake();
    return {};
}

Result<> Consumer::pause(const Partitions& partitions) { return set_paused(partitions, true); }

Result<> Consumer::resume(const Partitions& partitions) { return set_paused(partitions, false); }

Partitions Consumer::paused() const {
    Partitions names;
    for (const auto& [name, partition] : core_->partitions().all())
        if (partition.paused) names.push_back(name);
    return names;
}

Task<Result<>> Consumer::commit() {
    return core_->commit(core_->positions(), core_->api_deadline());
}

Task<Result<>> Consumer::commit(PartitionOffsets offsets) {
    return core_->commit(std::move(offsets), core_->api_deadline());
}

void Consumer::commit_in_background() { core_->commit_in_background(); }

Task<Result<PartitionOffsets>> Consumer::committed(Partitions partitions) {
    return core_->committed(std::move(partitions), core_->api_deadline());
}

Task<Result<std::map<TopicPartition, std::int64_t>>> Consumer::offsets_at(Partitions partitions,
                                                                          Timestamp time) {
    OffsetsByTime wanted;
    for (TopicPartition& partition : partitions) wanted.emplace(std::move(partition), time);
    ASSIGN_OR_CO_RETURN(
        auto found, co_await list_offsets(core_->cluster(), std::move(wanted), config().isolation(),
                                          core_->api_deadline()));
    std::map<TopicPartition, std::int64_t> offsets;
    for (const auto& [partition, at] : found) offsets.emplace(partition, at.offset);
    co_return offsets;
}

Task<Result<std::map<TopicPartition, std::int64_t>>> Consumer::beginning_offsets(
    Partitions partitions) {
    return offsets_at(std::move(partitions), earliest_timestamp);
}

Task<Result<std::map<TopicPartition, std::int64_t>>> Consumer::end_offsets(Partitions partitions) {
    return offsets_at(std::move(partitions), latest_timestamp);
}

Task<Result<std::map<TopicPartition, OffsetAndTimestamp>>> Consumer::offsets_for_times(
    std::map<TopicPartition, Timestamp> times) {
    ASSIGN_OR_CO_RETURN(
        auto found, co_await list_offsets(core_->cluster(), std::move(times), config().isolation(),
                                          core_->api_deadline()));
    std::erase_if(found, [](const auto& entry) { return entry.second.offset < 0; });
    co_return found;
}

Task<Result<std::shared_ptr<const TopicInfo>>> Consumer::partitions_for(std::string topic) {
    return core_->cluster().topic(std::move(topic), core_->api_deadline());
}

std::optional<std::int64_t> Consumer::lag(const TopicPartition& name) const {
    const AssignedPartition* partition = core_->partitions().find(name);
    if (partition == nullptr || partition->position < 0) return std::nullopt;
    std::optional<std::int64_t> end = config().isolation() == IsolationLevel::read_committed
                                          ? partition->last_stable_offset
                                          : partition->high_watermark;
    if (!end) return std::nullopt;
    return std::max<std::int64_t>(0, *end - partition->position);
}

Consumer::Membership Consumer::membership() const {
    if (core_->member() == nullptr) return {};
    const Committer& me = core_->member()->committer();
    return {me.group_id, me.member_id, me.instance_id, me.generation};
}

Task<Result<>> Consumer::close(Duration timeout) {
    Time deadline = core_->cluster().shard().now() + timeout;
    env::Shard& shard = core_->cluster().shard();
    co_await env::with_deadline(shard, deadline, core_->commit_before_rebalance());
    co_await env::with_deadline(shard, deadline,
                                core_->unsubscribe("the consumer is being closed", deadline));
    co_await core_->close();
    co_return Result<>();
}

const ConsumerConfig& Consumer::config() const { return core_->config(); }

}  // namespace millrace::client
