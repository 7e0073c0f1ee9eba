#include "core/quotas/mutation_quota.h"

namespace millrace::quotas {

bool MutationQuota::take(std::size_t partitions, Time now) {
    TokenBucket& bucket = buckets_.of(limit_, now);
    auto tokens = static_cast<double>(partitions);
    if (kind_ == Kind::strict) {
        if (bucket.is_overdrawn(limit_.bound, now)) {
            throttle_ = bucket.throttle(limit_.bound, now);
            return false;
        }
        bucket.take(tokens, limit_.bound, now);
        return true;
    }
    bucket.take(tokens, limit_.bound, now);
    if (bucket.is_overdrawn(limit_.bound, now)) throttle_ = bucket.throttle(limit_.bound, now);
    return true;
}

}  // namespace millrace::quotas
