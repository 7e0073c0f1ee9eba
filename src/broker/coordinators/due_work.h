#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "broker/coordinators/coordinator_log.h"
#include "core/coordinator/record.h"
#include "env/shard.h"

namespace millrace::broker {

// What a coordinator decides by itself when its time has come: written bit by bit, until nothing
// is due any more.
class DueWork final : public env::Timer {
  public:
    struct Source {
        std::string what;  // for complaints: "members of share groups"
        std::function<Time()> wake_at;
        // The records of what is due; none when nothing is.
        std::function<std::optional<std::vector<coordinator::Record>>()> next;
    };
    // `log` is one that is ready when it is first followed.
    DueWork(env::Shard& shard, CoordinatorLog& log, Source source)
        : shard_(shard), log_(log), source_(std::move(source)) {}

    // Sees to what is due now, or when it will be: after each decision.
    void follow();
    void fire() override { follow(); }

  private:
    Task<void> work_off();

    env::Shard& shard_;
    CoordinatorLog& log_;
    Source source_;
    bool works_off_ = false;
};

}  // namespace millrace::broker
