#include "broker/coordinators/marker_channel.h"

#include <utility>

#include "broker/log.h"

namespace millrace::broker {

MarkerChannel::MarkerChannel(env::Shard&, LeaderLink link, Scope& scope)
    : scope_(scope), link_(std::move(link)) {
    scope_.spawn(run());
}

Task<MarkerChannel::Outcomes> MarkerChannel::send(Marker marker) {
    auto waiting = std::make_shared<Waiting>(Waiting{.marker = std::move(marker)});
    queue_.push_back(waiting);
    changed_.notify_all();
    co_await changed_.until([&] { return waiting->answered; });
    co_return std::move(waiting->outcomes);
}

Task<void> MarkerChannel::run() {
    for (;;) {
        co_await changed_.until([this] { return !queue_.empty(); });
        Batch batch = std::exchange(queue_, {});
        Result<WriteTxnMarkersResponse> response = co_await ask(batch);
        if (!response) LOG_DEBUG("transaction markers wait: {}", response.error().message);
        for (auto& waiting : batch) settle(*waiting, response);
        changed_.notify_all();
    }
}

Task<Result<WriteTxnMarkersResponse>> MarkerChannel::ask(const Batch& batch) {
    WriteTxnMarkersRequest request;
    for (const auto& waiting : batch) request.markers.push_back(waiting->marker);
    ASSIGN_OR_CO_RETURN(auto connection, co_await link_.get(scope_));
    ASSIGN_OR_CO_RETURN(auto reply, co_await connection->call(request));
    co_return std::move(reply.response);
}

void MarkerChannel::settle(Waiting& waiting, const Result<WriteTxnMarkersResponse>& response) {
    waiting.answered = true;
    for (const auto& topic : waiting.marker.topics) {
        for (std::int32_t partition : topic.partition_indexes) {
            waiting.outcomes[{topic.name, partition}] = ErrorCode::network_exception;
        }
    }
    if (!response) return;
    for (const auto& told : response->markers) {
        if (told.producer_id != waiting.marker.producer_id) continue;
        for (const auto& topic : told.topics) {
            for (const auto& partition : topic.partitions) {
                auto found = waiting.outcomes.find({topic.name, partition.partition_index});
                if (found != waiting.outcomes.end()) found->second = partition.error_code;
            }
        }
    }
}

}  // namespace millrace::broker
