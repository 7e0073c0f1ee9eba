#include "server/run_node.h"

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <sys/resource.h>

#include "base/condition.h"
#include "env/posix/host_addresses.h"
#include "env/posix/precise_clock.h"
#include "env/posix/signals.h"
#include "env/posix/world.h"
#include "server/arguments.h"
#include "server/log.h"
#include "server/process_figures.h"
#include "storage/remote/store_settings.h"
#include "storage/s3/open_store.h"

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

// Nothing when the node was asked to stop before it had started: it waits for controllers as long
// as there are none.
using Started = Result<std::unique_ptr<Process>>;
Task<std::optional<Started>> start_unless_asked(env::posix::Signals& signals, Task<Started> start) {
    Cancellation& current = co_await current_cancellation();
    Cancellation nested(current);
    std::optional<Started> started;
    co_await with_scope([&](Scope& scope) -> Task<void> {
        auto wait_for_signal = [&]() -> Task<void> {
            int number = co_await signals.next();
            LOG_INFO("{}: the start is given up", strsignal(number));
            nested.request();
        };
        scope.spawn(wait_for_signal());
        try {
            started.emplace(co_await std::move(start).under(nested));
        } catch (const Cancelled&) {
            if (current.requested()) throw;
        }
    });
    co_return started;
}

// What remote.log.storage.manager.class.name and the keys below its prefix ask for.
Result<std::unique_ptr<storage::remote::ObjectStore>> open_store(const config::BrokerConfig& config,
                                                                 env::Disk& disk,
                                                                 std::uint64_t seed) {
    const std::string& prefix = config.remote_log_storage_manager_impl_prefix();
    std::map<std::string, std::string, std::less<>> values;
    for (const auto& [key, value] : config.file_values()) {
        if (key.starts_with(prefix)) values.emplace(key.substr(prefix.size()), value);
    }
    auto environment = [](std::string_view name) -> std::optional<std::string> {
        const char* value = std::getenv(std::string(name).c_str());
        return value == nullptr ? std::nullopt : std::optional<std::string>(value);
    };
    ASSIGN_OR_RETURN(auto settings, storage::remote::parse_store_settings(
                                        config.remote_log_storage_manager_class_name().value_or(""),
                                        values, prefix, environment));
    return storage::s3::open_store(settings, disk, config.node_id(), seed);
}

Task<int> run(env::Shard& shard, const config::BrokerConfig& config,
              const std::function<void(const Process&)>& ready, const std::vector<int>& numbers) {
    env::posix::Signals signals(shard, numbers);
    auto store = [&disk = shard.disk(), seed = shard.random().next()](const auto& settings) {
        return open_store(settings, disk, seed);
    };
    auto started = co_await start_unless_asked(
        signals,
        Process::start(shard, config, store,
                       {add_process_figures, env::posix::precise_now, env::posix::addresses_of}));
    if (!started) co_return done;
    Started& process = *started;
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
    // With Kafka's default of 50, clients that all come back at once wait for seconds.
    if (config.file_values().contains("socket.listen.backlog.size"))
        options.backlog = config.socket_listen_backlog_size();
    std::vector<int> numbers = options.signals;
    env::posix::World world(std::move(options));
    return world.run([&](env::Shard& shard) { return run(shard, config, ready, numbers); });
}

}  // namespace millrace::server
