#pragma once

#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include "base/result.h"
#include "base/task.h"
#include "base/time.h"
#include "client/cluster.h"

namespace millrace::client {

// What failed attempts have in common: when the next one begins, and what is said when there is
// none.
class Attempts {
  public:
    // `what` is said in errors: "describing topic t".
    Attempts(Cluster& cluster, std::string what, Time deadline)
        : cluster_(cluster),
          what_(std::move(what)),
          started_(cluster.shard().now()),
          deadline_(deadline) {}

    Time deadline() const { return deadline_; }
    // Nothing when it is worth another attempt, after the pause that this waits for; otherwise the
    // error to end with. Asks for metadata where the error says that it is old.
    Task<std::optional<Error>> after(Error error);
    // REQUEST_TIMED_OUT with the last error in words.
    Error timed_out() const;

  private:
    Cluster& cluster_;
    std::string what_;
    Time started_;
    Time deadline_;
    int failures_ = 0;
    Error last_;
};

// Repeats `attempt() -> Task<Result<T>>` while its error is retriable, until the deadline, which
// also ends an attempt that is under way. `attempt` stays alive until this ends.
template <typename Attempt>
auto with_retries(Cluster& cluster, std::string what, Time deadline, Attempt attempt)
    -> std::invoke_result_t<Attempt&> {
    Attempts attempts(cluster, std::move(what), deadline);
    for (;;) {
        auto result = co_await env::with_deadline(cluster.shard(), deadline, attempt());
        if (!result) co_return fail(attempts.timed_out());
        if (*result) co_return *std::move(result);
        std::optional<Error> last = co_await attempts.after(std::move(*result).error());
        if (last) co_return fail(*std::move(last));
    }
}

}  // namespace millrace::client
