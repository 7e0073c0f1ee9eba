#include "client/producer_sender.h"

#include <algorithm>
#include <fmt/format.h>

#include "client/log.h"
#include "protocol/init_producer_id.h"

namespace millrace::client {

ProducerSender::ProducerSender(Cluster& cluster, const SenderOptions& options)
    : cluster_(cluster),
      shard_(cluster.shard()),
      options_(options),
      accumulator_(options.accumulator, shard_.random()),
      scope_(shard_) {
    scope_.spawn(run());
    scope_.spawn(watch_metadata());
}

void ProducerSender::wake() {
    if (std::exchange(woken_, true)) return;
    wake_.notify_all();
}

TopicQueues* ProducerSender::topic(std::string_view name) {
    TopicQueues* topic = accumulator_.find(name);
    const ClusterMetadata& metadata = *cluster_.metadata();
    if (topic != nullptr && topic->generation == metadata.generation()) return topic;
    const TopicInfo* info = metadata.topic(name);
    if (info == nullptr || info->error != ErrorCode::none || info->partitions.empty())
        return nullptr;
    std::vector<std::int32_t> available;
    for (const PartitionInfo& partition : info->partitions)
        if (partition.leader_id >= 0) available.push_back(partition.index);
    return &accumulator_.update(name, metadata.generation(),
                                static_cast<std::int32_t>(info->partitions.size()),
                                std::move(available));
}

Task<void> ProducerSender::run() {
    for (;;) {
        woken_ = false;
        Time now = shard_.now();
        accumulator_.expire(now);
        send_ready(now);
        settled_.notify_all();
        set_alarm(shard_.now());
        while (!woken_) co_await wake_.wait();
    }
}

Task<void> ProducerSender::watch_metadata() {
    for (;;) {
        co_await cluster_.changed_since(cluster_.metadata()->generation());
        wake();
    }
}

void ProducerSender::set_alarm(Time now) {
    alarm_.stop();
    Time when = accumulator_.wake_at(now);
    for (const auto& [id, node] : nodes_)
        if (node.not_before > now) when = std::min(when, node.not_before);
    if (when != Time::never()) alarm_.start(shard_, when);
}

void ProducerSender::send_ready(Time now) {
    if (accumulator_.needs_identity()) {
        if (!asking_identity_ && !accumulator_.idle()) {
            asking_identity_ = true;
            scope_.spawn(ask_identity());
        }
        return;
    }
    for (;;) {
        std::vector<Shipment> shipments =
            accumulator_.drain(now, [&](PartitionQueue& queue) { return node_for(queue, now); });
        if (shipments.empty()) return;
        for (Shipment& shipment : shipments) {
            ++nodes_[shipment.node].in_flight;
            scope_.spawn(send(std::move(shipment)));
        }
    }
}

bool ProducerSender::find_leader(PartitionQueue& queue) {
    const ClusterMetadata& metadata = *cluster_.metadata();
    if (queue.leader.generation != metadata.generation()) {
        const TopicPartition& name = *queue.partition();
        const PartitionInfo* info = metadata.partition(name.topic, name.partition);
        queue.leader.generation = metadata.generation();
        queue.leader.id = info == nullptr ? -1 : info->leader_id;
        queue.leader.epoch = info == nullptr ? -1 : info->leader_epoch;
    }
    return queue.leader.id >= 0;
}

std::int32_t ProducerSender::node_for(PartitionQueue& queue, Time now) {
    if (!find_leader(queue)) {
        cluster_.request_refresh();
        return -1;
    }
    Node& node = nodes_[queue.leader.id];
    if (node.not_before > now || node.in_flight >= options_.max_in_flight) return -1;
    // Requests that wait for a connection to be made might overtake each other: one opens it.
    bool open = node.connection != nullptr && node.connection->is_open();
    return open || node.in_flight == 0 ? queue.leader.id : -1;
}

Task<void> ProducerSender::send(Shipment shipment) {
    Node& node = nodes_[shipment.node];
    std::optional<Error> failed;
    if (node.connection == nullptr || !node.connection->is_open()) {
        Cluster::Connected connected = co_await cluster_.broker(shipment.node);
        if (connected) {
            node.connection = *std::move(connected);
            wake();
        } else {
            failed = std::move(connected).error();
        }
    }
    if (!failed) {
        std::shared_ptr<BrokerConnection> connection = node.connection;
        ShipmentRequest request(shipment, *cluster_.metadata(), options_.acks,
                                options_.request_timeout, options_.transactional_id);
        CallOptions call;
        call.timeout = options_.request_timeout;
        call.max_version = request.max_version();
        if (options_.acks == 0) {
            Result<> sent = co_await connection->send(request.request(), call);
            if (!sent) failed = std::move(sent).error();
            for (const Shipment::Item& item : shipment.items)
                if (sent) accumulator_.acknowledge(item, -1, no_timestamp);
        } else {
            auto reply = co_await connection->call(request.request(), call);
            if (reply)
                take_answer(request, reply->response, node);
            else
                failed = std::move(reply).error();
        }
    }
    if (failed) {
        if (asks_for_metadata(failed->code) || is_retriable(failed->code))
            cluster_.request_refresh();
        for (const Shipment::Item& item : shipment.items) settle(item, *failed);
    }
    --node.in_flight;
    settled_.notify_all();
    wake();
}

void ProducerSender::settle(const Shipment::Item& item, const Error& error) {
    accumulator_.settle(item, error, shard_.now());
}

Error ProducerSender::describe(const Shipment::Item& item,
                               const ProduceResponse::PartitionProduceResponse& told,
                               const std::string& broker) const {
    std::string said(told.error_message.value_or(meaning_of(told.error_code)));
    for (const auto& record : told.record_errors) {
        if (!record.batch_index_error_message) continue;
        said += fmt::format("; record {} of the batch: {}", record.batch_index,
                            *record.batch_index_error_message);
        break;
    }
    return {told.error_code,
            fmt::format("{} did not take {} records for {}: {} ({})", broker, item.batch->count(),
                        to_string(*item.queue->partition()), said, name_of(told.error_code))};
}

void ProducerSender::take_answer(const ShipmentRequest& request, const ProduceResponse& response,
                                 Node& node) {
    if (response.throttle_time_ms > 0)
        node.not_before = shard_.now() + Duration::milliseconds(response.throttle_time_ms);
    const std::string& broker = node.connection->name();
    std::vector<BrokerInfo> brokers;
    for (const auto& endpoint : response.node_endpoints) {
        BrokerInfo info;
        info.id = endpoint.node_id;
        info.address = {std::string(endpoint.host), static_cast<std::uint16_t>(endpoint.port)};
        if (endpoint.rack) info.rack = std::string(*endpoint.rack);
        brokers.push_back(std::move(info));
    }
    request.match(response, [&](const Shipment::Item& item,
                                const ProduceResponse::PartitionProduceResponse* told) {
        if (told == nullptr) {
            settle(item, {ErrorCode::network_exception,
                          fmt::format("{} did not answer for {}", broker,
                                      to_string(*item.queue->partition()))});
            return;
        }
        if (told->error_code == ErrorCode::none) {
            accumulator_.acknowledge(item, told->base_offset, told->log_append_time_ms);
            return;
        }
        if (told->current_leader.leader_id >= 0)
            cluster_.learn_leader(
                *item.queue->partition(),
                {told->current_leader.leader_id, told->current_leader.leader_epoch}, brokers);
        if (asks_for_metadata(told->error_code)) cluster_.request_refresh();
        settle(item, describe(item, *told, broker));
    });
}

Task<Result<ProducerIdentity>> ProducerSender::ask_identity_once() {
    ASSIGN_OR_CO_RETURN(std::shared_ptr<BrokerConnection> connection, co_await cluster_.any());
    InitProducerIdRequest request;
    request.transactional_id = std::nullopt;  // it is "" otherwise, which no broker takes
    request.transaction_timeout_ms = std::numeric_limits<std::int32_t>::max();
    ASSIGN_OR_CO_RETURN(auto reply, co_await connection->call(request));
    if (reply.response.error_code != ErrorCode::none)
        co_return fail(reply.response.error_code,
                       fmt::format("{} gives no producer id: {}", connection->name(),
                                   meaning_of(reply.response.error_code)));
    co_return ProducerIdentity{reply.response.producer_id, reply.response.producer_epoch};
}

Task<void> ProducerSender::ask_identity() {
    for (int failures = 0; accumulator_.needs_identity() && !accumulator_.idle();) {
        Result<ProducerIdentity> identity = co_await ask_identity_once();
        if (identity) {
            accumulator_.set_identity(*identity);
            break;
        }
        const Error& error = identity.error();
        LOG_DEBUG("No producer id yet: {}", error.message);
        if (!is_retriable(error.code)) {
            accumulator_.fail_all(
                {error.code, error.message + "; enable.idempotence=false does without one"});
            settled_.notify_all();
        }
        ++failures;
        co_await env::sleep_for(shard_,
                                options_.accumulator.retry.after(failures, shard_.random()));
        accumulator_.expire(shard_.now());
    }
    asking_identity_ = false;
    wake();
}

Task<void> ProducerSender::room() {
    Hurry hurry(*this);
    std::size_t used = accumulator_.used();
    while (accumulator_.used() >= used && used > 0) co_await settled_.wait();
}

Task<void> ProducerSender::flush() {
    Hurry hurry(*this);
    std::vector<std::shared_ptr<BatchOutcome>> outcomes = accumulator_.open_outcomes();
    for (const auto& outcome : outcomes) co_await outcome->wait_for_all();
}

Task<void> ProducerSender::close() {
    alarm_.stop();
    co_await scope_.close();
}

}  // namespace millrace::client
