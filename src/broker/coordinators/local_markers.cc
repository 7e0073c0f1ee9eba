#include "broker/coordinators/local_markers.h"

#include <map>

namespace millrace::broker {
namespace {

Task<void> mark(Partitions& partitions, LocalMarker& marker) {
    std::shared_ptr<Partition> partition = partitions.find(marker.id);
    if (!partition || partition->has_failed()) {
        *marker.outcome = ErrorCode::unknown_topic_or_partition;
        co_return;
    }
    Result<storage::Offset> appended = co_await partition->end_transaction(marker.end);
    *marker.outcome = appended ? ErrorCode::none : appended.error().code;
}

Task<void> mark_all(Partitions& partitions, std::vector<LocalMarker>& markers) {
    if (markers.size() == 1) co_return co_await mark(partitions, markers.front());
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (LocalMarker& marker : markers) scope.spawn(mark(partitions, marker));
        co_await scope.join();
    });
}

Task<void> mark_groups(Groups& groups, LocalMarker& marker) {
    *marker.outcome = co_await groups.on_partition(
        marker.id, [&](GroupHost& host) { return host.end_transaction(marker.end); },
        [](ErrorCode) { return ErrorCode::not_leader_or_follower; });
}

}  // namespace

Task<void> write_markers_here(PartitionRouter& router, Groups& groups,
                              std::vector<LocalMarker> markers) {
    std::map<int, std::vector<LocalMarker>> by_shard;
    std::vector<LocalMarker> of_groups;
    for (LocalMarker& marker : markers) {
        (marker.of_groups ? of_groups : by_shard[router.owner(marker.id)]).push_back(marker);
    }
    co_await with_scope([&](Scope& scope) -> Task<void> {
        for (auto& [shard, items] : by_shard) {
            scope.spawn(router.on(
                shard, [&items](Partitions& partitions) { return mark_all(partitions, items); }));
        }
        for (LocalMarker& marker : of_groups) scope.spawn(mark_groups(groups, marker));
        co_await scope.join();
    });
}

}  // namespace millrace::broker
