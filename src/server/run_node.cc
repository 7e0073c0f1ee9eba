#include "server/run_node.h"

#include <csignal>
#include <cstring>
#include <optional>
#include <sys/resource.h>

#include "base/condition.h"
#include "env/posix/signals.h"
#include "env/posix/world.h"
#include "server/arguments.h"
#include "server/log.h"
#include "server/process_figures.h"

namespace millrace::server {
namespace {

// A segment is up to four files, and a connection one: take what the system lets us have.
void raise_file_limit() {
    rlimit limit{};
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) LOG_WARN("the limit of open files stays as it is");
}

// Nothing when the node was asked to stop.
Task<std::optional<Error>> signal_or_failure(env::posix::Signals& signals, Process& process) {
    std::optional<Error> failure;
    bool asked = false;
    Condition ended;
    co_await with_scope([&](Scope& scope) -> Task<void> {
        auto wait_for_signal = [&]() -> Task<void> {
            int number = co_await signals.next();
            LOG_INFO("{}: shutting down", strsignal(number));
            asked = true;
            ended.notify_all();
        };
        auto wait_for_failure = [&]() -> Task<void> {
            failure = co_await process.failed();
            ended.notify_all();
        };
        scope.spawn(wait_for_signal());
        scope.spawn(wait_for_failure());
        co_await ended.until([&] { return asked || failure; });
    });
    co_return failure;
}

Task<int> run(env::Shard& shard, const config::BrokerConfig& config,
              const std::function<void(const Process&)>& ready, const std::vector<int>& numbers) {
    env::posix::Signals signals(shard, numbers);
    auto process = co_await Process::start(shard, config, add_process_figures);
    if (!process) {
        LOG_ERROR("the node does not start: {}", process.error().message);
        co_return failed;
    }
    if (ready) ready(**process);
    std::optional<Error> failure = co_await signal_or_failure(signals, **process);
    if (failure) LOG_ERROR("the node ends: {}", failure->message);
    Result<> stopped = co_await (*process)->stop();
    if (failure) co_return failed;
    if (!stopped) {
        LOG_ERROR("the shutdown was not clean: {}", stopped.error().message);
        co_return failed;
    }
    LOG_INFO("shut down");
    co_return done;
}

}  // namespace

int run_node(const config::BrokerConfig& config, std::function<void(const Process&)> ready) {
    raise_file_limit();
    env::posix::Options options{.shards = config.num_shards(), .signals = {SIGTERM, SIGINT}};
    std::vector<int> numbers = options.signals;
    env::posix::World world(std::move(options));
    return world.run([&](env::Shard& shard) { return run(shard, config, ready, numbers); });
}

}  // namespace millrace::server
