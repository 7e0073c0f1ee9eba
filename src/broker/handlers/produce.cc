// Produce (key 0): appends one batch to each partition named.
//
// acks 0 has no answer; an error then ends the connection, which is all the client can notice.
// acks 1 answers when the leader has written, -1 when every replica in sync has, and (unless
// log.flush.acks.all is off) when it is on stable storage. Partitions fail on their own.

#include "protocol/produce.h"

#include <algorithm>
#include <span>
#include <vector>

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/metadata_cache.h"
#include "broker/partition_router.h"
#include "core/metadata/topic_names.h"

namespace millrace::broker {
namespace {

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

Task<void> produce_each(Partitions& partitions, std::span<Item> items, ProduceTerms terms) {
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (Item& item : items) scope.spawn(produce_one(partitions, item, terms));
        co_await scope.join();
    });
}

Task<void> produce_all(Partitions& partitions, std::span<Item> items, ProduceTerms terms) {
    if (items.size() == 1) return produce_one(partitions, items.front(), terms);
    return produce_each(partitions, items, terms);
}

Task<void> produce_there(PartitionRouter& router, std::span<Item> items, ProduceTerms terms) {
    co_await router.on(items.front().shard, [items, terms](Partitions& partitions) {
        return produce_all(partitions, items, terms);
    });
}

// `items` are of one shard: most requests are for this one, and are no call of another.
Task<void> produce_on(PartitionRouter& router, std::span<Item> items, ProduceTerms terms) {
    if (router.is_here(items.front().shard)) return produce_all(router.local(), items, terms);
    return produce_there(router, items, terms);
}

Task<void> produce_on_each(PartitionRouter& router, std::span<Item> items, ProduceTerms terms) {
    co_await with_scope([&](Scope& scope) -> Task<void> {
        while (!items.empty()) {
            auto next = std::ranges::find_if(
                items, [&](const Item& item) { return item.shard != items.front().shard; });
            auto count = static_cast<std::size_t>(next - items.begin());
            scope.spawn(produce_on(router, items.first(count), terms));
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
                items.push_back(
                    {&answer, id, router.owner(id), items.size(), std::move(records), {}});
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

Task<Answer<Response>> answer(const ProduceRequest& request, const Caller& caller,
                              MetadataCache& cache, PartitionRouter& router) {
    Response response;
    metadata::ImagePtr image = cache.image();
    std::vector<Item> items = sort_out(request, caller, *image, router, response);
    if (request.acks < -1 || request.acks > 1) {
        for (Item& item : items) item.answer->error_code = ErrorCode::invalid_required_acks;
        co_return conclude(request, std::move(response));
    }
    ProduceTerms terms{.acks = request.acks,
                       .version = caller.version(),
                       .transactional = request.transactional_id.has_value(),
                       .timeout = Duration::milliseconds(request.timeout_ms)};
    if (!items.empty()) {
        bool one_shard = items.front().shard == items.back().shard;
        co_await (one_shard ? produce_on(router, items, terms)
                            : produce_on_each(router, items, terms));
    }
    for (Item& item : items) fill(item, *image, caller, response);
    Answer<Response> concluded = conclude(request, std::move(response));
    concluded.keep = keep(std::move(image), std::move(items));
    co_return concluded;
}

}  // namespace

constinit const Handler handlers::produce = serve<answer>;

}  // namespace millrace::broker
