#include "broker/coordinators/group_host.h"

#include <fmt/core.h>

#include "base/random.h"
#include "broker/log.h"
#include "records/builder.h"
#include "records/record.h"

namespace millrace::broker {
namespace {

constexpr std::uint64_t load_bytes = 5 << 20;  // offsets.load.buffer.size

// A uuid in the form of RFC 9562, as Kafka ends member ids.
std::string random_member_suffix(Random& random) {
    Uuid id = Uuid::random(random);
    return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", id.high >> 32U,
                       id.high >> 16U & 0xffff, id.high & 0xffff, id.low >> 48U,
                       id.low & 0xffffffffffffU);
}

// What a client may hear of a failed append of the coordinator's log.
ErrorCode as_coordinator_error(ErrorCode code) {
    switch (code) {
        case ErrorCode::none:
            return code;
        case ErrorCode::not_leader_or_follower:
        case ErrorCode::kafka_storage_error:
            return ErrorCode::not_coordinator;
        case ErrorCode::message_too_large:
        case ErrorCode::record_list_too_large:
            return ErrorCode::unknown_server_error;
        default:
            return ErrorCode::coordinator_not_available;
    }
}

}  // namespace

GroupHost::GroupHost(env::Shard& shard, std::shared_ptr<Partition> partition,
                     const groups::GroupOptions& options)
    : shard_(shard),
      partition_(std::move(partition)),
      options_(options),
      coordinator_(options),
      scope_(shard) {}

ErrorCode GroupHost::ready() const {
    if (stopped_) return ErrorCode::not_coordinator;
    return loaded_ ? ErrorCode::none : ErrorCode::coordinator_load_in_progress;
}

Task<void> GroupHost::stop() {
    stopped_ = true;
    wake_.stop();
    groups::Effects effects;
    coordinator_.unload(ErrorCode::not_coordinator, effects);
    act(std::move(effects));
    co_await scope_.close();
}

// Loading --------------------------------------------------------------------------------------

Task<void> GroupHost::load() {
    co_await partition_->recovered();
    storage::Offset next = partition_->log().start_offset();
    while (next < partition_->high_watermark()) {
        Result<Slice> batches =
            partition_->log().load({.offset = next,
                                    .max_bytes = load_bytes,
                                    .whole_first_batch = true,
                                    .upper_bound = partition_->high_watermark()});
        Result<> replayed = batches ? replay(batches->bytes(), next) : fail(batches.error());
        if (!replayed) {
            LOG_ERROR("groups of {} cannot be loaded: {}", partition_->identity().to_string(),
                      replayed.error().message);
            co_return;
        }
        if (batches->empty()) break;
        co_await env::sleep_for(shard_, Duration());  // others have their turn
    }
    coordinator_.set_wall_clock(shard_.now(), shard_.wall_ms());
    coordinator_.loaded(shard_.now());
    loaded_ = true;
    schedule();
    scope_.spawn(expire_offsets());
    LOG_DEBUG("{} holds {} groups", partition_->identity().to_string(), coordinator_.group_count());
}

Result<> GroupHost::replay(Bytes batches, storage::Offset& next) {
    BatchReader reader(batches);
    for (;;) {
        ASSIGN_OR_RETURN(std::optional<BatchView> batch, reader.next());
        if (!batch) return {};
        next = batch->next_offset();
        if (batch->is_control()) {
            if (batch->count() == 0) continue;  // the transaction is compacted away
            ASSIGN_OR_RETURN(TransactionMarker marker, transaction_marker(*batch));
            coordinator_.end_transaction(batch->producer_id(), marker.type == ControlType::commit);
            continue;
        }
        RecordReader records(*batch);
        for (;;) {
            ASSIGN_OR_RETURN(const Record* record, records.next());
            if (record == nullptr) break;
            if (!record->key) continue;
            groups::GroupRecord entry{Slice::copy(*record->key), std::nullopt};
            if (record->value) entry.value = Slice::copy(*record->value);
            Result<> applied = coordinator_.apply(
                entry, {.offset = record->offset, .producer_id = batch->producer_id()});
            if (!applied) {
                LOG_WARN("a record of {} is passed over: {}", partition_->identity().to_string(),
                         applied.error().message);
            }
        }
    }
}

// Until the scope ends.
Task<void> GroupHost::expire_offsets() {
    for (;;) {
        co_await env::sleep_for(shard_, options_.offsets_retention_check_interval);
        coordinator_.set_wall_clock(shard_.now(), shard_.wall_ms());
        ErrorCode outcome = ErrorCode::none;
        while (outcome == ErrorCode::none) {
            auto expired = coordinator_.expire_offsets(shard_.now());
            if (expired.records.empty()) break;
            outcome = co_await commit(std::move(expired.records));
        }
        if (outcome != ErrorCode::none) {
            LOG_WARN("expired offsets stay in {}: {}", partition_->identity().to_string(),
                     name_of(outcome));
        }
    }
}

// Appending ------------------------------------------------------------------------------------

Task<Result<storage::Offset>> GroupHost::append_records(
    const std::vector<groups::GroupRecord>& records) {
    BatchBuilder builder({.base_sequence = 0});
    Timestamp now = shard_.wall_ms();
    for (const groups::GroupRecord& record : records) {
        std::optional<Bytes> value;
        if (record.value) value = record.value->bytes();
        builder.append(now, record.key.bytes(), value);
    }
    co_return co_await partition_->append_own(builder.build());
}

Task<ErrorCode> GroupHost::commit(std::vector<groups::GroupRecord> records) {
    if (records.empty()) co_return ErrorCode::none;
    Result<storage::Offset> appended = co_await append_records(records);
    if (!appended) co_return as_coordinator_error(appended.error().code);
    if (stopped_) co_return ErrorCode::not_coordinator;
    groups::AppendedAs as{.offset = *appended};
    for (const groups::GroupRecord& record : records) {
        CHECK(coordinator_.apply(record, as));
        ++as.offset;
    }
    co_return ErrorCode::none;
}

Task<ErrorCode> GroupHost::end_transaction(TransactionEnd end) {
    Result<storage::Offset> appended = co_await partition_->end_transaction(end);
    if (!appended) co_return appended.error().code;
    if (stopped_) co_return ErrorCode::not_leader_or_follower;
    coordinator_.end_transaction(end.producer_id, end.committed);
    co_return ErrorCode::none;
}

Task<void> GroupHost::append(groups::Append append) {
    Result<storage::Offset> appended = co_await append_records(append.records);
    ErrorCode outcome = appended ? ErrorCode::none : as_coordinator_error(appended.error().code);
    groups::Effects effects;
    coordinator_.committed(append.id, outcome, shard_.now(), effects);
    act(std::move(effects));
}

void GroupHost::act(groups::Effects effects) {
    for (groups::Reply& reply : effects.replies) {
        auto found = waiting_.find(reply.ticket);
        if (found == waiting_.end()) continue;  // its connection has gone
        Waiting deliver = std::move(found->second);
        waiting_.erase(found);
        deliver(reply);
    }
    for (groups::Append& each : effects.appends) scope_.spawn(append(std::move(each)));
    schedule();
}

void GroupHost::tick() {
    groups::Effects effects;
    coordinator_.tick(shard_.now(), effects);
    act(std::move(effects));
}

void GroupHost::schedule() {
    if (stopped_ || !loaded_) return;
    Time wake = coordinator_.wake_at();
    if (wake == Time::never()) {
        wake_.stop();
    } else if (!wake_.running() || wake_.when() != wake) {
        wake_.start(shard_, wake);
    }
}

// Requests -------------------------------------------------------------------------------------

template <typename Response>
Task<Response> GroupHost::wait_for_reply(groups::Ticket ticket, groups::Effects effects) {
    Completion<Response> reply;
    waiting_[ticket] = [&reply](groups::Reply& came) {
        reply.set(std::move(std::get<Response>(came.response)));
    };
    struct Forget {
        ~Forget() { waiting.erase(ticket); }
        std::map<groups::Ticket, Waiting>& waiting;
        groups::Ticket ticket;
    } forget{waiting_, ticket};
    act(std::move(effects));
    co_return co_await reply.get();
}

Task<JoinGroupResponse> GroupHost::join(const JoinGroupRequest& request, std::int16_t version,
                                        groups::Client client) {
    groups::Ticket ticket = ++last_ticket_;
    groups::Effects effects;
    std::string new_id = fmt::format("{}-{}", request.group_instance_id.value_or(client.id),
                                     random_member_suffix(shard_.random()));
    coordinator_.join(request, version, client, new_id, ticket, shard_.now(), effects);
    return wait_for_reply<JoinGroupResponse>(ticket, std::move(effects));
}

Task<SyncGroupResponse> GroupHost::sync(const SyncGroupRequest& request) {
    groups::Ticket ticket = ++last_ticket_;
    groups::Effects effects;
    coordinator_.sync(request, ticket, shard_.now(), effects);
    return wait_for_reply<SyncGroupResponse>(ticket, std::move(effects));
}

ErrorCode GroupHost::heartbeat(const HeartbeatRequest& request) {
    return coordinator_.heartbeat(request, shard_.now());
}

LeaveGroupResponse GroupHost::leave(const LeaveGroupRequest& request, std::int16_t version) {
    groups::Effects effects;
    LeaveGroupResponse response = coordinator_.leave(request, version, shard_.now(), effects);
    act(std::move(effects));
    return response;
}

Task<std::vector<ErrorCode>> GroupHost::commit_offsets(groups::Commit offsets) {
    auto decision = coordinator_.commit_offsets(offsets, shard_.now());
    ErrorCode outcome = co_await commit(std::move(decision.records));
    for (ErrorCode& code : decision.response) {
        if (code == ErrorCode::none) code = outcome;
    }
    co_return std::move(decision.response);
}

Task<OffsetDeleteResponse> GroupHost::delete_offsets(const OffsetDeleteRequest& request) {
    auto decision = coordinator_.delete_offsets(request);
    ErrorCode outcome = co_await commit(std::move(decision.records));
    if (outcome != ErrorCode::none) co_return OffsetDeleteResponse{.error_code = outcome};
    co_return std::move(decision.response);
}

Task<ErrorCode> GroupHost::delete_group(const std::string& group_id) {
    auto decision = coordinator_.delete_group(group_id);
    ErrorCode outcome = co_await commit(std::move(decision.records));
    co_return outcome == ErrorCode::none ? decision.response : outcome;
}

Task<void> GroupHost::forget_topics(const std::set<std::string>& topics) {
    if (ready() != ErrorCode::none) co_return;
    ErrorCode outcome = co_await commit(coordinator_.forget_topics(topics).records);
    if (outcome != ErrorCode::none) {
        LOG_WARN("offsets of deleted topics stay in {}: {}", partition_->identity().to_string(),
                 name_of(outcome));
    }
}

}  // namespace millrace::broker
