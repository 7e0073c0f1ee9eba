// Each bug of core/replication/planted.h is found by the simulation of its room.

#include <cstdlib>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <string>

#include "core/replication/random_replicas_for_tests.h"

namespace millrace::replication {
namespace {

struct Planted {
    Bug bug;
    const char* name;
    std::uint64_t first = 1;  // seed of a short search, so that one of the next hundreds finds it
};

std::ostream& operator<<(std::ostream& out, const Planted& planted) { return out << planted.name; }

class PlantedBug : public testing::TestWithParam<Planted> {
  protected:
    ~PlantedBug() override { planted = Bug::none; }
};

// The law that a seed finds broken; empty where it finds nothing.
std::string finding(std::uint64_t seed) {
    Play play(seed, seed % 2 == 0 ? 1 : 2);
    play.run(3'000);
    play.heal();
    return play.broken();
}

TEST_P(PlantedBug, IsFound) {
    const char* wanted = std::getenv("MILLRACE_SEEDS");
    std::uint64_t first = wanted == nullptr ? GetParam().first : 1;
    std::uint64_t most = wanted == nullptr ? 200 : std::strtoull(wanted, nullptr, 10);
    planted = GetParam().bug;
    for (std::uint64_t seed = first; seed < first + most; ++seed) {
        std::string law = finding(seed);
        if (law.empty()) continue;
        RecordProperty("seeds", static_cast<int>(seed));
        if (wanted != nullptr) fmt::print("{}: seed {}: {}\n", GetParam().name, seed, law);
        return;
    }
    FAIL() << "none of " << most << " seeds finds it";
}

constexpr Planted bugs[] = {
#define BUG(name, ...) {Bug::name, #name __VA_OPT__(, ) __VA_ARGS__}
    BUG(joins_below_high_watermark), BUG(joins_before_epoch_start),
    BUG(isr_taken_before_answer),    BUG(change_without_answer_dropped),
    BUG(watermark_begins_anew),      BUG(watermark_below_min_isr),
    BUG(watermark_over_known_isr),   BUG(own_unsynced_counted),
    BUG(earlier_life_counted),       BUG(cut_at_watermark),
    BUG(cut_at_leaders_end),         BUG(stale_epoch_served, 2500),
    BUG(zombie_leader_obeyed),       BUG(unsynced_fetch_offset),
    BUG(late_answer_taken),          BUG(divergence_unnoticed),
    BUG(watermark_unbounded),        BUG(unclean_election),
    BUG(epoch_not_stamped),
#undef BUG
};

INSTANTIATE_TEST_SUITE_P(Replication, PlantedBug, testing::ValuesIn(bugs),
                         [](const testing::TestParamInfo<Planted>& info) {
                             return std::string(info.param.name);
                         });

}  // namespace
}  // namespace millrace::replication
