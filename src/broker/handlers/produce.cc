// Produce (key 0): appends one batch to each partition named.
//
// acks 0 has no answer; an error then ends the connection, which is all the client can notice.
// acks 1 answers when the leader has written, -1 when every replica in sync has, and (unless
// log.flush.acks.all is off) when it is on stable storage. Partitions fail on their own.

#include "protocol/produce.h"

#include <algorithm>
#include <map>

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
    Slice records;
    Produced outcome;
};
using ItemsByShard = std::map<int, std::vector<Item>>;

Task<void> produce_one(Partitions& partitions, Item& item, ProduceTerms terms) {
    std::shared_ptr<Partition> partition = partitions.find(item.id);
    if (!partition) {
        item.outcome = {.error = partitions.absence_of(item.id)};
        co_return;
    }
    item.outcome =
        co_await partition->produce(std::move(item.records), terms, partitions.validator());
}

Task<void> produce_all(Partitions& partitions, std::vector<Item>& items, ProduceTerms terms) {
    if (items.size() == 1) co_return co_await produce_one(partitions, items.front(), terms);
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (Item& item : items) scope.spawn(produce_one(partitions, item, terms));
        co_await scope.join();
    });
}

// Fills the answer's partitions; those that can be appended to become items.
ItemsByShard sort_out(const ProduceRequest& request, const Caller& caller,
                      const metadata::Image& image, const PartitionRouter& router,
                      Response& response) {
    ItemsByShard items;
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
                items[router.owner(id)].push_back({&answer, id, std::move(records), {}});
            }
        }
    }
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
std::shared_ptr<const void> keep(metadata::ImagePtr image, ItemsByShard by_shard) {
    bool tells = std::ranges::any_of(by_shard, [](const auto& shard) {
        return std::ranges::any_of(shard.second,
                                   [](const Item& item) { return item.outcome.tells_message; });
    });
    if (!tells) return image;
    using Kept = std::pair<metadata::ImagePtr, ItemsByShard>;
    return std::make_shared<Kept>(std::move(image), std::move(by_shard));
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
    ItemsByShard by_shard = sort_out(request, caller, *image, router, response);
    if (request.acks < -1 || request.acks > 1) {
        for (auto& [shard, items] : by_shard) {
            for (Item& item : items) item.answer->error_code = ErrorCode::invalid_required_acks;
        }
        co_return conclude(request, std::move(response));
    }
    ProduceTerms terms{.acks = request.acks,
                       .version = caller.version(),
                       .transactional = request.transactional_id.has_value()};
    auto on_shard = [&](int shard, std::vector<Item>& items) {
        return router.on(shard, [&items, terms](Partitions& partitions) {
            return produce_all(partitions, items, terms);
        });
    };
    if (by_shard.size() == 1) {
        co_await on_shard(by_shard.begin()->first, by_shard.begin()->second);
    } else if (!by_shard.empty()) {
        co_await with_scope([&](Scope& scope) -> Task<void> {
            for (auto& [shard, items] : by_shard) scope.spawn(on_shard(shard, items));
            co_await scope.join();
        });
    }
    for (auto& [shard, items] : by_shard) {
        for (Item& item : items) fill(item, *image, caller, response);
    }
    Answer<Response> concluded = conclude(request, std::move(response));
    concluded.keep = keep(std::move(image), std::move(by_shard));
    co_return concluded;
}

}  // namespace

constinit const Handler handlers::produce = serve<answer>;

}  // namespace millrace::broker
