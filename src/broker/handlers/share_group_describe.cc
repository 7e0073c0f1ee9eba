// ShareGroupDescribe (key 77): state, epochs, members and assignments of share groups (KIP-932).
// UNSUPPORTED_VERSION where the cluster has them switched off.

#include "protocol/share_group_describe.h"

#include "broker/describe_groups.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/share/share_requests.h"

namespace millrace::broker {
namespace {

Task<ShareGroupDescribeResponse> answer(const ShareGroupDescribeRequest& request, const Caller&,
                                        MetadataCache& cache, Groups& groups) {
    return describe_groups<ShareGroupDescribeResponse>(
        request, serves_share_groups(*cache.image()), groups,
        [](const groups::GroupCoordinator& coordinator, const std::string& id) {
            return coordinator.describe_share(id);
        });
}

}  // namespace

constinit const Handler handlers::share_group_describe = serve<answer>;

}  // namespace millrace::broker
