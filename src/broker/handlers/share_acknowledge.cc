// ShareAcknowledge (key 79): what a member of a share group accepts, releases, rejects or holds for
// longer of the records that it has acquired. Answered when the share coordinator has it.

#include "protocol/share_acknowledge.h"

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/share/share_requests.h"
#include "broker/share/share_sessions.h"
#include "config/broker_config.h"

namespace millrace::broker {
namespace {

using Response = ShareAcknowledgeResponse;

Task<Response> answer(const ShareAcknowledgeRequest& request, const Caller& caller,
                      MetadataCache& cache, ShareSessions& sessions, ShareLeaders& leaders,
                      const config::BrokerConfig& config) {
    metadata::ImagePtr image = cache.image();
    ErrorCode error = check_member(*image, request.group_id, request.member_id);
    if (error != ErrorCode::none) co_return Response{.error_code = error};
    ShareSessions::Member member{*request.group_id, *request.member_id};
    error = sessions.acknowledge(member, request.share_session_epoch);
    if (error != ErrorCode::none) co_return Response{.error_code = error};
    std::vector<Acknowledging> all = acknowledging_of(request.topics, request.is_renew_ack);
    co_await acknowledge_all(leaders, *image, member.group_id, member.member_id, all);
    sessions.metrics().acknowledge_failed(failed_topics(all));

    Response response{.acquisition_lock_timeout_ms =
                          lock_duration_ms(*image, config, member.group_id)};
    LeaderHints<Response> hints(*image, caller.peer().listener->name, response);
    for (Acknowledging& each : all) {
        bool same =
            !response.responses.empty() && response.responses.back().topic_id == each.id.topic_id;
        if (!same) response.responses.push_back({.topic_id = each.id.topic_id});
        auto& data = response.responses.back().partitions.emplace_back();
        data.partition_index = each.id.partition;
        data.error_code = each.outcome.code;
        if (!each.outcome.message.empty()) data.error_message = each.outcome.message;
        hints.put(each.id, data);
    }
    if (request.share_session_epoch == ShareSessions::final_epoch) sessions.end(member);
    co_return response;
}

}  // namespace

constinit const Handler handlers::share_acknowledge = serve<answer>;

}  // namespace millrace::broker
