#include <algorithm>
#include <fmt/core.h>
#include <limits>

#include "broker/log.h"
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

template <typename T>
Task<void> TieredPartition::carry_out(std::shared_ptr<Work<T>> work, Task<Result<T>> task) {
    struct Ended {
        Work<T>& work;
        ~Ended() {
            if (!work.result) {
                work.result = fail(ErrorCode::not_leader_or_follower, "the read was given up");
            }
            work.done.notify_all();
        }
    } ended{*work};
    work->result = co_await std::move(task);
}

template <typename T>
Task<Result<T>> TieredPartition::wait_for(std::shared_ptr<Work<T>> work) {
    struct Waiting {
        std::size_t& count;
        explicit Waiting(std::size_t& all) : count(all) { ++count; }
        ~Waiting() { --count; }
    } waiting(work->waiting);
    co_await work->done.until([&] { return work->result.has_value(); });
    co_return *work->result;
}

// A client that gave up waiting asks for the same again.
Task<Result<RemoteRecords>> TieredPartition::read(RemoteReadRequest request) {
    co_await services_.quotas.fetch(
        services_.shard, services_.config.remote_log_manager_fetch_max_bytes_per_second());
    request.max_bytes = std::min(request.max_bytes, most_bytes);
    auto same = std::ranges::find(reads_, request, &Read::request);
    std::shared_ptr<Read> read;
    if (same == reads_.end()) {
        constexpr std::size_t most_unclaimed = 2;
        forget_unclaimed(most_unclaimed);
        read = reads_.emplace_back(std::make_shared<Read>(request));
        scope_.spawn(carry_out<RemoteRecords>(read, read_once(request)));
    } else {
        read = *same;
    }
    auto records = co_await wait_for<RemoteRecords>(read);
    std::erase(reads_, read);
    co_return records;
}

// Oldest first.
void TieredPartition::forget_unclaimed(std::size_t most) {
    auto is_unclaimed = [](const auto& read) { return read->result && read->waiting == 0; };
    auto unclaimed = static_cast<std::size_t>(std::ranges::count_if(reads_, is_unclaimed));
    std::erase_if(reads_, [&](const auto& read) {
        if (unclaimed <= most || !is_unclaimed(read)) return false;
        --unclaimed;
        return true;
    });
}

Task<Result<RemoteRecords>> TieredPartition::read_once(RemoteReadRequest request) {
    metrics_->fetch_requests.mark();
    auto records = co_await read_records(request);
    if (!records) co_return fail(told(std::move(records).error(), request.offset));
    metrics_->fetch_bytes.mark(records->records.size());
    co_await services_.quotas.fetched(
        services_.shard, services_.config.remote_log_manager_fetch_max_bytes_per_second(),
        records->records.size());
    co_return records;
}

Task<Result<RemoteRecords>> TieredPartition::read_records(RemoteReadRequest request) {
    CO_RETURN_IF_ERROR(check_readable());
    std::shared_ptr<storage::Log> log = partition_->share_log();
    const storage::LeaderEpochs& epochs = log->epochs();
    Offset at = request.offset;
    for (;;) {
        const RemoteLogSegmentMetadata* metadata =
            remote::segment_of(followed_->segments, epochs, at);
        if (metadata == nullptr) {
            co_return fail(ErrorCode::offset_out_of_range,
                           fmt::format("no segment of {} in remote storage holds {}",
                                       partition_->identity().to_string(), at));
        }
        RemoteLogSegment segment = metadata->segment;
        auto read = [&](remote::RemoteReader& reader) {
            return reader.read(segment, {.offset = at,
                                         .max_bytes = request.max_bytes,
                                         .whole_first_batch = request.whole_first_batch,
                                         .with_aborted = request.read_committed});
        };
        ASSIGN_OR_CO_RETURN(remote::RemoteRead found, co_await look_up<remote::RemoteRead>(read));
        Offset next = segment.end_offset + 1;
        if (found.first_batch_size == 0 && next < partition_->log().local_start_offset()) {
            at = next;  // the segment has no records from there on
            continue;
        }
        RemoteRecords records{within_history(found.records), found.first_batch_size, {}};
        if (request.read_committed && !records.records.empty()) {
            ASSIGN_OR_CO_RETURN(records.aborted,
                                co_await aborted_transactions(std::move(found.aborted), next,
                                                              request.offset, found.next_offset));
        }
        co_return records;
    }
}

// A segment may go on behind where an unclean election has cut the log.
Slice TieredPartition::within_history(Slice records) const {
    const storage::LeaderEpochs& epochs = partition_->log().epochs();
    BatchReader reader(records.bytes());
    for (;;) {
        std::size_t position = reader.position();
        auto batch = reader.next();
        if (!batch || !*batch) return records;
        if (epochs.epoch_at((*batch)->base_offset()).value_or((*batch)->leader_epoch()) !=
            (*batch)->leader_epoch()) {
            return records.slice(0, position);
        }
    }
}

// Those that the segment has told, and of the ones from `next` on, until nothing that concerns
// offsets below `bound` can follow.
Task<Result<std::vector<AbortedTransaction>>> TieredPartition::aborted_transactions(
    remote::AbortedInRange told, Offset next, Offset offset, Offset bound) {
    std::shared_ptr<storage::Log> held = partition_->share_log();
    storage::Log& log = *held;
    std::vector<AbortedTransaction> found = std::move(told.transactions);
    bool complete = told.complete;
    while (!complete) {
        const RemoteLogSegmentMetadata* metadata =
            remote::segment_with_transactions(followed_->segments, log.epochs(), next);
        if (metadata == nullptr) break;
        RemoteLogSegment segment = metadata->segment;
        auto read = [&](remote::RemoteReader& reader) {
            return reader.aborted(segment, offset, bound);
        };
        ASSIGN_OR_CO_RETURN(auto more, co_await look_up<remote::AbortedInRange>(read));
        add(more.transactions, found);
        complete = more.complete;
        next = segment.end_offset + 1;
    }
    if (complete) co_return found;
    ASSIGN_OR_CO_RETURN(auto local, log.aborted_transactions(offset, bound));
    add(local, found);
    co_return found;
}

// By time --------------------------------------------------------------------------------------

Task<Result<Found>> TieredPartition::find_by_timestamp(Timestamp timestamp) {
    auto work = std::make_shared<Work<Found>>();
    scope_.spawn(carry_out<Found>(work, find_remotely(timestamp)));
    auto found = co_await wait_for<Found>(work);
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
