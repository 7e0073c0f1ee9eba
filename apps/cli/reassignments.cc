#include "cli/reassignments.h"

namespace millrace::cli {

Task<Result<client::Reassignments>> visible_reassignments(client::Admin& admin) {
    auto found = co_await client::list_reassignments(admin);
    bool hidden = !found && (found.error().code == ErrorCode::unsupported_version ||
                             found.error().code == ErrorCode::cluster_authorization_failed);
    if (hidden) co_return client::Reassignments();
    co_return found;
}

}  // namespace millrace::cli
