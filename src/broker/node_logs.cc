#include "broker/node_logs.h"

#include <utility>

#include "broker/directory_lanes.h"

namespace millrace::broker {

NodeLogs::NodeLogs(PartitionRouter& router, metrics::Registry& registry)
    : router_(router), registry_(registry), scope_(router.here()) {}

Task<void> NodeLogs::open_found(std::vector<PartitionOpening> openings,
                                const config::BrokerConfig& config) {
    std::map<std::string, std::vector<const storage::LogDirectory*>> logs;
    for (const PartitionOpening& each : openings) {
        logs[each.directory->path()].push_back(each.directory);
    }
    Progress progress;
    for (const auto& [path, in] : logs) {
        progress.try_emplace(path, router_.here(), registry_, *in.front(), in.size(),
                             config.num_recovery_threads_per_data_dir());
    }
    return open_all(std::move(openings), config.num_recovery_threads_per_data_dir(), config,
                    std::move(progress));
}

Task<void> NodeLogs::open(std::vector<PartitionOpening> openings,
                          const config::BrokerConfig& config) {
    // Nearly all are new, and each spends its time on the way between threads.
    constexpr int at_once = 8;
    return open_all(std::move(openings), at_once, config, {});
}

Task<void> NodeLogs::open_all(std::vector<PartitionOpening> openings, int threads,
                              const config::BrokerConfig& config, Progress progress) {
    NodeTerms node = NodeTerms::of(config);
    std::vector<Unsynced> unsynced;
    auto open_one = [&](PartitionOpening& opening, int lane) -> Task<void> {
        Unsynced opened{opening.directory->path(),
                        {opening.identity.topic_id, opening.identity.index}};
        auto watched = progress.find(opened.directory);
        if (watched != progress.end()) {
            opening.origin.segments_left = &watched->second.segments_left(lane);
        }
        bool hides = co_await router_.on(router_.owner(opened.id), [&](Partitions& there) {
            return there.open(std::move(opening), node);
        });
        if (watched != progress.end()) watched->second.has_done_one(lane);
        if (hides) unsynced.push_back(std::move(opened));
    };
    DirectoryLanes lanes;
    for (PartitionOpening& each : openings) {
        lanes.add(each.directory->path(),
                  [&open_one, &each](int lane) { return open_one(each, lane); });
    }
    co_await lanes.run(threads);
    if (!unsynced.empty()) scope_.spawn(sync_recovered(std::move(unsynced), threads));
}

Task<void> NodeLogs::sync_recovered(std::vector<Unsynced> partitions, int threads) {
    DirectoryLanes lanes;
    for (const Unsynced& each : partitions) {
        lanes.add(each.directory, [this, &each](int) {
            return router_.on(router_.owner(each.id),
                              [&each](Partitions& there) { return there.sync_recovered(each.id); });
        });
    }
    co_await lanes.run(threads);
}

Task<Result<>> NodeLogs::close(const config::BrokerConfig& config) {
    co_await scope_.close();
    Result<> result;
    std::vector<std::vector<Partitions::OpenLog>> logs(static_cast<std::size_t>(router_.shards()));
    DirectoryLanes lanes;
    for (int shard = 0; shard < router_.shards(); ++shard) {
        auto& here = logs[static_cast<std::size_t>(shard)];
        here = co_await router_.on(shard,
                                   [](Partitions& there) -> Task<std::vector<Partitions::OpenLog>> {
                                       co_return there.open_logs();
                                   });
        for (const Partitions::OpenLog& each : here) {
            lanes.add(each.directory->path(), [&, shard](int) -> Task<void> {
                // Goes through where the shard's guests are cancelled already.
                auto close = [&each](Partitions& there) -> Task<Result<>> {
                    Cancellation shield(there.shard());
                    co_return co_await there.close_log(each).under(shield);
                };
                Result<> closed = co_await router_.on(shard, close);
                if (result) result = closed;
            });
        }
    }
    co_await lanes.run(config.num_recovery_threads_per_data_dir());
    co_return result;
}

}  // namespace millrace::broker
