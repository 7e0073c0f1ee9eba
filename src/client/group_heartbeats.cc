#include "client/group_heartbeats.h"

#include <fmt/format.h>

#include "protocol/consumer_group_heartbeat.h"
#include "protocol/share_group_heartbeat.h"

namespace millrace::client {
namespace {

CallOptions call_options(const CoordinatedOptions& member) {
    CallOptions options;
    options.timeout = member.request_timeout;
    return options;
}

template <typename Response>
Result<HeartbeatAnswer> answer_of(Response& response, const BrokerConnection& connection,
                                  const CoordinatedOptions& member) {
    if (response.error_code != ErrorCode::none) {
        std::string why(meaning_of(response.error_code));
        if (response.error_message && !response.error_message->empty())
            why = *std::move(response.error_message);
        return fail(response.error_code,
                    fmt::format("A heartbeat of group {} at {}: {} ({})", member.group_id,
                                connection.name(), why, name_of(response.error_code)));
    }
    HeartbeatAnswer answer{response.member_epoch,
                           Duration::milliseconds(response.heartbeat_interval_ms), std::nullopt};
    if (!response.assignment) return answer;
    answer.assignment.emplace();
    for (const auto& topic : response.assignment->topic_partitions)
        (*answer.assignment)[topic.topic_id].insert(topic.partitions.begin(),
                                                    topic.partitions.end());
    return answer;
}

}  // namespace

Task<Result<HeartbeatAnswer>> beat_consumer_group(std::shared_ptr<BrokerConnection> connection,
                                                  const CoordinatedOptions& member,
                                                  Heartbeat beat) {
    ConsumerGroupHeartbeatRequest request;
    request.group_id = member.group_id;
    request.member_id = member.member_id;
    request.member_epoch = beat.epoch;
    request.instance_id = member.instance_id;
    if (beat.whole) {
        request.rebalance_timeout_ms = static_cast<std::int32_t>(member.rebalance_timeout.ms());
        request.server_assignor = member.assignor;
        if (beat.epoch == joining_epoch) request.rack_id = member.rack;
    }
    request.subscribed_topic_names = std::move(beat.topics);
    request.subscribed_topic_regex = std::move(beat.pattern);
    if (beat.owned) {
        request.topic_partitions.emplace();
        for (const auto& [topic, partitions] : *beat.owned)
            request.topic_partitions->push_back({topic, {partitions.begin(), partitions.end()}});
    }
    auto reply = co_await connection->call(request, call_options(member));
    CO_RETURN_IF_ERROR(reply);
    co_return answer_of(reply->response, *connection, member);
}

Task<Result<HeartbeatAnswer>> beat_share_group(std::shared_ptr<BrokerConnection> connection,
                                               const CoordinatedOptions& member, Heartbeat beat) {
    ShareGroupHeartbeatRequest request;
    request.group_id = member.group_id;
    request.member_id = member.member_id;
    request.member_epoch = beat.epoch;
    if (beat.whole) request.rack_id = member.rack;
    request.subscribed_topic_names = std::move(beat.topics);
    auto reply = co_await connection->call(request, call_options(member));
    CO_RETURN_IF_ERROR(reply);
    co_return answer_of(reply->response, *connection, member);
}

}  // namespace millrace::client
