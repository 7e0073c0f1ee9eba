// AlterShareGroupOffsets (key 91): where a share group without members starts to read partitions.

#include "protocol/alter_share_group_offsets.h"

#include "broker/groups.h"
#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/share/share_requests.h"

namespace millrace::broker {
namespace {

using Response = AlterShareGroupOffsetsResponse;

Task<Response> answer(const AlterShareGroupOffsetsRequest& request, const Caller&,
                      MetadataCache& cache, Groups& groups) {
    auto refuse = [](ErrorCode error) {
        return Response{.error_code = error, .error_message = std::string(meaning_of(error))};
    };
    if (!serves_share_groups(*cache.image())) co_return refuse(ErrorCode::unsupported_version);
    co_return co_await groups.with(
        request.group_id, [&](GroupHost& host) { return host.alter_share_offsets(request); },
        refuse);
}

}  // namespace

constinit const Handler handlers::alter_share_group_offsets = serve<answer>;

}  // namespace millrace::broker
