#pragma once

#include "base/result.h"
#include "base/task.h"
#include "client/admin_reassignments.h"

namespace millrace::cli {

// Of all topics; none where the caller may not see them, or the cluster does not know of them.
Task<Result<client::Reassignments>> visible_reassignments(client::Admin& admin);

}  // namespace millrace::cli
