#pragma once

#include <cstdint>

#include "core/quotas/counters.h"
#include "core/quotas/token_bucket.h"

namespace millrace::quotas {

// What clients have left of partitions to make and to remove.
class MutationBuckets {
  public:
    explicit MutationBuckets(Window window) : window_(window) {}

    TokenBucket& of(const Limit& limit, Time now) {
        Bucket& found = buckets_.of(limit.counted, now, [&](const Counted&) {
            return Bucket{TokenBucket(window_), limit.bound};
        });
        found.bound = limit.bound;
        return found.bucket;
    }

  private:
    struct Bucket {
        TokenBucket bucket;
        double bound = 0;
        bool is_at_rest(Time now) const { return bucket.is_at_rest(bound, now); }
    };
    Window window_;
    Counters<Bucket> buckets_;
};

// What one request makes and removes of partitions, against its client's quota (KIP-599).
class MutationQuota {
  public:
    enum class Kind : std::uint8_t {
        strict,      // refuses while the bucket is overdrawn
        permissive,  // takes, and has the client wait afterwards
    };
    // Older versions of a request do not know the refusal.
    static Kind kind_of(std::int16_t version, std::int16_t first_strict) {
        return version >= first_strict ? Kind::strict : Kind::permissive;
    }
    MutationQuota(MutationBuckets& buckets, Limit limit, Kind kind)
        : buckets_(buckets), limit_(std::move(limit)), kind_(kind) {}

    // False: it is refused.
    bool take(std::size_t partitions, Time now);
    // How long the client is to wait, by what was taken or refused last.
    Duration throttle() const { return throttle_; }

  private:
    MutationBuckets& buckets_;
    Limit limit_;
    Kind kind_;
    Duration throttle_;
};

}  // namespace millrace::quotas
