#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/time.h"
#include "core/quotas/mutation_quota.h"

namespace millrace::controller {

// What the caller may make and remove of partitions; null: without bound. Who asks again after a
// refusal is told how long to wait.
using MutationQuotaPtr = std::shared_ptr<quotas::MutationQuota>;
inline bool takes(const MutationQuotaPtr& quota, std::size_t partitions, Time now) {
    return quota == nullptr || quota->take(partitions, now);
}
inline std::int32_t throttle_time_ms(const MutationQuotaPtr& quota) {
    return quota == nullptr ? 0 : quotas::told_ms(quota->throttle());
}

}  // namespace millrace::controller
