// ShareGroupDescribe (key 77): state, epochs, members and assignments of share groups (KIP-932).
// UNSUPPORTED_VERSION where the cluster has them switched off.

#include "protocol/share_group_describe.h"

#include "broker/authorized_operations.h"
#include "broker/groups.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/share/share_requests.h"

namespace millrace::broker {
namespace {

using Told = ShareGroupDescribeResponse::DescribedGroup;

Task<Told> describe(const std::string& id, Groups& groups) {
    auto refuse = [&](ErrorCode error) { return Told{.error_code = error, .group_id = id}; };
    if (id.empty()) co_return refuse(ErrorCode::invalid_group_id);
    co_return co_await groups.with(
        id,
        [&](GroupHost& host) -> Task<Told> {
            ErrorCode error = co_await host.settled();
            co_return error == ErrorCode::none ? host.coordinator().describe_share(id)
                                               : refuse(error);
        },
        refuse);
}

Task<ShareGroupDescribeResponse> answer(const ShareGroupDescribeRequest& request, const Caller&,
                                        MetadataCache& cache, Groups& groups) {
    ShareGroupDescribeResponse response;
    bool served = serves_share_groups(*cache.image());
    for (const std::string& id : request.group_ids) {
        Told told = served ? co_await describe(id, groups)
                           : Told{.error_code = ErrorCode::unsupported_version, .group_id = id};
        if (request.include_authorized_operations && told.error_code == ErrorCode::none)
            told.authorized_operations = group_operations;
        response.groups.push_back(std::move(told));
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::share_group_describe = serve<answer>;

}  // namespace millrace::broker
