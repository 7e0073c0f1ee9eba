#include <algorithm>
#include <fmt/core.h>
#include <limits>

#include "broker/log.h"
#include "broker/remote/remote_metrics.h"
#include "broker/remote/remote_quotas.h"
#include "broker/remote/tiered_partition.h"
#include "config/broker_config.h"
#include "storage/remote/lineage.h"
#include "storage/remote/remote_reader.h"

namespace millrace::broker {

namespace remote = storage::remote;
using remote::RemoteLogSegment;
using remote::RemoteLogSegmentMetadata;
using storage::AbortedTransaction;
using storage::Offset;

using Found = std::optional<storage::TimestampedOffset>;

namespace {

// One read takes no more memory, whatever the client would take; a larger batch comes alone.
constexpr std::uint64_t most_bytes = 8 << 20;

// Segments that are here and in remote storage tell the same.
void add(const std::vector<AbortedTransaction>& more, std::vector<AbortedTransaction>& into) {
    for (const AbortedTransaction& each : more) {
        if (std::ranges::find(into, each) == into.end()) into.push_back(each);
    }
}

}  // namespace

// look(reader) -> Task<Result<T>>, when one of remote.log.reader.threads is free.
template <typename T, typename Look>
Task<Result<T>> TieredPartition::look_up(Look look) {
    auto waiting = static_cast<std::size_t>(services_.config.remote_log_reader_max_pending_tasks());
    if (services_.reads.waiting() >= waiting) {
        co_return fail(ErrorCode::unknown_server_error,
                       fmt::format("{} reads of remote storage wait already "
                                   "(remote.log.reader.max.pending.tasks)",
                                   waiting));
    }
    WorkSlots::Slot slot = co_await services_.reads.take(
        services_.share(services_.config.remote_log_reader_threads()));
    co_return co_await env::call_on(services_.shard, 0,
                                    [&](env::Shard&) { return look(services_.reader); });
}

Result<> TieredPartition::check_readable() const {
    if (followed_->ready) return {};
    return fail(ErrorCode::replica_not_available,
                fmt::format("what {} has in remote storage is not known yet",
                            partition_->identity().to_string()));
}

// Clients hear of a failed store what Apache tells them: to try again. Of a segment that has
// expired meanwhile, that its offsets are gone.
Error TieredPartition::told(Error error, Offset offset) const {
    bool keeps = error.code == ErrorCode::offset_out_of_range ||
                 error.code == ErrorCode::replica_not_available;
    if (keeps) return error;
    if (offset < partition_->log().start_offset()) {
        error.code = ErrorCode::offset_out_of_range;
        return error;
    }
    LOG_WARN("{} cannot be read from remote storage at {}: {}", partition_->identity().to_string(),
             offset, error.message);
    metrics_->fetch_errors.mark();
    error.code = ErrorCode::unknown_server_error;
    return error;
}

// The segment that ends there tells both of its end.
Task<Result<storage::RemoteBeginning>> TieredPartition::beginning(replication::TieredBeginning at) {
    auto known = [&]() -> Task<void> {
        co_await followed_->changed.until([&] { return followed_->ready; });
    };
    co_await env::with_deadline(services_.shard, services_.shard.now() + interval(), known());
    CO_RETURN_IF_ERROR(check_readable());
    storage::LeaderEpochs epochs;
    epochs.assign(at.local_epoch, at.local_start);
    epochs = remote::epochs_told(followed_->segments, epochs, at.local_start);
    const RemoteLogSegmentMetadata* metadata =
        remote::segment_of(followed_->segments, epochs, at.local_start - 1);
    if (metadata == nullptr) {
        co_return fail(ErrorCode::replica_not_available,
                       fmt::format("no segment of {} in remote storage is known that holds {}, "
                                   "before the leader's first offset",
                                   partition_->identity().to_string(), at.local_start - 1));
    }
    RemoteLogSegment segment = metadata->segment;
    auto index = [&](remote::IndexType type) {
        return look_up<Slice>(
            [&, type](remote::RemoteReader& reader) { return reader.index(segment, type); });
    };
    ASSIGN_OR_CO_RETURN(Slice told, co_await index(remote::IndexType::leader_epoch));
    ASSIGN_OR_CO_RETURN(Slice producers, co_await index(remote::IndexType::producer_snapshot));
    ASSIGN_OR_CO_RETURN(epochs, storage::LeaderEpochs::parse(
                                    told.view(), name_of(remote::IndexType::leader_epoch)));
    LOG_INFO("{} goes on at {}, behind what is in remote storage",
             partition_->identity().to_string(), at.local_start);
    co_return storage::RemoteBeginning{.start = at.start,
                                       .local_start = at.local_start,
                                       .epochs = std::move(epochs),
                                       .producers = std::move(producers)};
}

Task<Result<RemoteRecords>> TieredPartition::read(RemoteReadRequest request) {
    metrics_->fetch_requests.mark();
    auto waiting = services_.metrics.waiting_fetch();
    request.max_bytes = std::min(request.max_bytes, most_bytes);
    auto records = co_await read_records(request);
    if (!records) co_return fail(told(std::move(records).error(), request.offset));
    metrics_->fetch_bytes.mark(records->records.size());
    co_return records;
}

// A client that gave up waiting asks for the same again, and finds it.
Task<Result<RemoteRecords>> TieredPartition::read_records(RemoteReadRequest request) {
    std::uint64_t window = ahead_.window_at(request.offset);
    ReadAhead::Chunk chunk = ahead_.find(request.offset);
    if (!chunk) {
        constexpr std::size_t most_unclaimed = 2;
        ahead_.keep_unclaimed(most_unclaimed);
        chunk = ahead_.add(request.offset,
                           services_.read_ahead.take(request.max_bytes, window, ahead_most()));
        std::uint64_t bytes = std::max(request.max_bytes, chunk->share.bytes());
        scope_.spawn(RemoteChunk::carry_out(chunk, read_batches(chunk, bytes)));
    }
    auto batches = co_await chunk->wait();
    if (!batches) {
        ahead_.drop(chunk);
        co_return fail(std::move(batches).error());
    }
    RemoteCut cut = cut_for(request, *batches);
    if (cut.next >= batches->next) ahead_.drop(chunk);
    RemoteRecords records{std::move(cut.records), cut.first_batch_size, {}};
    if (records.records.empty()) co_return records;
    ahead_.passed(request.offset, cut.next);
    if (window > 0) keep_ahead(cut.next, window);
    if (request.read_committed) {
        ASSIGN_OR_CO_RETURN(
            records.aborted,
            co_await aborted_transactions(batches->segment, std::move(cut), request.max_bytes));
    }
    co_return records;
}

// From the batch that holds the chunk's offset on; at least one batch, unless the segment has none.
Task<Result<RemoteBatches>> TieredPartition::read_batches(ReadAhead::Chunk chunk,
                                                          std::uint64_t max_bytes) {
    auto limit = [&] { return services_.config.remote_log_manager_fetch_max_bytes_per_second(); };
    co_await services_.quotas.fetch(services_.shard, limit());
    CO_RETURN_IF_ERROR(check_readable());
    std::shared_ptr<storage::Log> log = partition_->share_log();
    const storage::LeaderEpochs& epochs = log->epochs();
    Offset at = chunk->from;
    Duration took;
    for (;;) {
        const RemoteLogSegmentMetadata* metadata =
            remote::segment_of(followed_->segments, epochs, at);
        if (metadata == nullptr) {
            co_return fail(ErrorCode::offset_out_of_range,
                           fmt::format("no segment of {} in remote storage holds {}",
                                       partition_->identity().to_string(), at));
        }
        RemoteLogSegment segment = metadata->segment;
        auto read = [&](remote::RemoteReader& reader) -> Task<Result<remote::RemoteRead>> {
            Time began = services_.shard.now();
            auto found = co_await reader.read(
                segment, {.offset = at, .max_bytes = max_bytes, .whole_first_batch = true});
            took = services_.shard.now() - began;
            co_return found;
        };
        ASSIGN_OR_CO_RETURN(remote::RemoteRead found, co_await look_up<remote::RemoteRead>(read));
        services_.metrics.reads().update(took);
        Offset next = segment.end_offset + 1;
        if (found.first_batch_size == 0 && next < partition_->log().local_start_offset()) {
            at = next;  // the segment has no records from there on
            continue;
        }
        chunk->share.shrink_to(found.records.size());
        co_await services_.quotas.fetched(services_.shard, limit(), found.records.size());
        RemoteBatches batches{std::move(segment), std::move(found.records), found.position,
                              found.next_offset};
        within_history(batches);
        co_return batches;
    }
}

// A segment may go on behind where an unclean election has cut the log.
void TieredPartition::within_history(RemoteBatches& batches) const {
    const storage::LeaderEpochs& epochs = partition_->log().epochs();
    BatchReader reader(batches.records.bytes());
    for (;;) {
        std::size_t position = reader.position();
        auto batch = reader.next();
        if (!batch || !*batch) return;
        Offset base = (*batch)->base_offset();
        std::int32_t epoch = (*batch)->leader_epoch();
        if (epochs.epoch_at(base).value_or(epoch) == epoch) continue;
        batches.records = batches.records.slice(0, position);
        batches.next = base;
        return;
    }
}

// This shard's part of what may be read ahead.
std::uint64_t TieredPartition::ahead_most() const {
    auto of_node =
        static_cast<std::uint64_t>(services_.config.remote_log_reader_read_ahead_max_bytes());
    return of_node / static_cast<std::uint64_t>(services_.shard.shards().count());
}

// A reader that goes on at `offset` is to find the next half of its window in memory.
void TieredPartition::keep_ahead(Offset offset, std::uint64_t window) {
    ReadAhead::Reach reach = ahead_.reach(offset);
    bool enough = reach.goes_on || 2 * reach.bytes > window;
    // Reads that somebody waits for come first.
    if (enough || services_.reads.waiting() > 0) return;
    scope_.spawn(run_ahead(reach.end, window));
}

Task<void> TieredPartition::run_ahead(Offset at, std::uint64_t bytes) {
    constexpr std::uint64_t least = 64 << 10;
    while (bytes >= least && at < partition_->log().local_start_offset() && !ahead_.find(at)) {
        ByteBudget::Share share = services_.read_ahead.take(least, bytes, ahead_most());
        if (share.bytes() == 0) co_return;
        ReadAhead::Chunk chunk = ahead_.add(at, std::move(share));
        co_await RemoteChunk::carry_out(chunk, read_batches(chunk, chunk->share.bytes()));
        bool more = *chunk->result && !(*chunk->result)->records.empty();
        if (!more) {
            ahead_.drop(chunk);
            co_return;
        }
        bytes -= std::min<std::uint64_t>(bytes, (*chunk->result)->records.size());
        at = (*chunk->result)->next;
    }
}

// Those that the segment tells of, and the ones behind it, until nothing that concerns what was cut
// can follow.
Task<Result<std::vector<AbortedTransaction>>> TieredPartition::aborted_transactions(
    RemoteLogSegment segment, RemoteCut cut, std::uint64_t max_bytes) {
    std::shared_ptr<storage::Log> held = partition_->share_log();
    storage::Log& log = *held;
    // As far as was asked for, rather than to the last whole batch: so does Apache.
    std::uint64_t end =
        std::min(cut.position + std::max(cut.first_batch_size, max_bytes), segment.size);
    auto look = [&](remote::RemoteReader& reader) {
        return reader.aborted_before(segment, cut.base, end);
    };
    ASSIGN_OR_CO_RETURN(auto told, co_await look_up<remote::RemoteReader::Aborted>(look));
    std::vector<AbortedTransaction> found = std::move(told.in_segment.transactions);
    bool complete = told.in_segment.complete;
    Offset next = segment.end_offset + 1;
    while (!complete) {
        const RemoteLogSegmentMetadata* metadata =
            remote::segment_with_transactions(followed_->segments, log.epochs(), next);
        if (metadata == nullptr) break;
        segment = metadata->segment;
        auto read = [&](remote::RemoteReader& reader) {
            return reader.aborted(segment, cut.base, told.bound);
        };
        ASSIGN_OR_CO_RETURN(auto more, co_await look_up<remote::AbortedInRange>(read));
        add(more.transactions, found);
        complete = more.complete;
        next = segment.end_offset + 1;
    }
    if (complete) co_return found;
    ASSIGN_OR_CO_RETURN(auto local, log.aborted_transactions(cut.base, told.bound));
    add(local, found);
    co_return found;
}

void TieredPartition::read_expired() { services_.metrics.fetch_expired(); }

void TieredPartition::search_expired() {
    const Partition::Identity& identity = partition_->identity();
    services_.metrics.list_offsets_expired(identity.topic, identity.index);
}

// By time --------------------------------------------------------------------------------------

Task<Result<Found>> TieredPartition::find_by_timestamp(Timestamp timestamp) {
    auto waiting = services_.metrics.waiting_list_offsets();
    auto read = std::make_shared<SharedRead<Found>>();
    scope_.spawn(SharedRead<Found>::carry_out(read, find_remotely(timestamp)));
    auto found = co_await read->wait();
    if (!found) co_return fail(told(std::move(found).error(), std::numeric_limits<Offset>::max()));
    if (*found) co_return found;
    std::shared_ptr<storage::Log> log = partition_->share_log();
    co_return co_await log->find_by_timestamp(timestamp);
}

// Segments that are here, too, are looked through here.
Task<Result<Found>> TieredPartition::find_remotely(Timestamp timestamp) {
    CO_RETURN_IF_ERROR(check_readable());
    std::shared_ptr<storage::Log> held = partition_->share_log();
    storage::Log& log = *held;
    Offset at = log.start_offset();
    while (at < log.local_start_offset()) {
        const RemoteLogSegmentMetadata* metadata =
            remote::segment_of(followed_->segments, log.epochs(), at);
        if (metadata == nullptr) break;
        Offset start = at;
        at = metadata->segment.end_offset + 1;
        if (metadata->segment.max_timestamp < timestamp) continue;
        RemoteLogSegment segment = metadata->segment;
        auto find = [&](remote::RemoteReader& reader) {
            return reader.find_timestamp(segment, timestamp, start);
        };
        ASSIGN_OR_CO_RETURN(Found found, co_await look_up<Found>(find));
        if (found) co_return found;
    }
    co_return std::nullopt;
}

}  // namespace millrace::broker
