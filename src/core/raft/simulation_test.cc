#include "core/raft/simulation_test.h"

#include <algorithm>
#include <cstdlib>

namespace millrace::raft {
namespace {

std::int32_t any_of(const std::vector<std::int32_t>& ids, Random& random) {
    return ids[random.below(ids.size())];
}

// An administrator changes the voters, by the leader or by one that takes itself for it.
void change_voters(TestCluster& cluster) {
    Random& random = cluster.random();
    std::int32_t asked = random.chance(0.2) ? any_of(cluster.ids(), random)
                                            : cluster.leader().value_or(cluster.ids().front());
    if (random.chance(0.5)) {
        cluster.add_voter(asked, any_of(cluster.ids(), random), random.chance(0.7));
    } else {
        cluster.remove_voter(asked, any_of(cluster.ids(), random));
    }
}

void disturb(TestCluster& cluster, bool dynamic) {
    Random& random = cluster.random();
    auto any = [&] { return any_of(cluster.ids(), random); };
    switch (random.below(13)) {
        case 0:
            return cluster.crash(any());
        case 1:
        case 2:
            return cluster.restart(any());
        case 3:
            return cluster.isolate(any());
        case 4:
            return cluster.cut(any(), any());  // one way only
        case 5:
        case 6:
            return cluster.heal();
        case 7:
            if (random.chance(0.3)) cluster.resign(any());
            return;
        case 8:
            if (random.chance(0.5)) cluster.snapshot(any(), random.chance(0.3));
            return;
        case 9:
            if (std::int32_t id = any(); dynamic && !cluster.is_up(id)) {
                if (random.chance(0.5)) cluster.move(id);
                if (random.chance(0.5) && cluster.is_free(id)) cluster.wipe(id);
            }
            return;
        case 10:
            return cluster.give_up_leader(any());
        default:
            if (dynamic) return change_voters(cluster);
            if (cluster.leader() && random.chance(0.1))
                cluster.raise_kraft_version(*cluster.leader());
    }
}

ClusterShape shape_of(Random& random, const ClusterShape& planted) {
    ClusterShape shape = planted;
    shape.voters = static_cast<std::int32_t>(random.between(1, 5));
    shape.dynamic = random.chance(0.6);
    shape.observers = static_cast<std::int32_t>(random.between(0, shape.dynamic ? 3 : 1));
    shape.auto_join = shape.dynamic && random.chance(0.2);
    shape.loss = random.chance(0.5) ? random.unit() * 0.2 : 0.0;
    shape.longest_delay = Duration::milliseconds(random.between(1, random.chance(0.3) ? 10 : 400));
    shape.longest_sync =
        Duration::milliseconds(random.between(1, random.chance(0.3) ? 1'000 : 100));
    return shape;
}

}  // namespace

Seeds seeds_wanted(std::uint64_t otherwise) {
    const char* first = std::getenv("MILLRACE_SEED");
    const char* count = std::getenv("MILLRACE_SEEDS");
    Seeds seeds{1, first == nullptr ? otherwise : 1};
    if (first != nullptr) seeds.first = std::strtoull(first, nullptr, 10);
    if (count != nullptr) seeds.count = std::strtoull(count, nullptr, 10);
    return seeds;
}

std::string simulate(std::uint64_t seed, const ClusterShape& planted, Simulated& so_far) {
    Random random(seed * 7919);
    ClusterShape shape = shape_of(random, planted);
    // Where all of a log goes into a snapshot again and again, nothing else tells of its epochs.
    bool snapshots = random.chance(0.2);
    TestCluster cluster(shape, seed);
    Time began = cluster.now();
    for (int i = 0; i < 60 && cluster.broken().empty(); ++i) {
        cluster.run_for(Duration::milliseconds(random.between(1, 1'500)));
        if (random.chance(0.6)) {
            disturb(cluster, shape.dynamic);
            ++so_far.faults;
        }
        if (snapshots) cluster.snapshot(any_of(cluster.ids(), random), true);
        auto count = static_cast<std::int32_t>(random.between(1, 5));
        auto leader = cluster.leader();
        if (leader && random.chance(0.7)) cluster.append(*leader, count);
        // One that takes itself for the leader still does not turn its clients away.
        if (random.chance(0.3)) cluster.append(any_of(cluster.ids(), random), count);
    }
    cluster.heal();
    cluster.restart_all();
    bool settled = cluster.run_until([&] { return cluster.settled(); }, Duration::seconds(300));
    ++so_far.seeds;
    so_far.turns = std::max(so_far.turns, cluster.turns());
    so_far.time = so_far.time + (cluster.now() - began);
    if (!cluster.broken().empty()) return cluster.broken();
    return settled ? "" : "it does not come to rest:" + cluster.describe();
}

}  // namespace millrace::raft
