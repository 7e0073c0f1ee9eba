// DescribeLogDirs (key 35): this node's log directories with the sizes of their replicas and the
// space of their file systems; of the partitions named, or of all (KIP-113, KIP-827).

#include "protocol/describe_log_dirs.h"

#include <algorithm>
#include <map>
#include <set>

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/log_directories.h"
#include "broker/metadata_cache.h"
#include "broker/partition_router.h"
#include "config/broker_config.h"
#include "env/disk.h"

namespace millrace::broker {
namespace {

using Told = DescribeLogDirsResponse::DescribeLogDirsResult;
using ToldPartition = DescribeLogDirsResponse::DescribeLogDirsPartition;
using Names = std::set<storage::PartitionName>;
using ByTopic = std::map<std::string, std::vector<ToldPartition>>;

Task<std::map<std::string, ByTopic>> sizes(PartitionRouter& router, const Names* wanted) {
    std::map<std::string, ByTopic> by_directory;
    for (int shard = 0; shard < router.shards(); ++shard) {
        co_await router.on(shard, [&](Partitions& partitions) -> Task<void> {
            for (const auto& [id, partition] : partitions.all()) {
                const Partition::Identity& identity = partition->identity();
                storage::PartitionName name{identity.topic, identity.index};
                if (wanted != nullptr && !wanted->contains(name)) continue;
                const storage::Log& log = partition->log();
                auto tell = [&](const storage::LogDirectory& in, const storage::Log& of,
                                storage::Offset lag, bool is_future) {
                    by_directory[in.path()][identity.topic].push_back(
                        {.partition_index = identity.index,
                         .partition_size = static_cast<std::int64_t>(of.size()),
                         .offset_lag = lag,
                         .is_future_key = is_future});
                };
                storage::Offset behind = partition->high_watermark() - log.end_offset();
                tell(partition->directory(), log, std::max<storage::Offset>(behind, 0), false);
                FutureReplica* future = partition->future();
                if (future == nullptr) continue;
                behind = log.end_offset() - future->log().end_offset();
                tell(future->directory(), future->log(), behind, true);
            }
            co_return;
        });
    }
    co_return by_directory;
}

Task<DescribeLogDirsResponse> answer(const DescribeLogDirsRequest& request, const Caller&,
                                     LogDirectories& directories, PartitionRouter& router,
                                     env::Shard& shard, const config::BrokerConfig& config,
                                     MetadataCache& metadata) {
    DescribeLogDirsResponse response;
    const auto& version = metadata.image()->features.metadata_version;
    bool supports_cordons = version && version->supports_cordoned_directories();
    Names wanted;
    if (request.topics) {
        for (const auto& topic : *request.topics) {
            for (std::int32_t partition : topic.partitions) wanted.insert({topic.topic, partition});
        }
    }
    auto by_directory = co_await sizes(router, request.topics ? &wanted : nullptr);
    for (const std::string& path : config.log_directories()) {
        Told& told = response.results.emplace_back();
        told.log_dir = path;
        storage::LogDirectory* open = directories.find(path);
        if (open == nullptr || open->health().failed()) {
            told.error_code = ErrorCode::kafka_storage_error;
            continue;
        }
        told.is_cordoned = supports_cordons && is_cordoned(config, path);
        if (auto space = shard.disk().space(path)) {
            told.total_bytes = static_cast<std::int64_t>(space->total);
            told.usable_bytes = static_cast<std::int64_t>(space->usable);
        }
        for (auto& [topic, partitions] : by_directory[path]) {
            auto& answered = told.topics.emplace_back();
            answered.name = topic;
            answered.partitions = std::move(partitions);
        }
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::describe_log_dirs = serve<answer>;

}  // namespace millrace::broker
