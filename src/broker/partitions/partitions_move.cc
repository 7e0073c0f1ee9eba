#include <fmt/core.h>

#include "broker/log.h"
#include "broker/partitions/partitions.h"
#include "env/disk.h"

namespace millrace::broker {
namespace {

constexpr std::uint64_t copied_at_once = 1 << 20;
// A copy is synced in pieces, so that what is left for the switch is soon on stable storage.
constexpr std::uint64_t unsynced_most = 64 << 20;

}  // namespace

Task<Result<>> Partitions::add_future(TopicIdPartition id, storage::LogDirectory& directory,
                                      storage::LogOrigin origin) {
    std::shared_ptr<Partition> partition = find(id);
    if (partition) origin.options = partition->log().options();
    auto opened = co_await storage::Log::open(shard_, directory.health(), std::move(origin));
    if (!opened) {
        if (opened.error().code == ErrorCode::kafka_storage_error) {
            directory.health().fail(opened.error());
        }
        co_return fail(opened.error());
    }
    std::shared_ptr<storage::Log> log = *std::move(opened);
    if (!partition || find(id) != partition || partition->future() != nullptr ||
        directory.health().failed()) {
        co_await log->abandon();
        co_return fail(ErrorCode::kafka_storage_error,
                       fmt::format("{} cannot become a replica's log now", log->path()));
    }
    partition->begin_future(std::make_shared<FutureReplica>(directory, std::move(log)));
    co_return Result<>{};
}

Task<FutureProgress> Partitions::advance_future(TopicIdPartition id, bool may_switch) {
    using State = FutureProgress::State;
    std::shared_ptr<Partition> partition = find(id);
    if (!partition || partition->future() == nullptr) co_return FutureProgress{};
    std::shared_ptr<FutureReplica> future = partition->share_future();
    std::shared_ptr<storage::Log> current = partition->share_log();
    std::uint64_t beginnings = future->remote_beginnings();
    auto copied = co_await future->copy(*current, copied_at_once);
    metrics_.topic(partition->identity().topic)
        ->began_behind_remote(future->remote_beginnings() - beginnings);
    if (!copied) co_return FutureProgress{State::behind, 0, fail(copied.error())};
    FutureProgress progress{*copied < copied_at_once ? State::near : State::behind, *copied, {}};
    if (future->unsynced() >= unsynced_most) progress.status = co_await future->sync();
    if (progress.state != State::near || !may_switch || !progress.status) co_return progress;

    auto switching = [&]() -> Task<Result<Partition::Switched>> {
        co_return co_await partition->switch_to_future();
    };
    Cancellation shield(shard_);
    Result<Partition::Switched> switched = co_await switching().under(shield);
    if (!switched) {
        progress.status = fail(switched.error());
        co_return progress;
    }
    progress.state = State::switched;
    if (!switched->path.empty()) {
        wipe(*switched->left, switched->path,
             Duration::milliseconds(partition->node().directory_delete_delay_ms));
    }
    co_return progress;
}

Task<void> Partitions::drop_future(TopicIdPartition id) {
    std::shared_ptr<Partition> partition = find(id);
    if (!partition || partition->future() == nullptr) co_return;
    std::shared_ptr<FutureReplica> future = co_await partition->end_future();
    if (future) give_up(*future, *partition);
}

// Its log is abandoned.
void Partitions::give_up(FutureReplica& future, const Partition& partition) {
    storage::LogDirectory& directory = future.directory();
    if (directory.health().failed()) return;
    const Partition::Identity& identity = partition.identity();
    auto path = directory.set_aside(future.log().path(), {identity.topic, identity.index},
                                    "-delete", shard_.random());
    Result<> synced = path ? directory.sync(shard_.disk()) : Result<>(fail(path.error()));
    if (!synced) {
        directory.health().fail(synced.error());
        return;
    }
    wipe(directory, *path, Duration::milliseconds(partition.node().directory_delete_delay_ms));
}

}  // namespace millrace::broker
