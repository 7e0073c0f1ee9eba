#include "broker/recovery_progress.h"

#include "broker/log.h"
#include "metrics/declared.h"

namespace millrace::broker {
namespace {

constexpr Duration tell_every = Duration::seconds(5);

}  // namespace

RecoveryProgress::RecoveryProgress(env::Shard& shard, metrics::Registry& registry,
                                   const storage::LogDirectory& directory, std::size_t logs,
                                   int threads)
    : shard_(shard),
      directory_(directory.path()),
      logs_(logs),
      left_(logs),
      began_(shard.now()),
      told_(began_),
      segments_left_(
          std::make_unique<std::atomic<std::uint32_t>[]>(static_cast<std::size_t>(threads))) {
    namespace declared = metrics::declared;
    readings_.push_back(registry.read_gauge(declared::log_manager_remaining_logs_to_recover,
                                            {directory_},
                                            [this] { return static_cast<double>(left_); }));
    for (int thread = 0; thread < threads; ++thread) {
        readings_.push_back(registry.read_gauge(
            declared::log_manager_remaining_segments_to_recover,
            {directory_, std::to_string(thread)},
            [&left = segments_left(thread)] { return left.load(std::memory_order_relaxed); }));
    }
    LOG_INFO("{} {} logs of {}, {} at a time",
             directory.clean_shutdown() ? "opening" : "recovering", logs, directory_, threads);
}

void RecoveryProgress::has_done_one(int thread) {
    segments_left(thread).store(0, std::memory_order_relaxed);
    --left_;
    Time now = shard_.now();
    if (left_ > 0 && now - told_ < tell_every) return;
    told_ = now;
    LOG_INFO("{} of {} logs of {} are read after {} ms", logs_ - left_, logs_, directory_,
             (now - began_).ms());
}

}  // namespace millrace::broker
