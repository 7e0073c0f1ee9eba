// Fetch (key 1): records from each partition named, in a session (KIP-227) or outside.
//
// When less than MinBytes is there the request waits, woken by the partitions it reads, for at most
// MaxWaitMs; an error is told at once. Records stay in their files until the connection sends them.
// The first partition that has something gives a whole batch, whatever the limits. What lies in
// remote storage is read from there into memory; nothing else is waited for then (KIP-405).
//
// On a controllers' listener it is a replica of the metadata log that asks (KIP-595).

#include "protocol/fetch.h"

#include <algorithm>
#include <map>

#include "broker/client_quotas.h"
#include "broker/fetch_sessions.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/metadata_cache.h"
#include "broker/partition_router.h"
#include "broker/quorum_member.h"
#include "broker/replication_quota.h"
#include "config/broker_config.h"

namespace millrace::broker {
namespace {

using Response = FetchResponse;
using PartitionData = Response::PartitionData;

constexpr std::string_view rack_aware_selector =
    "org.apache.kafka.common.replica.RackAwareReplicaSelector";

struct Item {
    FetchTarget* target = nullptr;
    const metadata::Topic* topic = nullptr;
    TopicIdPartition id;
    int shard = 0;
    Fetched result;
    FetchTerms terms;        // with which it was read last
    bool throttled = false;  // its bytes count towards the quota on replication
};

struct Limits {
    std::uint64_t max_bytes = 0;
    std::uint64_t min_bytes = 0;
    bool read_committed = false;
    std::optional<FetchingReplica> replica;
    bool quota_exceeded = false;  // of what leaders send to throttled replicas
    bool leader_only = true;
    std::string_view rack;  // to be sent to a nearer replica (KIP-392)
};

FetchTerms terms_of(const FetchTarget& target, const Limits& limits, bool again) {
    FetchTerms terms{.offset = target.offset,
                     .max_bytes = static_cast<std::uint64_t>(std::max(0, target.max_bytes)),
                     .read_committed = limits.read_committed,
                     .current_leader_epoch = target.current_leader_epoch,
                     .last_fetched_epoch = target.last_fetched_epoch,
                     .replica = limits.replica,
                     .again = again,
                     .leader_only = limits.leader_only,
                     .rack = limits.rack};
    if (terms.replica) terms.replica->log_start = target.follower_log_start;
    return terms;
}

// Before version 15 a replica does not tell the epoch of its broker.
std::optional<FetchingReplica> replica_of(const FetchRequest& request) {
    if (request.replica_state.replica_id >= 0) {
        return FetchingReplica{.id = request.replica_state.replica_id,
                               .broker_epoch = request.replica_state.replica_epoch};
    }
    if (request.replica_id >= 0) return FetchingReplica{.id = request.replica_id};
    return std::nullopt;
}

// Finds the partitions; what is unknown has its error already.
std::vector<Item> resolve(FetchPlan& plan, const metadata::Image& image,
                          const PartitionRouter& router, bool by_id) {
    std::vector<Item> items;
    items.reserve(plan.targets().size());
    for (FetchTarget& target : plan.targets()) {
        Item& item = items.emplace_back(Item{.target = &target});
        item.topic = by_id ? image.topics.find(target.topic_id)
                           : image.topics.find(std::string_view(target.topic));
        if (item.topic == nullptr) {
            item.result.error =
                by_id ? ErrorCode::unknown_topic_id : ErrorCode::unknown_topic_or_partition;
        } else if (item.topic->partition(target.partition) == nullptr) {
            item.result.error = ErrorCode::unknown_topic_or_partition;
        } else {
            item.id = {item.topic->id, target.partition};
            item.shard = router.owner(item.id);
        }
    }
    return items;
}

bool is_readable(const Item& item) { return item.id.topic_id != Uuid(); }

// Runs `function(Partitions&, items of that shard) -> Task<void>` on every shard concerned.
template <typename Function>
Task<void> on_shards(PartitionRouter& router, std::vector<Item>& items, Function function) {
    std::map<int, std::vector<Item*>> by_shard;
    for (Item& item : items) {
        if (is_readable(item)) by_shard[item.shard].push_back(&item);
    }
    auto call = [&](int shard, std::vector<Item*>& group) {
        return router.on(shard,
                         [&](Partitions& partitions) { return function(partitions, group); });
    };
    if (by_shard.size() == 1) {
        co_await call(by_shard.begin()->first, by_shard.begin()->second);
        co_return;
    }
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (auto& [shard, group] : by_shard) scope.spawn(call(shard, group));
        co_await scope.join();
    });
}

Task<void> read_group(Partitions& partitions, std::vector<Item*>& items, Limits limits,
                      bool again) {
    std::uint64_t room = limits.max_bytes;
    bool first = true;
    for (Item* item : items) {
        std::shared_ptr<Partition> partition = partitions.find(item->id);
        if (!partition) {
            item->result = {.error = partitions.absence_of(item->id)};
            continue;
        }
        item->terms = terms_of(*item->target, limits, again);
        item->terms.max_bytes = std::min(item->terms.max_bytes, room);
        item->terms.whole_first_batch = first;
        item->throttled = limits.replica && partition->throttled().leading;
        if (limits.quota_exceeded && partition->may_hold_back(limits.replica->id)) {
            item->terms.max_bytes = 0;
            item->terms.whole_first_batch = false;
        }
        item->result = co_await partition->fetch(item->terms);
        // How much remote storage will give is not known yet: all that was asked for.
        std::uint64_t took =
            item->result.is_remote ? item->terms.max_bytes : item->result.records.size();
        room -= std::min(room, took);
        if (took > 0) first = false;
    }
}

// Each shard has read as if it were alone: later partitions are cut to the room that is left, and
// only the first one may give a batch that is larger than what was asked for.
std::uint64_t cut_to(std::vector<Item>& items, std::uint64_t max_bytes) {
    std::uint64_t total = 0;
    for (Item& item : items) {
        Chain& records = item.result.records;
        if (records.empty()) continue;
        std::uint64_t room = max_bytes - std::min(max_bytes, total);
        room = std::min(room, static_cast<std::uint64_t>(std::max(0, item.target->max_bytes)));
        if (total > 0 && records.size() > room) {
            records = records.prefix(room < item.result.first_batch_size ? 0 : room);
        }
        total += records.size();
    }
    return total;
}

// Ends when one of the partitions has more than what was seen of it, or ceases to be led here.
Task<void> wait_group(Partitions& partitions, std::vector<Item*>& items) {
    std::vector<std::shared_ptr<Partition>> held;
    std::vector<Arrivals*> watched;
    for (Item* item : items) {
        std::shared_ptr<Partition> partition = partitions.find(item->id);
        FetchBound bound = item->terms.bound();
        if (!partition || partition->end_for(bound) > item->result.bound) co_return;
        watched.push_back(&partition->arrivals(bound));
        held.push_back(std::move(partition));
    }
    co_await ArrivalWait(watched);
}

// The first shard that has news ends the wait of all.
Task<void> wait_for_news(PartitionRouter& router, std::vector<Item>& items) {
    Condition news;
    bool arrived = false;
    std::map<int, std::vector<Item*>> by_shard;
    for (Item& item : items) by_shard[item.shard].push_back(&item);
    auto wait = [&](int shard, std::vector<Item*>& group) -> Task<void> {
        co_await router.on(shard,
                           [&](Partitions& partitions) { return wait_group(partitions, group); });
        arrived = true;
        news.notify_all();
    };
    if (by_shard.size() == 1)
        co_return co_await wait(by_shard.begin()->first, by_shard.begin()->second);
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (auto& [shard, group] : by_shard) scope.spawn(wait(shard, group));
        while (!arrived) co_await news.wait();
    });
}

Task<void> read_until_enough(PartitionRouter& router, std::vector<Item>& items, Limits limits,
                             Time deadline) {
    for (bool again = false;; again = true) {
        co_await on_shards(router, items, [&](Partitions& partitions, std::vector<Item*>& group) {
            return read_group(partitions, group, limits, again);
        });
        std::uint64_t bytes = cut_to(items, limits.max_bytes);
        bool told = std::ranges::any_of(items, [](const Item& item) {
            return item.result.error != ErrorCode::none || item.result.diverging ||
                   item.result.is_remote || item.result.preferred_replica;
        });
        env::Shard& here = router.here();
        if (items.empty() || told || bytes >= limits.min_bytes || here.now() >= deadline) co_return;
        bool news = co_await env::with_deadline(here, deadline, wait_for_news(router, items));
        if (!news) co_return;
    }
}

// Reads what is in remote storage, all at once, for at most remote.fetch.max.wait.ms; what does not
// come in time is left out.
Task<void> read_remote(PartitionRouter& router, std::vector<Item>& items, Duration patience) {
    env::Shard& here = router.here();
    auto read = [&](Item& item) -> Task<void> {
        auto there = [id = item.id, terms = item.terms,
                      fetched = item.result](Partitions& partitions) -> Task<Fetched> {
            std::shared_ptr<Partition> partition = partitions.find(id);
            if (!partition) co_return Fetched{.error = partitions.absence_of(id)};
            co_return co_await partition->fetch_remote(terms, fetched);
        };
        auto fetched =
            co_await env::with_deadline(here, here.now() + patience, router.on(item.shard, there));
        if (fetched) {
            item.result = *std::move(fetched);
            co_return;
        }
        co_await router.on(item.shard, [id = item.id](Partitions& partitions) -> Task<void> {
            std::shared_ptr<Partition> partition = partitions.find(id);
            if (partition && partition->remote_log()) partition->remote_log()->read_expired();
            co_return;
        });
    };
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (Item& item : items) {
            bool wanted = item.result.is_remote && item.terms.max_bytes > 0;
            if (wanted) scope.spawn(read(item));
        }
        co_await scope.join();
    });
}

PartitionData describe(Item& item, bool read_committed, std::int16_t version) {
    Fetched& result = item.result;
    PartitionData data{.partition_index = item.target->partition,
                       .error_code = result.error,
                       .high_watermark = result.high_watermark,
                       .last_stable_offset = result.last_stable_offset,
                       .log_start_offset = result.log_start};
    if (result.diverging) {
        data.diverging_epoch = {.epoch = result.diverging->epoch,
                                .end_offset = result.diverging->end_offset};
    }
    bool tells_leader = version >= 16 && (result.error == ErrorCode::not_leader_or_follower ||
                                          result.error == ErrorCode::fenced_leader_epoch);
    if (tells_leader) {
        data.current_leader = {.leader_id = result.leader_id, .leader_epoch = result.leader_epoch};
    }
    data.preferred_read_replica = result.preferred_replica.value_or(-1);
    if (is_readable(item)) data.aborted_transactions = std::nullopt;
    if (read_committed && result.aborted) {
        auto& aborted = data.aborted_transactions.emplace();
        for (const auto& each : *result.aborted) {
            aborted.push_back({.producer_id = each.producer_id, .first_offset = each.first_offset});
        }
    }
    data.records = std::move(result.records);
    return data;
}

// Whether an incremental answer has to mention the partition.
bool is_news(const FetchTarget& target, const Fetched& result) {
    return !result.records.empty() || result.error != ErrorCode::none || result.diverging ||
           result.preferred_replica || target.told_error ||
           target.told_high_watermark != result.high_watermark ||
           target.told_log_start != result.log_start;
}

// Takes note of what the client is told.
void note_told(FetchPlan& plan, const std::vector<Item>& items,
               const std::vector<FetchTarget*>& served) {
    for (const Item& item : items) {
        item.target->told_error = item.result.error != ErrorCode::none;
        item.target->told_high_watermark = item.result.high_watermark;
        item.target->told_log_start = item.result.log_start;
    }
    if (plan.session) plan.session->rotate(served);
}

// `served`: the partitions whose records it has.
Response build(FetchPlan& plan, std::vector<Item>& items, bool read_committed, std::int16_t version,
               std::vector<FetchTarget*>& served) {
    bool by_id = version >= 13;
    Response response{.session_id = plan.session_id()};
    for (Item& item : items) {
        FetchTarget& target = *item.target;
        bool news = is_news(target, item.result);
        if (plan.incremental && !news) continue;
        if (!item.result.records.empty()) served.push_back(&target);
        bool same = !response.responses.empty() &&
                    (by_id ? response.responses.back().topic_id == target.topic_id
                           : response.responses.back().topic == target.topic);
        if (!same) {
            response.responses.push_back({.topic = target.topic, .topic_id = target.topic_id});
        }
        response.responses.back().partitions.push_back(describe(item, read_committed, version));
    }
    return response;
}

// What quotas have the client wait after this answer.
Task<Duration> throttle_of(const Response& response, const Caller& caller, ClientQuotas& quotas) {
    std::uint64_t bytes = 0;
    if (quotas.has(quotas::Kind::fetch, caller.request)) {
        auto encoded = encode_response(0, ApiKey::fetch, caller.version(), response);
        if (encoded) bytes = encoded->size();
    }
    return quotas.fetched(caller.request, bytes);
}

// A client that has to wait gets nothing until it asks again (KIP-219), and no new session.
Response nothing_yet(FetchPlan& plan, FetchSessions& sessions, Duration wait) {
    if (!plan.incremental) sessions.abandon(plan);
    return {.throttle_time_ms = quotas::told_ms(wait), .session_id = plan.session_id()};
}

Task<Answer<Response>> answer(const FetchRequest& request, const Caller& caller,
                              MetadataCache& cache, FetchSessions& sessions,
                              PartitionRouter& router, const config::BrokerConfig& config,
                              QuorumMember& member, ReplicationQuotas& quotas,
                              ClientQuotas& client_quotas) {
    if (caller.peer().listener->is_controller) {
        auto fetched = co_await member.answer(request, caller);
        co_return Answer<Response>{.response = std::move(fetched.response),
                                   .keep = std::move(fetched.keep)};
    }
    env::Shard& here = router.here();
    co_await sessions.until_free(request.session_id);
    auto shared =
        std::make_shared<FetchPlan>(sessions.begin(request, caller.version(), here.now()));
    FetchPlan& plan = *shared;
    if (plan.error != ErrorCode::none) {
        co_return Answer<Response>{.response = Response{.error_code = plan.error}};
    }
    bool by_id = caller.version() >= 13;
    metadata::ImagePtr image = cache.image();
    std::vector<Item> items = resolve(plan, *image, router, by_id);
    Limits limits{
        .max_bytes = static_cast<std::uint64_t>(
            std::max(0, std::min(request.max_bytes, config.fetch_max_bytes()))),
        .min_bytes = static_cast<std::uint64_t>(std::max(0, request.min_bytes)),
        .read_committed = request.isolation_level == 1,
        .replica = replica_of(request),
        .leader_only = caller.version() < 11,
    };
    bool has_quotas = client_quotas.any() && !limits.replica;
    if (has_quotas) [[unlikely]] {
        limits.max_bytes = std::min(limits.max_bytes, client_quotas.most_to_fetch(caller.request));
        limits.min_bytes = std::min(limits.min_bytes, limits.max_bytes);
    }
    limits.quota_exceeded =
        limits.replica &&
        quotas.leader.is_exceeded(config.leader_replication_throttled_rate(), here.now());
    if (config.replica_selector_class() == rack_aware_selector) limits.rack = request.rack_id;
    Time deadline = caller.request.received + Duration::milliseconds(request.max_wait_ms);
    co_await read_until_enough(router, items, limits, deadline);
    bool is_remote =
        std::ranges::any_of(items, [](const Item& item) { return item.result.is_remote; });
    if (is_remote) {
        co_await read_remote(router, items,
                             Duration::milliseconds(config.remote_fetch_max_wait_ms()));
        cut_to(items, limits.max_bytes);
    }
    std::uint64_t throttled_bytes = 0;
    for (const Item& item : items) {
        if (item.throttled) throttled_bytes += item.result.records.size();
    }
    if (throttled_bytes > 0) quotas.leader.record(throttled_bytes, here.now());
    std::vector<FetchTarget*> served;
    Response response = build(plan, items, limits.read_committed, caller.version(), served);
    Duration wait;
    if (has_quotas) [[unlikely]]
        wait = co_await throttle_of(response, caller, client_quotas);
    if (wait > Duration()) {
        response = nothing_yet(plan, sessions, wait);
    } else {
        note_told(plan, items, served);
    }
    co_return Answer<Response>{
        .response = std::move(response), .keep = std::move(shared), .throttle = wait};
}

}  // namespace

constinit const Handler handlers::fetch = serve<answer>;

}  // namespace millrace::broker
