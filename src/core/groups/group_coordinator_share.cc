// Where share groups meet those of other kinds; see group_coordinator.cc.

#include <fmt/core.h>

#include "core/groups/group_coordinator.h"

namespace millrace::groups {
namespace {

template <typename Response>
void put_error(const Error& error, Response& response) {
    response.error_code = error.code;
    if (!error.message.empty()) response.error_message = error.message;
}

}  // namespace

Result<const ShareGroup*> GroupCoordinator::share_group(const std::string& group_id) const {
    if (const ShareGroup* group = shares_.find(group_id)) return group;
    return fail(ErrorCode::group_id_not_found,
                exists(group_id) ? fmt::format("Group {} is not a share group.", group_id)
                                 : fmt::format("Group {} not found.", group_id));
}

ShareDecision<ShareGroupHeartbeatResponse> GroupCoordinator::share_heartbeat(
    const ShareGroupHeartbeatRequest& request, const Client& client, Time now) {
    auto decide = [&]() -> Result<ShareGroups::HeartbeatDecision> {
        RETURN_IF_ERROR(ShareGroups::check(request));
        if (request.member_epoch == 0 && !exists(request.group_id)) {
            return shares_.heartbeat(ShareGroup(request.group_id), request, client, moment(now));
        }
        ASSIGN_OR_RETURN(const ShareGroup* group, share_group(request.group_id));
        if (request.member_epoch == leave_epoch) return shares_.leave(*group, request);
        return shares_.heartbeat(*group, request, client, moment(now));
    };
    Result<ShareGroups::HeartbeatDecision> decided = decide();
    if (decided) return *std::move(decided);
    ShareGroups::HeartbeatDecision refused;
    put_error(decided.error(), refused.response);
    return refused;
}

ShareDecision<AlterShareGroupOffsetsResponse> GroupCoordinator::alter_share_offsets(
    const AlterShareGroupOffsetsRequest& request, Time now) {
    auto decide = [&]() -> Result<ShareGroups::AlterDecision> {
        if (request.group_id.empty()) return fail(ErrorCode::invalid_group_id);
        if (!exists(request.group_id))
            return shares_.alter_offsets(ShareGroup(request.group_id), request, now);
        ASSIGN_OR_RETURN(const ShareGroup* group, share_group(request.group_id));
        return shares_.alter_offsets(*group, request, now);
    };
    Result<ShareGroups::AlterDecision> decided = decide();
    if (decided) return *std::move(decided);
    ShareGroups::AlterDecision refused;
    put_error(decided.error(), refused.response);
    return refused;
}

ShareDecision<DeleteShareGroupOffsetsResponse> GroupCoordinator::delete_share_offsets(
    const DeleteShareGroupOffsetsRequest& request) const {
    auto decide = [&]() -> Result<ShareGroups::DeleteDecision> {
        if (request.group_id.empty()) return fail(ErrorCode::invalid_group_id);
        ASSIGN_OR_RETURN(const ShareGroup* group, share_group(request.group_id));
        if (!group->members().empty()) {
            return fail(ErrorCode::non_empty_group,
                        std::string(meaning_of(ErrorCode::non_empty_group)));
        }
        return shares_.delete_offsets(*group, request);
    };
    Result<ShareGroups::DeleteDecision> decided = decide();
    if (decided) return *std::move(decided);
    ShareGroups::DeleteDecision refused;
    put_error(decided.error(), refused.response);
    return refused;
}

ShareDecision<ErrorCode> GroupCoordinator::begin_share_deletion(const std::string& group_id) const {
    const ShareGroup* group = shares_.find(group_id);
    return group == nullptr ? ShareDecision<ErrorCode>{.response = ErrorCode::none, .records = {}}
                            : shares_.begin_deletion(*group);
}

ShareGroupDescribeResponse::DescribedGroup GroupCoordinator::describe_share(
    const std::string& group_id) const {
    Result<const ShareGroup*> group = share_group(group_id);
    if (group) return shares_.describe(**group);
    ShareGroupDescribeResponse::DescribedGroup told;
    told.group_id = group_id;
    put_error(group.error(), told);
    return told;
}

}  // namespace millrace::groups
