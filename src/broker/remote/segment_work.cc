#include "broker/remote/segment_work.h"

#include <algorithm>
#include <fmt/core.h>
#include <limits>
#include <span>

#include "base/random.h"
#include "broker/log.h"
#include "config/broker_config.h"
#include "env/disk.h"
#include "storage/remote/index_cache.h"
#include "storage/remote/lineage.h"
#include "storage/remote/stored_segment.h"

namespace millrace::broker {

namespace remote = storage::remote;
using remote::RemoteLogSegmentMetadata;
using remote::RemoteLogSegmentState;

namespace {

// So many segments are told of in one batch.
constexpr std::size_t most_at_once = 64;

remote::RemoteLogSegmentMetadataUpdate update_of(const RemoteWork& work,
                                                 const RemoteLogSegmentMetadata& metadata,
                                                 RemoteLogSegmentState state) {
    return {.partition = work.followed.partition,
            .id = metadata.segment.id,
            .broker_id = work.services.node_id,
            .event_timestamp = work.services.shard.wall_ms(),
            .state = state,
            .custom_metadata = metadata.custom_metadata};
}

// The sources of one copy: open files, and the epochs as a file of theirs would say them.
class CopySources {
  public:
    static Result<std::unique_ptr<CopySources>> open(storage::Log& log, storage::Offset base,
                                                     storage::Offset end) {
        ASSIGN_OR_RETURN(storage::SegmentFiles files, log.open_segment(base));
        std::unique_ptr<CopySources> sources(new CopySources);
        std::string name = fmt::format("{} of {}", base, log.path());
        ASSIGN_OR_RETURN(sources->files_.log, sources->add(files.log, name));
        using enum remote::IndexType;
        for (auto [type, file] : {std::pair{offset, files.offset_index},
                                  {timestamp, files.time_index},
                                  {transaction, files.transaction_index},
                                  {producer_snapshot, files.producer_snapshot}}) {
            if (file == nullptr) continue;
            ASSIGN_OR_RETURN(sources->files_.index(type), sources->add(file, name));
        }
        std::string epochs = remote::epochs_between(log.epochs(), -1, end).to_text();
        sources->all_.push_back(
            std::make_unique<remote::MemorySource>(Slice::copy(std::string_view(epochs))));
        sources->files_.index(leader_epoch) = sources->all_.back().get();
        return sources;
    }
    const remote::SegmentFiles& files() const { return files_; }
    std::uint64_t log_size() const { return files_.log->size(); }

  private:
    Result<remote::ObjectSource*> add(std::shared_ptr<env::File> file, const std::string& name) {
        ASSIGN_OR_RETURN(std::uint64_t size, file->size());
        all_.push_back(std::make_unique<remote::FileSource>(std::move(file), name, size));
        return all_.back().get();
    }

    std::vector<std::unique_ptr<remote::ObjectSource>> all_;
    remote::SegmentFiles files_;
};

class BeingCopied {
  public:
    BeingCopied(std::set<Uuid>& all, const Uuid& id) : all_(all), id_(id) { all_.insert(id_); }
    ~BeingCopied() { all_.erase(id_); }

  private:
    std::set<Uuid>& all_;
    Uuid id_;
};

Task<Result<>> store_segment(RemoteWork& work, const remote::RemoteLogSegment& segment,
                             const CopySources& sources) {
    Result<> stored;
    co_await env::lasting(work.services.shard, [&] {
        stored = remote::copy_segment(work.services.store, segment, sources.files());
    });
    co_return stored;
}

Task<Result<>> remove_objects(RemoteWork& work, const remote::RemoteLogSegment& segment) {
    WorkSlots::Slot slot = co_await work.services.removals.take(
        work.services.share(work.services.config.remote_log_manager_expiration_thread_pool_size()));
    work.metrics.delete_requests.mark();
    Result<> removed;
    co_await env::lasting(work.services.shard,
                          [&] { removed = remote::remove_segment(work.services.store, segment); });
    if (!removed) work.metrics.delete_errors.mark();
    auto forget = [&](env::Shard&) -> Task<void> {
        work.services.indexes.forget(segment.id);
        co_return;
    };
    co_await env::call_on(work.services.shard, 0, forget);
    co_return removed;
}

// A few of them: one batch of records before, and one behind.
Task<Result<>> remove_some(RemoteWork& work, std::span<const RemoteLogSegmentMetadata> segments) {
    std::vector<remote::RemoteLogMetadata> started, finished;
    for (const RemoteLogSegmentMetadata& each : segments) {
        started.push_back(update_of(work, each, RemoteLogSegmentState::delete_segment_started));
    }
    CO_RETURN_IF_ERROR(co_await work.services.metadata.publish(work.followed, std::move(started)));
    Result<> result;
    for (const RemoteLogSegmentMetadata& each : segments) {
        Result<> removed = co_await remove_objects(work, each.segment);
        if (removed) {
            finished.push_back(
                update_of(work, each, RemoteLogSegmentState::delete_segment_finished));
        } else if (result) {
            result = removed;
        }
    }
    if (!finished.empty()) {
        CO_RETURN_IF_ERROR(
            co_await work.services.metadata.publish(work.followed, std::move(finished)));
    }
    co_return result;
}

}  // namespace

std::size_t RemoteServices::share(std::int32_t of_node) const {
    return static_cast<std::size_t>(std::max(1, of_node / shard.shards().count()));
}

Task<Result<>> copy_to_remote(RemoteWork work, storage::Log& log, storage::CompleteSegment segment,
                              std::set<Uuid>& being_copied) {
    RemoteServices& services = work.services;
    const remote::RemotePartition& partition = work.followed.partition;
    CO_RETURN_IF_ERROR(co_await log.prove_segment(segment.base));
    ASSIGN_OR_CO_RETURN(auto sources, CopySources::open(log, segment.base, segment.end));
    RemoteLogSegmentMetadata metadata{
        .segment = {.topic = partition.topic,
                    .topic_id = partition.topic_id,
                    .partition = partition.partition,
                    .id = Uuid::random(services.shard.random()),
                    .start_offset = segment.base,
                    .end_offset = segment.end - 1,
                    .max_timestamp = segment.max_timestamp,
                    .broker_id = services.node_id,
                    .size = sources->log_size()},
        .event_timestamp = services.shard.wall_ms(),
        .leader_epochs = remote::epochs_between(log.epochs(), segment.base, segment.end).entries(),
        .txn_index_empty = !segment.has_aborted_transactions};
    if (metadata.leader_epochs.empty()) {
        co_return fail(ErrorCode::kafka_storage_error,
                       fmt::format("{} does not know the leader epochs of segment {}", log.path(),
                                   segment.base));
    }
    BeingCopied copying(being_copied, metadata.segment.id);
    CO_RETURN_IF_ERROR(co_await services.metadata.publish(work.followed, {metadata}));
    work.metrics.copy_requests.mark();
    Result<> stored = co_await store_segment(work, metadata.segment, *sources);
    if (!stored) {
        Result<> removed = co_await remove_some(work, std::span(&metadata, 1));
        if (!removed) LOG_DEBUG("{}", removed.error().message);
        co_return stored;
    }
    CO_RETURN_IF_ERROR(co_await services.metadata.publish(
        work.followed, {update_of(work, metadata, RemoteLogSegmentState::copy_segment_finished)}));
    work.metrics.copy_bytes.mark(metadata.segment.size);
    LOG_DEBUG("segment {} of {}-{} is copied to remote storage as {}", segment.base,
              partition.topic, partition.partition, metadata.segment.id.to_string());
    co_return Result<>{};
}

Task<Result<>> remove_from_remote(RemoteWork work, std::vector<RemoteLogSegmentMetadata> segments) {
    Result<> result;
    std::span<const RemoteLogSegmentMetadata> left(segments);
    while (!left.empty()) {
        auto some = left.first(std::min(left.size(), most_at_once));
        left = left.subspan(some.size());
        Result<> removed = co_await remove_some(work, some);
        if (!removed && result) result = removed;
    }
    co_return result;
}

}  // namespace millrace::broker
