#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "base/recent_samples.h"
#include "core/quotas/counters.h"
#include "core/quotas/rate.h"
#include "core/quotas/token_bucket.h"

namespace millrace::quotas {

// What clients have left of partitions to make and to remove.
class MutationBuckets {
  public:
    struct Client {
        explicit Client(Window window) : tokens(window) {}
        TokenBucket tokens;
        double bound = 0;
        // What it made and removed, over the window of Kafka's figures that have none of their own.
        Rate rate{{.samples = 2, .sample = Duration::seconds(30)}};
        RecentSamples throttled;      // milliseconds
        std::shared_ptr<void> shown;  // as long as the client is counted
    };
    // Is told of each client that begins to be counted, for its figures; what it returns is kept
    // beside the client.
    using Show = std::function<std::shared_ptr<void>(const Counted&, Client&)>;
    explicit MutationBuckets(Window window, Show show = {})
        : window_(window), show_(std::move(show)) {}

    Client& of(const Limit& limit, Time now) {
        auto make = [&](const Counted& counted) {
            Entry made{std::make_unique<Client>(window_)};
            if (show_) made.client->shown = show_(counted, *made.client);
            return made;
        };
        Client& found = *clients_.of(limit.counted, now, make).client;
        found.bound = limit.bound;
        return found;
    }

  private:
    struct Entry {
        std::unique_ptr<Client> client;
        bool is_at_rest(Time now) const { return client->tokens.is_at_rest(client->bound, now); }
    };
    Window window_;
    Show show_;
    Counters<Entry> clients_;
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
    void wait(MutationBuckets::Client& client, Time now);

    MutationBuckets& buckets_;
    Limit limit_;
    Kind kind_;
    Duration throttle_;
};

}  // namespace millrace::quotas
