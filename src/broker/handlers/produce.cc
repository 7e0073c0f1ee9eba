// Produce (key 0): appends one batch to each partition named.
//
// acks 0 has no answer; an error then ends the connection, which is all the client can notice.
// acks 1 answers when the leader has written, -1 when every replica in sync has, and (unless
// log.flush.acks.all is off) when it is on stable storage. Partitions fail on their own.
//
// Before the first records of a transaction its coordinator is asked whether the partition is part
// of it; from version 12 on the partition joins it so (KIP-890).

#include "protocol/produce.h"

#include <algorithm>
#include <deque>
#include <fmt/core.h>
#include <optional>
#include <span>
#include <vector>

#include "broker/client_quotas.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/metadata_cache.h"
#include "broker/partition_router.h"
#include "config/broker_config.h"
#include "core/metadata/topic_names.h"

namespace millrace::broker {
namespace {

using transactions::ProducerIdAndEpoch;
using Response = ProduceResponse;
using PartitionResponse = Response::PartitionProduceResponse;

// One partition of the request on its way: where its answer goes, and what to append.
struct Item {
    PartitionResponse* answer = nullptr;
    TopicIdPartition id;
    int shard = 0;
    std::size_t place = 0;  // in the request
    Slice records;
    Produced outcome;
    const std::string* topic = nullptr;
    bool is_transactional = false;
};

// The transaction that records belong to.
struct Transactional {
    std::string_view id;
    ProducerIdAndEpoch producer;
    std::int16_t version = 0;  // of the request
    bool joins() const { return version >= 12; }
};

Task<void> produce_one(Partitions& partitions, Item& item, ProduceTerms terms) {
    std::shared_ptr<Partition> partition = partitions.find(item.id);
    if (!partition) {
        item.outcome = {.error = partitions.absence_of(item.id)};
        co_return;
    }
    item.outcome =
        co_await partition->produce(std::move(item.records), terms, partitions.validator());
}

// What a producer of this version hears of a partition that is not part of its transaction. Older
// ones try again only after errors that they know.
Produced unverified(ErrorCode error, std::int16_t version) {
    constexpr std::int16_t first_with_abortable = 11;
    switch (error) {
        case ErrorCode::producer_fenced:
            return {.error = ErrorCode::invalid_producer_epoch};
        case ErrorCode::transaction_abortable:
            if (version >= first_with_abortable) return {.error = error};
            [[fallthrough]];
        case ErrorCode::invalid_txn_state:
            return {.error = ErrorCode::invalid_txn_state,
                    .message = "Partition was not added to the transaction",
                    .tells_message = true};
        case ErrorCode::concurrent_transactions:
            if (version >= 12) return {.error = error};
            [[fallthrough]];
        case ErrorCode::network_exception:
        case ErrorCode::coordinator_load_in_progress:
        case ErrorCode::coordinator_not_available:
        case ErrorCode::not_coordinator:
            return {.error = ErrorCode::not_enough_replicas,
                    .message = fmt::format("Unable to verify the partition has been added to the "
                                           "transaction. Underlying error: {}",
                                           name_of(error)),
                    .tells_message = true};
        default:
            return {.error = error};
    }
}

// One partition's batch that waits for its transaction's coordinator.
struct Verified {
    Item* item = nullptr;
    std::shared_ptr<Partition> partition;
    std::optional<Verifications::Pending> pending;
    bool asks = false;
    ErrorCode answer = ErrorCode::none;
};

Task<void> ask_coordinator(TransactionVerifier& verifier, const Transactional& transaction,
                           std::deque<Verified>& batches) {
    TransactionJoin join{.transactional_id = std::string(transaction.id),
                         .producer = transaction.producer,
                         .verify_only = !transaction.joins()};
    for (const Verified& each : batches) {
        if (each.asks) join.partitions.push_back({*each.item->topic, each.item->id.partition});
    }
    if (join.partitions.empty()) co_return;
    std::vector<ErrorCode> answers = co_await verifier.ask(std::move(join));
    auto next = answers.begin();
    for (Verified& each : batches) {
        if (each.asks) each.answer = *next++;
    }
}

Task<void> produce_verified(Partitions& partitions, Verified& batch, ProduceTerms terms,
                            std::int16_t version) {
    if (batch.pending) {
        co_await batch.pending->turn();
        terms.verification = &*batch.pending;
    }
    if (batch.answer != ErrorCode::none) {
        batch.item->outcome = unverified(batch.answer, version);
        batch.pending.reset();
        co_return;
    }
    batch.item->outcome = co_await batch.partition->produce(std::move(batch.item->records), terms,
                                                            partitions.validator());
}

// Of a batch whose transaction is open here the coordinator knows already.
Task<void> produce_in_transaction(Partitions& partitions, std::span<Item> items, ProduceTerms terms,
                                  Transactional transaction) {
    std::deque<Verified> batches;
    terms.verified = false;
    for (Item& item : items) {
        std::shared_ptr<Partition> partition = partitions.find(item.id);
        if (!partition || !partition->is_leader()) {
            item.outcome = {.error = partition ? ErrorCode::not_leader_or_follower
                                               : partitions.absence_of(item.id)};
            continue;
        }
        Verified& batch = batches.emplace_back(&item, partition);
        if (!item.is_transactional) continue;
        batch.asks = !partition->has_transaction(transaction.producer);
        Verifications& others = partition->verifications();
        if (batch.asks || others.holds(transaction.producer.id)) {
            batch.pending.emplace(others, transaction.producer.id);
        }
    }
    co_await ask_coordinator(partitions.verifier(), transaction, batches);
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (Verified& batch : batches) {
            scope.spawn(produce_verified(partitions, batch, terms, transaction.version));
        }
        co_await scope.join();
    });
}

Task<void> produce_each(Partitions& partitions, std::span<Item> items, ProduceTerms terms) {
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (Item& item : items) scope.spawn(produce_one(partitions, item, terms));
        co_await scope.join();
    });
}

Task<void> produce_all(Partitions& partitions, std::span<Item> items, ProduceTerms terms,
                       const std::optional<Transactional>& transaction) {
    if (transaction) return produce_in_transaction(partitions, items, terms, *transaction);
    if (items.size() == 1) return produce_one(partitions, items.front(), terms);
    return produce_each(partitions, items, terms);
}

Task<void> produce_there(PartitionRouter& router, std::span<Item> items, ProduceTerms terms,
                         const std::optional<Transactional>& transaction) {
    co_await router.on(items.front().shard, [&](Partitions& partitions) {
        return produce_all(partitions, items, terms, transaction);
    });
}

// `items` are of one shard: most requests are for this one, and are no call of another.
Task<void> produce_on(PartitionRouter& router, std::span<Item> items, ProduceTerms terms,
                      const std::optional<Transactional>& transaction) {
    if (router.is_here(items.front().shard)) {
        return produce_all(router.local(), items, terms, transaction);
    }
    return produce_there(router, items, terms, transaction);
}

Task<void> produce_on_each(PartitionRouter& router, std::span<Item> items, ProduceTerms terms,
                           const std::optional<Transactional>& transaction) {
    co_await with_scope([&](Scope& scope) -> Task<void> {
        while (!items.empty()) {
            auto next = std::ranges::find_if(
                items, [&](const Item& item) { return item.shard != items.front().shard; });
            auto count = static_cast<std::size_t>(next - items.begin());
            scope.spawn(produce_on(router, items.first(count), terms, transaction));
            items = items.subspan(count);
        }
        co_await scope.join();
    });
}

// Fills the answer's partitions; those that can be appended to become items, in order of shards.
std::vector<Item> sort_out(const ProduceRequest& request, const Caller& caller,
                           const metadata::Image& image, const PartitionRouter& router,
                           Response& response) {
    std::vector<Item> items;
    bool by_id = caller.version() >= 13;
    response.responses.reserve(request.topic_data.size());
    for (const auto& topic : request.topic_data) {
        const metadata::Topic* known =
            by_id ? image.topics.find(topic.topic_id) : image.topics.find(topic.name);
        auto& answered = response.responses.emplace_back();
        answered.name = topic.name;
        answered.topic_id = topic.topic_id;
        answered.partition_responses.reserve(topic.partition_data.size());
        for (const auto& data : topic.partition_data) {
            PartitionResponse& answer = answered.partition_responses.emplace_back();
            answer.index = data.index;
            answer.base_offset = -1;
            if (known == nullptr) {
                answer.error_code =
                    by_id ? ErrorCode::unknown_topic_id : ErrorCode::unknown_topic_or_partition;
            } else if (metadata::is_internal_topic(known->name) &&
                       caller.client_id() != "__admin_client") {
                answer.error_code = ErrorCode::invalid_topic_exception;
            } else if (known->partition(data.index) == nullptr) {
                answer.error_code = ErrorCode::unknown_topic_or_partition;
            } else {
                TopicIdPartition id{known->id, data.index};
                Slice records = data.records ? data.records->in_memory() : Slice();
                items.push_back({&answer,
                                 id,
                                 router.owner(id),
                                 items.size(),
                                 std::move(records),
                                 {},
                                 &known->name});
            }
        }
    }
    auto by_shard = [](const Item& item) { return std::pair(item.shard, item.place); };
    if (items.size() > 1) std::ranges::sort(items, {}, by_shard);
    return items;
}

void fill(Item& item, const metadata::Image& image, const Caller& caller, Response& response) {
    PartitionResponse& answer = *item.answer;
    Produced& outcome = item.outcome;
    answer.error_code = outcome.error;
    answer.base_offset = outcome.base_offset;
    answer.log_append_time_ms = outcome.log_append_time;
    answer.log_start_offset = outcome.log_start;
    for (RecordError& error : outcome.record_errors) {
        answer.record_errors.push_back(
            {.batch_index = error.index, .batch_index_error_message = error.message});
    }
    if (outcome.tells_message) answer.error_message = outcome.message;
    // The new leader is told along (KIP-951), so that the client need not ask.
    bool tells_leader =
        caller.version() >= 10 && outcome.error == ErrorCode::not_leader_or_follower;
    if (!tells_leader) return;
    const metadata::Partition* partition = image.topics.find(item.id.topic_id, item.id.partition);
    if (partition == nullptr) return;
    answer.current_leader = {.leader_id = partition->leader,
                             .leader_epoch = partition->leader_epoch};
    const metadata::Broker* leader = image.active_broker(partition->leader);
    const config::Endpoint* endpoint =
        leader == nullptr ? nullptr : leader->endpoint(caller.peer().listener->name);
    if (endpoint == nullptr) return;
    for (const auto& told : response.node_endpoints) {
        if (told.node_id == leader->id) return;
    }
    response.node_endpoints.push_back(
        {.node_id = leader->id, .host = endpoint->host, .port = endpoint->port});
}

// What the answer has views into: names in the image and, where records were refused, sentences.
std::shared_ptr<const void> keep(metadata::ImagePtr image, std::vector<Item> items) {
    bool tells =
        std::ranges::any_of(items, [](const Item& item) { return item.outcome.tells_message; });
    if (!tells) return image;
    using Kept = std::pair<metadata::ImagePtr, std::vector<Item>>;
    return std::make_shared<Kept>(std::move(image), std::move(items));
}

Answer<Response> conclude(const ProduceRequest& request, Response response) {
    if (request.acks != 0) return {.response = std::move(response)};
    for (const auto& topic : response.responses) {
        for (const PartitionResponse& partition : topic.partition_responses) {
            if (partition.error_code == ErrorCode::none) continue;
            return {.close_reason = std::string("a produce with acks=0 failed: ") +
                                    std::string(name_of(partition.error_code))};
        }
    }
    return {};
}

// Whose transaction the records are part of, if any are and it is to be asked for. All of them are
// of one producer. Errors are about the whole request.
Result<std::optional<Transactional>> transaction_of(const ProduceRequest& request,
                                                    const Caller& caller,
                                                    const config::BrokerConfig& config,
                                                    std::span<Item> items) {
    if (request.acks < -1 || request.acks > 1) return fail(ErrorCode::invalid_required_acks);
    if (!request.transactional_id) return std::nullopt;
    Transactional transaction{.id = *request.transactional_id, .version = caller.version()};
    bool any = false;
    for (Item& item : items) {
        auto batch = BatchView::first(item.records.bytes());
        if (!batch || !*batch || !(*batch)->is_transactional()) continue;
        item.is_transactional = true;
        ProducerIdAndEpoch producer{(*batch)->producer_id(), (*batch)->producer_epoch()};
        if (any && producer != transaction.producer) {
            return fail(ErrorCode::invalid_producer_id_mapping,
                        "Transactional records contained more than one producer ID");
        }
        transaction.producer = producer;
        any = true;
    }
    bool asks = transaction.joins() || config.transaction_partition_verification_enable();
    if (!any || !asks) return std::nullopt;
    return transaction;
}

Task<Answer<Response>> answer(const ProduceRequest& request, const Caller& caller,
                              MetadataCache& cache, PartitionRouter& router,
                              const config::BrokerConfig& config, ClientQuotas& quotas) {
    Response response;
    metadata::ImagePtr image = cache.image();
    std::vector<Item> items = sort_out(request, caller, *image, router, response);
    ProduceTerms terms{.acks = request.acks,
                       .version = caller.version(),
                       .transactional = request.transactional_id.has_value(),
                       .timeout = Duration::milliseconds(request.timeout_ms)};
    auto transaction = transaction_of(request, caller, config, items);
    if (!transaction) {
        for (Item& item : items) item.answer->error_code = transaction.error().code;
    } else if (!items.empty()) {
        bool one_shard = items.front().shard == items.back().shard;
        co_await (one_shard ? produce_on(router, items, terms, *transaction)
                            : produce_on_each(router, items, terms, *transaction));
        for (Item& item : items) fill(item, *image, caller, response);
    }
    Answer<Response> concluded = conclude(request, std::move(response));
    concluded.keep = keep(std::move(image), std::move(items));
    if (quotas.any()) [[unlikely]] {
        concluded.throttle = co_await quotas.produced(caller.request, request.acks != 0);
        if (concluded.response)
            concluded.response->throttle_time_ms = quotas::told_ms(*concluded.throttle);
    }
    co_return concluded;
}

}  // namespace

constinit const Handler handlers::produce = serve<answer>;

}  // namespace millrace::broker
