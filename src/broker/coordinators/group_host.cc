#include "broker/coordinators/group_host.h"

#include <algorithm>
#include <fmt/core.h>
#include <iterator>

#include "base/random.h"
#include "broker/log.h"

namespace millrace::broker {
namespace {

// A uuid in the form of RFC 9562, as Kafka ends member ids.
std::string random_member_suffix(Random& random) {
    Uuid id = Uuid::random(random);
    return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", id.high >> 32U,
                       id.high >> 16U & 0xffff, id.high & 0xffff, id.low >> 48U,
                       id.low & 0xffffffffffffU);
}

// No response where the classic group of this name is meant, if any.
template <typename Response>
groups::GroupDecision<std::optional<Response>> with_optional_response(
    std::optional<groups::GroupDecision<Response>> decided) {
    if (!decided) return {};
    return {std::move(decided->response), std::move(decided->records),
            std::move(decided->migration)};
}

// What is due by itself and could not be written is tried again.
constexpr Duration due_retry = Duration::milliseconds(500);

}  // namespace

GroupHost::GroupHost(env::Shard& shard, std::shared_ptr<Partition> partition,
                     const GroupHostOptions& options, TransactionVerifier& verifier,
                     SharePersister& persister, GroupFigures& figures)
    : shard_(shard),
      options_(options.groups),
      verifier_(verifier),
      persister_(persister),
      figures_(figures),
      coordinator_(options.groups),
      log_(shard, std::move(partition), *this, options.log),
      shares_due_(shard, log_,
                  {.what = "members of share groups",
                   .wake_at = [this] { return coordinator_.shares().wake_at(); },
                   .next = [this] { return coordinator_.next_share_due(shard_.now()); }}),
      streams_due_(shard, log_,
                   {.what = "streams groups",
                    .wake_at = [this] { return coordinator_.streams().wake_at(); },
                    .next = [this] { return coordinator_.next_streams_due(shard_.now()); }}) {}

void GroupHost::loaded() {
    coordinator_.set_wall_clock(shard_.now(), shard_.wall_ms());
    coordinator_.loaded(shard_.now());
    figures_.loads.loaded(log_.load_time(), shard_.now());
    schedule();
    follow_consumers();
    shares_due_.follow();
    streams_due_.follow();
    log_.scope().spawn(expire_offsets());
    LOG_DEBUG("{} holds {} groups", log_.partition().identity().to_string(),
              coordinator_.group_count());
}

Task<void> GroupHost::stop() {
    log_.refuse();
    wake_.stop();
    consumers_wake_.stop();
    shares_due_.stop();
    streams_due_.stop();
    groups::Effects effects;
    coordinator_.unload(ErrorCode::not_coordinator, effects);
    act(std::move(effects));
    co_await log_.stop();
}

// Until the scope ends.
Task<void> GroupHost::expire_offsets() {
    for (;;) {
        co_await env::sleep_for(shard_, options_.offsets_retention_check_interval);
        coordinator_.set_wall_clock(shard_.now(), shard_.wall_ms());
        std::expected<int, ErrorCode> expired = 1;
        while (expired && *expired > 0) {
            std::size_t before = 0;
            expired = co_await log_.run(
                [&] {
                    before = coordinator_.offset_count();
                    return coordinator_.expire_offsets(shard_.now());
                },
                {},
                [&](const auto&) {
                    figures_.expirations.add(before - coordinator_.offset_count());
                });
        }
        if (!expired) {
            LOG_WARN("expired offsets stay in {}: {}", log_.partition().identity().to_string(),
                     name_of(expired.error()));
        }
    }
}

// A group that has gone over to the other protocol since then is not written any more.
Task<void> GroupHost::append(groups::Append append) {
    auto outcome = co_await log_.run([&] {
        coordinator::Decision<ErrorCode> decision{ErrorCode::none, {}};
        if (coordinator_.awaits(append.id)) decision.records = std::move(append.records);
        return decision;
    });
    groups::Effects effects;
    coordinator_.committed(append.id, outcome ? ErrorCode::none : outcome.error(), shard_.now(),
                           effects);
    act(std::move(effects));
    count_rebalances();
}

void GroupHost::act(groups::Effects effects) {
    for (groups::Reply& reply : effects.replies) {
        auto found = waiting_.find(reply.ticket);
        if (found == waiting_.end()) continue;  // its connection has gone
        Waiting deliver = std::move(found->second);
        waiting_.erase(found);
        deliver(reply);
    }
    for (groups::Append& each : effects.appends) log_.scope().spawn(append(std::move(each)));
    schedule();
}

void GroupHost::tick() {
    groups::Effects effects;
    coordinator_.tick(shard_.now(), effects);
    act(std::move(effects));
}

void GroupHost::schedule() {
    if (log_.ready() != ErrorCode::none) return;
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

std::string GroupHost::new_member_id(const std::string& prefix) {
    return fmt::format("{}-{}", prefix, random_member_suffix(shard_.random()));
}

Task<JoinGroupResponse> GroupHost::join(const JoinGroupRequest& request, std::int16_t version,
                                        groups::Client client) {
    auto refusal = [&](ErrorCode error) {
        return JoinGroupResponse{
            .error_code = error, .protocol_name = "", .member_id = request.member_id};
    };
    while (is_before_classic(request.group_id)) {
        std::string new_id = Uuid::random(shard_.random()).to_string();
        auto joined = co_await decide(request.group_id, [&] {
            auto decision = with_optional_response(
                coordinator_.join_consumer_group(request, version, client, new_id, shard_.now()));
            if (!decision.response)
                decision.records = coordinator_.make_room_for_classic(request.group_id);
            return decision;
        });
        if (!joined) co_return refusal(joined.error());
        if (*joined) co_return **std::move(joined);
    }
    if (ready() != ErrorCode::none) co_return refusal(ready());
    std::string new_id = new_member_id(request.group_instance_id.value_or(client.id));
    groups::Ticket ticket = ++last_ticket_;
    groups::Effects effects;
    coordinator_.join(request, version, client, new_id, ticket, shard_.now(), effects);
    co_return co_await wait_for_reply<JoinGroupResponse>(ticket, std::move(effects));
}

Task<SyncGroupResponse> GroupHost::sync(const SyncGroupRequest& request) {
    if (is_consumer_group(request.group_id)) {
        ErrorCode error = co_await settled();
        if (error != ErrorCode::none) co_return SyncGroupResponse{.error_code = error};
        auto response = coordinator_.sync_consumer_group(request, shard_.now());
        follow_consumers();
        if (response) co_return *std::move(response);
    }
    groups::Ticket ticket = ++last_ticket_;
    groups::Effects effects;
    coordinator_.sync(request, ticket, shard_.now(), effects);
    co_return co_await wait_for_reply<SyncGroupResponse>(ticket, std::move(effects));
}

ErrorCode GroupHost::heartbeat(const HeartbeatRequest& request) {
    ErrorCode error = coordinator_.heartbeat(request, shard_.now());
    follow_consumers();
    return error;
}

Task<LeaveGroupResponse> GroupHost::leave(const LeaveGroupRequest& request, std::int16_t version) {
    if (is_consumer_group(request.group_id)) {
        auto left = co_await decide(request.group_id, [&] {
            return with_optional_response(
                coordinator_.leave_consumer_group(request, version, shard_.now()));
        });
        if (!left) co_return LeaveGroupResponse{.error_code = left.error()};
        if (*left) co_return **std::move(left);
    }
    groups::Effects effects;
    LeaveGroupResponse response = coordinator_.leave(request, version, shard_.now(), effects);
    act(std::move(effects));
    co_return response;
}

Task<std::vector<ErrorCode>> GroupHost::commit_offsets(groups::Commit offsets) {
    auto codes = co_await log_.run(
        [&] { return coordinator_.commit_offsets(offsets, shard_.now()); }, {},
        [&](const auto& decision) { figures_.commits.add(decision.records.size()); });
    if (codes) co_return *std::move(codes);
    co_return std::vector<ErrorCode>(offsets.partitions.size(), codes.error());
}

Task<std::vector<ErrorCode>> GroupHost::commit_offsets(groups::Commit offsets,
                                                       OffsetTransaction transaction) {
    Partition& partition = log_.partition();
    bool asks = transaction.ask != OffsetTransaction::Ask::nothing;
    bool is_open = partition.has_transaction(transaction.producer);
    Verifications::Pending pending(partition.verifications(), transaction.producer.id);
    auto all = [&](ErrorCode error) {
        return std::vector<ErrorCode>(offsets.partitions.size(), error);
    };
    if (asks && !is_open) {
        TransactionJoin join{
            .transactional_id = transaction.transactional_id,
            .producer = transaction.producer,
            .partitions = {{partition.identity().topic, partition.identity().index}},
            .verify_only = transaction.ask == OffsetTransaction::Ask::whether_it_is};
        ErrorCode error = (co_await verifier_.ask(std::move(join))).front();
        if (error != ErrorCode::none) co_return all(error);
    }
    co_await pending.turn();
    WrittenBy by{.producer_id = transaction.producer.id,
                 .producer_epoch = transaction.producer.epoch};
    auto codes = co_await log_.run(
        [&] {
            by.verified = !asks || pending.is_valid();
            pending.release();
            return coordinator_.commit_offsets(offsets, shard_.now());
        },
        by, [&](const auto& decision) { figures_.commits.add(decision.records.size()); });
    co_return codes ? *std::move(codes) : all(codes.error());
}

Task<OffsetDeleteResponse> GroupHost::delete_offsets(const OffsetDeleteRequest& request) {
    auto response = co_await log_.run(
        [&] { return coordinator_.delete_offsets(request); }, {},
        [&](const auto& decision) { figures_.deletions.add(decision.records.size()); });
    if (!response) co_return OffsetDeleteResponse{.error_code = response.error()};
    co_return *std::move(response);
}

Task<ErrorCode> GroupHost::delete_group(const std::string& group_id) {
    if (coordinator_.shares().find(group_id) != nullptr) {
        ErrorCode error = co_await remove_share_states(group_id);
        if (error != ErrorCode::none) co_return error;
    }
    auto code = co_await log_.run([&] { return coordinator_.delete_group(group_id); });
    co_return code ? *code : code.error();
}

Task<void> GroupHost::forget_topics(const std::set<std::string>& topics,
                                    const std::set<Uuid>& ids) {
    if (ready() != ErrorCode::none) co_return;
    auto forgotten = co_await log_.run([&] {
        auto decision = coordinator_.forget_topics(topics);
        std::ranges::move(coordinator_.shares().forget_topics(ids),
                          std::back_inserter(decision.records));
        return decision;
    });
    if (!forgotten) {
        LOG_WARN("offsets of deleted topics stay in {}: {}",
                 log_.partition().identity().to_string(), name_of(forgotten.error()));
    }
}

// Groups of the consumer protocol ---------------------------------------------------------------

Task<ConsumerGroupHeartbeatResponse> GroupHost::consumer_heartbeat(
    const ConsumerGroupHeartbeatRequest& request, std::int16_t version, groups::Client client) {
    std::string new_id = Uuid::random(shard_.random()).to_string();
    auto response = co_await decide(request.group_id, [&] {
        return coordinator_.consumer_heartbeat(request, version, client, new_id, shard_.now());
    });
    if (!response) co_return ConsumerGroupHeartbeatResponse{.error_code = response.error()};
    co_return *std::move(response);
}

// `decide() -> groups::GroupDecision<Response>`; the group goes over to the other protocol with it.
template <typename Decide>
auto GroupHost::decide(const std::string& group_id, Decide decide)
    -> Task<std::expected<decltype(std::declval<Decide&>()().response), ErrorCode>> {
    co_return co_await log_.run(std::move(decide), {}, [&](auto& decision) {
        conclude(group_id, std::move(decision.migration));
    });
}

void GroupHost::conclude(const std::string& group_id, groups::Migration migration) {
    if (migration.ends_classic || migration.to_classic) {
        groups::Effects effects;
        coordinator_.conclude(group_id, std::move(migration), shard_.now(), effects);
        act(std::move(effects));
    }
    count_rebalances();
    follow_consumers();
}

void GroupHost::count_rebalances() {
    figures_.consumer_rebalances.follow(coordinator_.consumers().rebalances(), counted_.consumer);
    figures_.share_rebalances.follow(coordinator_.shares().rebalances(), counted_.share);
    figures_.streams_rebalances.follow(coordinator_.streams().rebalances(), counted_.streams);
    figures_.classic_rebalances.follow(coordinator_.classic_rebalances(), counted_.classic);
}

// Sees to what is due now, or when it will be.
void GroupHost::follow_consumers() {
    if (works_off_due_ || ready() != ErrorCode::none) return;
    const groups::ConsumerGroups& consumers = coordinator_.consumers();
    Time wake = consumers.has_unresolved() ? shard_.now() : consumers.wake_at();
    wake = std::max(wake, due_again_);
    if (wake == Time::never()) {
        consumers_wake_.stop();
    } else if (wake <= shard_.now()) {
        consumers_wake_.stop();
        works_off_due_ = true;
        log_.scope().spawn(work_off_due());
    } else if (!consumers_wake_.running() || consumers_wake_.when() != wake) {
        consumers_wake_.start(shard_, wake);
    }
}

Task<void> GroupHost::work_off_due() {
    for (;;) {
        std::string group_id;
        auto any = co_await decide(group_id, [&] {
            groups::GroupDecision<bool> decision{};
            if (auto due = coordinator_.next_due(shard_.now())) {
                group_id = std::move(due->group_id);
                decision = {true, std::move(due->records), std::move(due->migration)};
            }
            return decision;
        });
        if (!any) {
            LOG_WARN("what consumer groups of {} are due for waits: {}",
                     log_.partition().identity().to_string(), name_of(any.error()));
            due_again_ = shard_.now() + due_retry;
        }
        if (!any || !*any) break;
    }
    works_off_due_ = false;
    follow_consumers();
}

}  // namespace millrace::broker
