// AlterReplicaLogDirs (key 34): lets replicas of this node move to another of its log directories.
// Answers when the moves have begun; DescribeLogDirs shows how far they are. Of a replica that is
// not there yet it is remembered where it is to be made (KIP-113).

#include "protocol/alter_replica_log_dirs.h"

#include <map>

#include "broker/handler.h"
#include "broker/handlers.h"
#include "broker/replica_moves.h"

namespace millrace::broker {
namespace {

// Topics and partitions with the directory that was named last.
using Wanted = std::map<std::string, std::map<std::int32_t, std::string>>;

Wanted wanted(const AlterReplicaLogDirsRequest& request) {
    Wanted wanted;
    for (const auto& directory : request.dirs) {
        for (const auto& topic : directory.topics) {
            auto& of_topic = wanted[std::string(topic.name)];
            for (std::int32_t partition : topic.partitions) {
                of_topic[partition] = std::string(directory.path);
            }
        }
    }
    return wanted;
}

Task<AlterReplicaLogDirsResponse> answer(const AlterReplicaLogDirsRequest& request, const Caller&,
                                         ReplicaMoves& moves, env::Shard& shard) {
    AlterReplicaLogDirsResponse response;
    for (const auto& [topic, partitions] : wanted(request)) {
        auto& answered = response.results.emplace_back();
        answered.topic_name = topic;
        for (const auto& [partition, path] : partitions) {
            ErrorCode error = co_await env::call_on(
                shard, 0, [&](env::Shard&) { return moves.alter(topic, partition, path); });
            answered.partitions.push_back({.partition_index = partition, .error_code = error});
        }
    }
    co_return response;
}

}  // namespace

constinit const Handler handlers::alter_replica_log_dirs = serve<answer>;

}  // namespace millrace::broker
