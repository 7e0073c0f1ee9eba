#include "core/quotas/mutation_quota.h"

namespace millrace::quotas {

bool MutationQuota::take(std::size_t partitions, Time now) {
    MutationBuckets::Client& client = buckets_.of(limit_, now);
    auto tokens = static_cast<double>(partitions);
    if (kind_ == Kind::strict && client.tokens.is_overdrawn(limit_.bound, now)) {
        wait(client, now);
        return false;
    }
    client.tokens.take(tokens, limit_.bound, now);
    client.rate.record(tokens, now);
    bool overdrawn = client.tokens.is_overdrawn(limit_.bound, now);
    if (kind_ == Kind::permissive && overdrawn) wait(client, now);
    return true;
}

void MutationQuota::wait(MutationBuckets::Client& client, Time now) {
    throttle_ = client.tokens.throttle(limit_.bound, now);
    if (throttle_ > Duration()) client.throttled.add(static_cast<double>(throttle_.ms()), now);
}

}  // namespace millrace::quotas
