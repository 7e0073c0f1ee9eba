#include "broker/directory_failures.h"

#include <fmt/core.h>

#include "broker/log.h"
#include "config/broker_config.h"
#include "env/shard.h"

namespace millrace::broker {

using storage::LogDirectory;

// Brings word from the shard that saw a directory fail.
class DirectoryFailures::Notice final : public env::Message {
  public:
    Notice(DirectoryFailures& owner, LogDirectory& directory)
        : owner_(owner), directory_(directory) {
        directory_.health().observe([this](const Error&) {
            owner_.sent_.fetch_add(1, std::memory_order_relaxed);
            owner_.router_.here().shards().send(0, *this);
        });
    }
    ~Notice() { directory_.health().observe({}); }
    void receive(env::Shard&) override {
        owner_.failed_.push_back(&directory_);
        owner_.changed_.notify_all();
    }

  private:
    DirectoryFailures& owner_;
    LogDirectory& directory_;
};

DirectoryFailures::DirectoryFailures(PartitionRouter& router, LogDirectories& directories,
                                     Lifecycle& lifecycle, const config::BrokerConfig& config,
                                     std::function<void(Error)> end_node)
    : router_(router),
      directories_(directories),
      lifecycle_(lifecycle),
      config_(config),
      end_node_(std::move(end_node)),
      scope_(router.here()) {
    for (auto& directory : directories_.all()) {
        notices_.push_back(std::make_unique<Notice>(*this, *directory));
    }
}

DirectoryFailures::~DirectoryFailures() = default;

Task<void> DirectoryFailures::stop() {
    co_await scope_.close();
    co_await changed_.until(
        [this] { return failed_.size() == sent_.load(std::memory_order_relaxed); });
}

Task<void> DirectoryFailures::run() {
    for (std::size_t handled = 0;; ++handled) {
        co_await changed_.until([&] { return handled < failed_.size(); });
        co_await handle(*failed_[handled]);
    }
}

Task<void> DirectoryFailures::handle(LogDirectory& directory) {
    Error reason = directory.health().failure().value_or(Error{});
    LOG_ERROR("{} is offline until the node is started anew: {}", directory.path(), reason.message);
    co_await take_offline(directory);
    if (directories_.offline_count() == config_.log_directories().size()) {
        end_node_(
            {reason.code, fmt::format("every directory of log.dirs has failed, {} as the last: {}",
                                      directory.path(), reason.message)});
    } else if (directory.path() == config_.metadata_directory()) {
        end_node_({reason.code, fmt::format("the metadata log directory {} has failed: {}",
                                            directory.path(), reason.message)});
    } else {
        scope_.spawn(tell_controller(directory));
    }
}

Task<void> DirectoryFailures::take_offline(const LogDirectory& directory) {
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (int shard = 0; shard < router_.shards(); ++shard) {
            scope.spawn(router_.on(
                shard, [&](Partitions& partitions) { return partitions.take_offline(directory); }));
        }
        co_await scope.join();
    });
}

Task<void> DirectoryFailures::tell_controller(const LogDirectory& directory) {
    env::Shard& shard = router_.here();
    Time deadline = shard.now() + Duration::milliseconds(config_.log_dir_failure_timeout_ms());
    bool told = co_await env::with_deadline(
        shard, deadline, lifecycle_.tell_failure(*directory.meta()->directory_id));
    if (told) co_return;
    end_node_({ErrorCode::kafka_storage_error,
               fmt::format("the controller could not be told within log.dir.failure.timeout.ms "
                           "that {} has failed: it would go on counting on the replicas there",
                           directory.path())});
}

}  // namespace millrace::broker
