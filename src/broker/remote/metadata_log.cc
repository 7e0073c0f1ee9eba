#include "broker/remote/metadata_log.h"

#include <algorithm>
#include <fmt/core.h>

#include "broker/log.h"
#include "core/metadata/topic_names.h"
#include "protocol/fetch.h"
#include "protocol/list_offsets.h"
#include "protocol/produce.h"
#include "records/builder.h"
#include "records/record.h"

namespace millrace::broker {

using metadata::remote_log_metadata_topic;
using storage::remote::RemoteLogMetadata;
using storage::remote::RemotePartition;

namespace {

constexpr std::uint64_t read_bytes = 1 << 20;
constexpr Duration retry_interval = Duration::milliseconds(100);
constexpr Duration read_back_patience =
    Duration::seconds(120);  // remote.log.metadata.consume.wait.ms

constexpr std::int32_t fetch_wait_ms = 500;
constexpr std::int32_t produce_timeout_ms = 30'000;

std::unexpected<Error> no_leader(std::int32_t index) {
    return fail(
        ErrorCode::not_leader_or_follower,
        fmt::format("it is not known here who leads {}-{}", remote_log_metadata_topic, index));
}

std::unexpected<Error> refused(ErrorCode error, const client::BrokerConnection& link) {
    return fail(error, fmt::format("{} refuses what {} is asked for: {} ({})", link.name(),
                                   remote_log_metadata_topic, meaning_of(error), name_of(error)));
}

// Where whole batches end; nothing when there are none.
std::optional<storage::Offset> end_of(Bytes batches) {
    std::optional<storage::Offset> end;
    BatchReader reader(batches);
    for (auto batch = reader.next(); batch && *batch; batch = reader.next()) {
        end = (*batch)->next_offset();
    }
    return end;
}

const metadata::Topic* topic_in(const metadata::Image& image) {
    return image.topics.find(remote_log_metadata_topic);
}

// -1 when none is known.
std::int32_t leader_of(const metadata::Topic* topic, std::int32_t index) {
    const metadata::Partition* partition = topic == nullptr ? nullptr : topic->partition(index);
    return partition == nullptr ? -1 : partition->leader;
}

void apply_to(FollowedSegments& followed, const RemoteLogMetadata& record) {
    Result<> applied;
    if (const auto* metadata = std::get_if<storage::remote::RemoteLogSegmentMetadata>(&record)) {
        applied = followed.segments.apply(*metadata);
    } else if (const auto* update =
                   std::get_if<storage::remote::RemoteLogSegmentMetadataUpdate>(&record)) {
        applied = followed.segments.apply(*update);
    }
    if (!applied) LOG_DEBUG("{}", applied.error().message);
}

}  // namespace

void RemoteMetadataLog::for_each(Bytes batches, const Take& take) {
    BatchReader reader(batches);
    for (;;) {
        auto batch = reader.next();
        if (!batch || !*batch) return;
        if ((*batch)->is_control()) continue;
        Result<> read = for_each_record(**batch, [&](const Record& record) {
            if (!record.value) return;
            auto decoded = storage::remote::decode_remote_log_metadata(*record.value);
            if (decoded) return take(record.offset, *decoded);
            LOG_WARN("offset {} of {} is passed over: {}", record.offset, remote_log_metadata_topic,
                     decoded.error().message);
        });
        if (!read) LOG_WARN("{}: {}", remote_log_metadata_topic, read.error().message);
    }
}

RemoteMetadataLog::RemoteMetadataLog(env::Shard& shard, std::int32_t node_id,
                                     PartitionRouter& router, MetadataCache& metadata,
                                     const config::BrokerConfig& config)
    : shard_(shard),
      node_id_(node_id),
      router_(router),
      metadata_(metadata),
      links_(shard, metadata, config, fmt::format("broker-{}-remote-log-metadata", node_id)),
      scope_(shard) {}

Task<void> RemoteMetadataLog::close() {
    co_await scope_.close();
    co_await links_.stop();
}

// Following ------------------------------------------------------------------------------------

std::shared_ptr<FollowedSegments> RemoteMetadataLog::follow(RemotePartition partition) {
    auto followed = std::make_shared<FollowedSegments>();
    followed->partition = std::move(partition);
    scope_.spawn(assign(followed));
    return followed;
}

void RemoteMetadataLog::unfollow(FollowedSegments& followed) {
    followed.followed = false;
    followed.changed.notify_all();
    for (auto& [index, reader] : readers_) {
        bool is_there = std::erase_if(reader.followed, [&](const auto& each) {
                            return each.second.get() == &followed;
                        }) > 0;
        if (is_there) reader.changed.notify_all();
    }
}

// The partition of the topic that tells of a partition, once there is the topic.
Task<TopicIdPartition> RemoteMetadataLog::partition_for(const RemotePartition& partition) {
    metadata::ImagePtr image = co_await metadata_.until(
        [](const metadata::Image& now) { return topic_in(now) != nullptr; });
    const metadata::Topic& topic = *topic_in(*image);
    co_return TopicIdPartition{topic.id, storage::remote::metadata_partition_of(
                                             partition.topic_id, partition.partition,
                                             static_cast<std::int32_t>(topic.partitions.size()))};
}

Task<void> RemoteMetadataLog::assign(std::shared_ptr<FollowedSegments> followed) {
    std::int32_t index = (co_await partition_for(followed->partition)).partition;
    if (!followed->followed) co_return;
    bool runs = readers_.contains(index);
    Reader& reader = readers_[index];
    TopicIdPartition id{followed->partition.topic_id, followed->partition.partition};
    reader.followed.insert_or_assign(id, std::move(followed));
    reader.anew = true;
    reader.changed.notify_all();
    if (!runs) co_await run(index);
}

// Reads one partition of the topic for as long as somebody follows; from its beginning whenever
// somebody new does.
Task<void> RemoteMetadataLog::run(std::int32_t index) {
    Reader& reader = readers_.at(index);
    storage::Offset next = 0;
    while (!reader.followed.empty()) {
        if (std::exchange(reader.anew, false)) next = 0;
        bool all_ready = std::ranges::all_of(reader.followed,
                                             [](const auto& each) { return each.second->ready; });
        std::optional<Result<Batches>> come =
            co_await read_until_changed(reader, index, next, !all_ready);
        if (!come || reader.anew) continue;
        if (!*come) {
            LOG_DEBUG("{}", come->error().message);
            co_await env::sleep_for(shard_, retry_interval);
            continue;
        }
        apply(reader, (*come)->bytes.bytes());
        next = (*come)->next;
        for (const auto& [id, each] : reader.followed) {
            each->next = std::max(each->next, next);
            if ((*come)->at_end) each->ready = true;
            each->changed.notify_all();
        }
    }
    readers_.erase(index);
}

// Nothing when those who follow have changed first.
Task<std::optional<Result<RemoteMetadataLog::Batches>>> RemoteMetadataLog::read_until_changed(
    Reader& reader, std::int32_t index, storage::Offset from, bool at_once) {
    std::optional<Result<Batches>> come;
    auto fetch = [&]() -> Task<void> {
        come = co_await read(index, from, at_once);
        reader.changed.notify_all();
    };
    co_await with_scope([&](Scope& scope) -> Task<void> {
        scope.spawn(fetch());
        while (!come && !reader.anew && !reader.followed.empty()) co_await reader.changed.wait();
    });
    co_return come;
}

void RemoteMetadataLog::apply(Reader& reader, Bytes batches) {
    for_each(batches, [&](storage::Offset offset, const RemoteLogMetadata& record) {
        RemotePartition partition = partition_of(record);
        auto found = reader.followed.find({partition.topic_id, partition.partition});
        if (found == reader.followed.end() || offset < found->second->next) return;
        apply_to(*found->second, record);
    });
}

Task<Result<RemoteMetadataLog::Batches>> RemoteMetadataLog::read(std::int32_t index,
                                                                 storage::Offset from,
                                                                 bool at_once) {
    metadata::ImagePtr image = metadata_.image();
    const metadata::Topic* topic = topic_in(*image);
    std::int32_t leader = leader_of(topic, index);
    if (leader < 0) co_return no_leader(index);
    TopicIdPartition id{topic->id, index};
    co_return leader == node_id_ ? co_await read_here(id, from, at_once)
                                 : co_await read_there(leader, id, from, at_once);
}

Task<Result<RemoteMetadataLog::Batches>> RemoteMetadataLog::read_here(TopicIdPartition id,
                                                                      storage::Offset from,
                                                                      bool at_once) {
    auto there = [&](Partitions& partitions) -> Task<Result<Batches>> {
        std::shared_ptr<Partition> partition = partitions.find(id);
        if (partition) co_await partition->recovered();
        for (;;) {
            if (!partition || !partition->is_leader()) co_return no_leader(id.partition);
            storage::Offset end = partition->high_watermark();
            storage::Offset start = std::max(from, partition->log().start_offset());
            if (start < end) {
                ASSIGN_OR_CO_RETURN(Slice bytes, partition->log().load({.offset = start,
                                                                        .max_bytes = read_bytes,
                                                                        .whole_first_batch = true,
                                                                        .upper_bound = end}));
                storage::Offset next = end_of(bytes.bytes()).value_or(end);
                co_return Batches{std::move(bytes), next, next >= end};
            }
            if (at_once) co_return Batches{{}, start, true};
            co_await ArrivalWait({&partition->arrivals()});
        }
    };
    co_return co_await router_.on(router_.owner(id), there);
}

// As a consumer does, so that only what is committed comes.
Task<Result<RemoteMetadataLog::Batches>> RemoteMetadataLog::read_there(std::int32_t leader,
                                                                       TopicIdPartition id,
                                                                       storage::Offset from,
                                                                       bool at_once) {
    ASSIGN_OR_CO_RETURN(auto link, co_await links_.connect(leader));
    FetchRequest request{.max_wait_ms = at_once ? 0 : fetch_wait_ms,
                         .min_bytes = 1,
                         .max_bytes = static_cast<std::int32_t>(read_bytes)};
    auto& asked = request.topics.emplace_back();
    asked.topic_id = id.topic_id;
    asked.partitions.push_back({.partition = id.partition,
                                .fetch_offset = from,
                                .partition_max_bytes = static_cast<std::int32_t>(read_bytes)});
    ASSIGN_OR_CO_RETURN(auto reply, co_await link->call(request));
    const FetchResponse& response = reply.response;
    if (response.error_code != ErrorCode::none) co_return refused(response.error_code, *link);
    if (response.responses.size() != 1 || response.responses.front().partitions.size() != 1) {
        co_return refused(ErrorCode::unknown_server_error, *link);
    }
    const auto& told = response.responses.front().partitions.front();
    if (told.error_code == ErrorCode::offset_out_of_range) {
        ASSIGN_OR_CO_RETURN(storage::Offset start, co_await start_there(*link, id.partition));
        // Ahead of a leader that was not in sync: it may have written other records since.
        co_return Batches{{}, start, false};
    }
    if (told.error_code != ErrorCode::none) co_return refused(told.error_code, *link);
    Batches come{told.records ? told.records->in_memory() : Slice(), from, false};
    come.next = std::max(from, end_of(come.bytes.bytes()).value_or(from));
    come.at_end = come.next >= told.high_watermark;
    co_return come;
}

Task<Result<storage::Offset>> RemoteMetadataLog::start_there(client::BrokerConnection& link,
                                                             std::int32_t index) {
    constexpr Timestamp earliest = -2;
    ListOffsetsRequest request;
    auto& asked = request.topics.emplace_back();
    asked.name = remote_log_metadata_topic;
    asked.partitions.push_back({.partition_index = index, .timestamp = earliest});
    ASSIGN_OR_CO_RETURN(auto reply, co_await link.call(request));
    const auto& topics = reply.response.topics;
    if (topics.size() != 1 || topics.front().partitions.size() != 1) {
        co_return refused(ErrorCode::unknown_server_error, link);
    }
    const auto& told = topics.front().partitions.front();
    if (told.error_code != ErrorCode::none) co_return refused(told.error_code, link);
    co_return told.offset;
}

// Appending ------------------------------------------------------------------------------------

Task<Result<storage::Offset>> RemoteMetadataLog::append(const RemotePartition& partition,
                                                        std::vector<RemoteLogMetadata> records) {
    TopicIdPartition id = co_await partition_for(partition);
    BatchBuilder builder;
    for (const RemoteLogMetadata& record : records) {
        builder.append(shard_.wall_ms(), std::nullopt, encode(record).bytes());
    }
    Slice batch = builder.build();
    std::int32_t leader = leader_of(topic_in(*metadata_.image()), id.partition);
    if (leader < 0) co_return no_leader(id.partition);
    Result<storage::Offset> first = leader == node_id_
                                        ? co_await append_here(id, std::move(batch))
                                        : co_await append_there(leader, id, std::move(batch));
    CO_RETURN_IF_ERROR(first);
    co_return *first + static_cast<storage::Offset>(records.size()) - 1;
}

Task<Result<storage::Offset>> RemoteMetadataLog::append_here(TopicIdPartition id, Slice batch) {
    auto there = [&](Partitions& partitions) -> Task<Result<storage::Offset>> {
        std::shared_ptr<Partition> leader = partitions.find(id);
        if (!leader) co_return no_leader(id.partition);
        co_return co_await leader->append_own(std::move(batch));
    };
    co_return co_await router_.on(router_.owner(id), there);
}

Task<Result<storage::Offset>> RemoteMetadataLog::append_there(std::int32_t leader,
                                                              TopicIdPartition id, Slice batch) {
    ASSIGN_OR_CO_RETURN(auto link, co_await links_.connect(leader));
    ProduceRequest request{.acks = -1, .timeout_ms = produce_timeout_ms};
    auto& asked = request.topic_data.emplace_back();
    asked.name = remote_log_metadata_topic;
    asked.topic_id = id.topic_id;
    asked.partition_data.push_back({.index = id.partition, .records = Chain(std::move(batch))});
    ASSIGN_OR_CO_RETURN(auto reply, co_await link->call(request));
    const auto& topics = reply.response.responses;
    if (topics.size() != 1 || topics.front().partition_responses.size() != 1) {
        co_return refused(ErrorCode::unknown_server_error, *link);
    }
    const auto& told = topics.front().partition_responses.front();
    if (told.error_code != ErrorCode::none) co_return refused(told.error_code, *link);
    co_return told.base_offset;
}

Task<Result<>> RemoteMetadataLog::publish(FollowedSegments& followed,
                                          std::vector<RemoteLogMetadata> records) {
    ASSIGN_OR_CO_RETURN(storage::Offset last,
                        co_await append(followed.partition, std::move(records)));
    bool applied = co_await env::with_deadline(
        shard_, shard_.now() + read_back_patience,
        followed.changed.until([&] { return followed.next > last || !followed.followed; }));
    if (applied && followed.next > last) co_return Result<>{};
    co_return fail(ErrorCode::request_timed_out,
                   fmt::format("what was written to {} about {}-{} was not read back",
                               remote_log_metadata_topic, followed.partition.topic,
                               followed.partition.partition));
}

}  // namespace millrace::broker
