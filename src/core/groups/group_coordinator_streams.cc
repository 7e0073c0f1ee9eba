// Where streams groups meet those of other kinds; see group_coordinator.cc.

#include <fmt/core.h>

#include "core/groups/group_coordinator.h"
#include "core/groups/group_records.h"

namespace millrace::groups {

Error GroupCoordinator::no_streams_group(const std::string& group_id) const {
    return {ErrorCode::group_id_not_found,
            exists(group_id) ? fmt::format("Group {} is not a streams group.", group_id)
                             : fmt::format("Group {} not found.", group_id)};
}

StreamsDecision GroupCoordinator::streams_heartbeat(const StreamsGroupHeartbeatRequest& request,
                                                    const Client& client, Time now) {
    Result<StreamsDecision> decided = decide_streams_heartbeat(request, client, now);
    if (decided) return *std::move(decided);
    StreamsDecision refused;
    refused.response.error_code = decided.error().code;
    if (!decided.error().message.empty()) refused.response.error_message = decided.error().message;
    return refused;
}

// An empty classic group makes room for a streams group of its name.
Result<StreamsDecision> GroupCoordinator::decide_streams_heartbeat(
    const StreamsGroupHeartbeatRequest& request, const Client& client, Time now) {
    RETURN_IF_ERROR(StreamsGroups::check(request));
    const std::string& id = request.group_id;
    const StreamsGroup* group = streams_.find(id);
    if (request.member_epoch == leave_epoch) {
        if (group == nullptr) return fail(no_streams_group(id));
        return streams_.leave(*group, request);
    }
    if (group != nullptr) return streams_.heartbeat(*group, request, client, moment(now));
    if (request.member_epoch != 0 && !exists(id)) {
        return fail(ErrorCode::group_id_not_found, fmt::format("Streams group {} not found.", id));
    }
    const ClassicGroup* classic = find(id);
    bool is_other = is_modern(id) || (classic != nullptr && classic->has_members());
    if (request.member_epoch != 0 || is_other) return fail(no_streams_group(id));
    ASSIGN_OR_RETURN(StreamsDecision decision,
                     streams_.heartbeat(StreamsGroup(id), request, client, moment(now)));
    if (exists(id)) decision.records.insert(decision.records.begin(), group_tombstone(id));
    return decision;
}

StreamsGroupDescribeResponse::DescribedGroup GroupCoordinator::describe_streams(
    const std::string& group_id) const {
    if (const StreamsGroup* group = streams_.find(group_id)) return streams_.describe(*group);
    Error error = no_streams_group(group_id);
    StreamsGroupDescribeResponse::DescribedGroup told;
    told.group_id = group_id;
    told.error_code = error.code;
    told.error_message = error.message;
    return told;
}

}  // namespace millrace::groups
