// How the share groups of a partition of __consumer_offsets are driven; see group_host.cc.

#include "broker/coordinators/group_host.h"
#include "broker/log.h"
#include "broker/share/share_persister.h"

namespace millrace::broker {
namespace {

using groups::ShareStateRequest;

const Error* first_of(const std::map<Uuid, std::map<std::int32_t, Error>>& failed) {
    return failed.empty() ? nullptr : &failed.begin()->second.begin()->second;
}

}  // namespace

template <typename Decide>
auto GroupHost::decide_share(Decide decide)
    -> Task<std::expected<ShareDecided<decltype(std::declval<Decide&>()().response)>, ErrorCode>> {
    using Response = decltype(std::declval<Decide&>()().response);
    ShareDecided<Response> decided;
    auto response = co_await log_.run([&] {
        auto decision = decide();
        decided.initialize = std::move(decision.initialize);
        decided.remove = std::move(decision.remove);
        return coordinator::Decision<Response>{std::move(decision.response),
                                               std::move(decision.records)};
    });
    count_rebalances();
    shares_due_.follow();
    if (!response) co_return std::unexpected(response.error());
    decided.response = *std::move(response);
    co_return decided;
}

// Share coordinators ----------------------------------------------------------------------------

template <typename Ask>
Task<GroupHost::ShareOutcomes> GroupHost::ask_share_coordinators(const ShareStateRequest& request,
                                                                 Ask ask) {
    ShareOutcomes failed;
    auto one = [&](Uuid topic, ShareStateRequest::Partition partition) -> Task<void> {
        share::ShareCoordinator::Outcome outcome =
            co_await ask(share::ShareKey{request.group_id, topic, partition.partition}, partition);
        if (outcome.error != ErrorCode::none)
            failed[topic][partition.partition] = {outcome.error, std::move(outcome.message)};
    };
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (const auto& [topic, partitions] : request.topics)
            for (const auto& partition : partitions) scope.spawn(one(topic, partition));
        co_await scope.join();
    });
    co_return failed;
}

// What was asked for is told to the group, too.
Task<GroupHost::ShareOutcomes> GroupHost::initialize_states(ShareStateRequest request) {
    ShareOutcomes failed = co_await ask_share_coordinators(
        request, [&](share::ShareKey key, ShareStateRequest::Partition partition) {
            return persister_.initialize(std::move(key), request.state_epoch,
                                         partition.start_offset);
        });
    auto told = co_await log_.run([&] {
        const groups::ShareGroups& shares = coordinator_.shares();
        return coordinator::Decision<int>{
            0, failed.empty() ? shares.initialized(request) : shares.not_initialized(request)};
    });
    if (!told) {
        LOG_WARN("the state of share group {} is not noted: {}", request.group_id,
                 name_of(told.error()));
    }
    if (const Error* error = first_of(failed)) {
        LOG_WARN("partitions of share group {} are not initialized: {} {}", request.group_id,
                 name_of(error->code), error->message);
    }
    co_return failed;
}

Task<GroupHost::ShareOutcomes> GroupHost::remove_states(ShareStateRequest request) {
    ShareOutcomes failed = co_await ask_share_coordinators(
        request, [&](share::ShareKey key, ShareStateRequest::Partition) {
            return persister_.remove(std::move(key));
        });
    for (const auto& [topic, partitions] : failed) request.topics.erase(topic);
    auto told = co_await log_.run(
        [&] { return coordinator::Decision<int>{0, coordinator_.shares().removed(request)}; });
    if (!told) {
        LOG_WARN("what share group {} has no more is not noted: {}", request.group_id,
                 name_of(told.error()));
    }
    co_return failed;
}

Task<ErrorCode> GroupHost::remove_share_states(const std::string& group_id) {
    auto decided =
        co_await decide_share([&] { return coordinator_.begin_share_deletion(group_id); });
    if (!decided) co_return decided.error();
    if (decided->response != ErrorCode::none || !decided->remove) co_return decided->response;
    ShareOutcomes failed = co_await remove_states(*std::move(decided->remove));
    const Error* error = first_of(failed);
    co_return error == nullptr ? ErrorCode::none : error->code;
}

// Requests --------------------------------------------------------------------------------------

Task<ShareGroupHeartbeatResponse> GroupHost::share_heartbeat(
    const ShareGroupHeartbeatRequest& request, groups::Client client) {
    auto decided = co_await decide_share(
        [&] { return coordinator_.share_heartbeat(request, client, shard_.now()); });
    if (!decided) co_return ShareGroupHeartbeatResponse{.error_code = decided.error()};
    if (decided->initialize) {
        ShareOutcomes failed = co_await initialize_states(*std::move(decided->initialize));
        if (const Error* error = first_of(failed)) {
            co_return ShareGroupHeartbeatResponse{.error_code = error->code,
                                                  .error_message = error->message};
        }
    }
    co_return std::move(decided->response);
}

Task<AlterShareGroupOffsetsResponse> GroupHost::alter_share_offsets(
    const AlterShareGroupOffsetsRequest& request) {
    auto decided = co_await decide_share(
        [&] { return coordinator_.alter_share_offsets(request, shard_.now()); });
    if (!decided) co_return AlterShareGroupOffsetsResponse{.error_code = decided.error()};
    AlterShareGroupOffsetsResponse response = std::move(decided->response);
    if (!decided->initialize) co_return response;
    ShareOutcomes failed = co_await initialize_states(*std::move(decided->initialize));
    for (auto& topic : response.responses) {
        auto of_topic = failed.find(topic.topic_id);
        if (of_topic == failed.end()) continue;
        for (auto& partition : topic.partitions) {
            auto error = of_topic->second.find(partition.partition_index);
            if (error == of_topic->second.end()) continue;
            partition.error_code = error->second.code;
            partition.error_message = error->second.message;
        }
    }
    co_return response;
}

Task<DeleteShareGroupOffsetsResponse> GroupHost::delete_share_offsets(
    const DeleteShareGroupOffsetsRequest& request) {
    auto decided =
        co_await decide_share([&] { return coordinator_.delete_share_offsets(request); });
    if (!decided) co_return DeleteShareGroupOffsetsResponse{.error_code = decided.error()};
    DeleteShareGroupOffsetsResponse response = std::move(decided->response);
    if (!decided->remove || decided->remove->topics.empty()) co_return response;
    std::map<Uuid, std::string> names = coordinator_.shares().topic_names(*decided->remove);
    ShareOutcomes failed = co_await remove_states(*std::move(decided->remove));
    for (auto& [id, name] : names) {
        auto& told = response.responses.emplace_back();
        told.topic_name = std::move(name);
        told.topic_id = id;
        auto found = failed.find(id);
        if (found == failed.end()) continue;
        told.error_code = found->second.begin()->second.code;
        told.error_message = found->second.begin()->second.message;
    }
    co_return response;
}

}  // namespace millrace::broker
