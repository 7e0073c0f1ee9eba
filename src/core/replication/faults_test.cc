// Bugs that replication has had, planted one at a time: the laws notice each. MILLRACE_SEEDS says
// how many seeds it may take from the first one on (`./dev soak planted`: 10,000).

#include <cstdlib>
#include <fmt/core.h>
#include <gtest/gtest.h>
#include <string>

#include "core/replication/random_replicas_for_tests.h"

namespace millrace::replication {
namespace {

// Rules of which one is broken.
struct JoinsBelowTheHighWatermark : Rules {
    bool has_all(Offset end, Offset, Offset epoch_start) const override {
        return end >= epoch_start;
    }
};
// A follower that may still hold another log than the leader's.
struct JoinsBeforeTheEpochsStart : Rules {
    bool has_all(Offset end, Offset high_watermark, Offset) const override {
        return end >= high_watermark;
    }
};
struct TakesTheIsrBeforeTheAnswer : Rules {
    bool takes_unanswered() const override { return true; }
};
struct DropsChangesWithoutAnswer : Rules {
    bool asks_again() const override { return false; }
};
struct BeginsAnew : Rules {
    Offset begins_at(Offset) const override { return 0; }
};
struct CommitsBelowMinIsr : Rules {
    bool may_commit(std::int32_t, std::int32_t) const override { return true; }
};
struct WaitsForTheKnownIsrOnly : Rules {
    bool waits_for(bool in_known_isr, bool) const override { return in_known_isr; }
};
struct CountsItsUnsynced : Rules {
    Offset counts_itself(Offset end, Offset) const override { return end; }
};
struct CountsEarlierLives : Rules {
    std::int64_t life_of(std::int64_t) const override { return -1; }
};
struct ServesStaleEpochs : Rules {
    ErrorCode judge_epoch(std::int32_t asked, std::int32_t own) const override {
        return asked > own ? ErrorCode::unknown_leader_epoch : ErrorCode::none;
    }
};
struct OverlooksThatLogsPart : Rules {
    bool parts(EpochEnd, std::int32_t, Offset) const override { return false; }
};
struct CutsAtTheHighWatermark : Rules {
    bool cuts_at_high_watermark(bool) const override { return true; }
};
struct CutsAtTheLeadersEnd : Rules {
    Offset cut(EpochEnd leader, std::optional<EpochEnd>, Offset own_end) const override {
        return std::min(leader.end, own_end);
    }
};
struct HearsBeyondItsLog : Rules {
    Offset heard_high_watermark(Offset told, Offset) const override { return told; }
};

struct Fault {
    const char* name;
    Planted planted;
    std::uint64_t first = 1;  // seed of a short search, so that one of the next hundreds finds it
};

std::ostream& operator<<(std::ostream& out, const Fault& fault) { return out << fault.name; }

template <typename Broken>
Fault breaking(const char* name, std::uint64_t first = 1) {
    static const Broken rules;
    return {name, {.rules = &rules}, first};
}

std::vector<Fault> faults() {
    return {
        breaking<JoinsBelowTheHighWatermark>("joins_below_high_watermark"),
        breaking<JoinsBeforeTheEpochsStart>("joins_before_epoch_start"),
        breaking<TakesTheIsrBeforeTheAnswer>("isr_taken_before_answer"),
        breaking<DropsChangesWithoutAnswer>("change_without_answer_dropped"),
        breaking<BeginsAnew>("watermark_begins_anew"),
        breaking<CommitsBelowMinIsr>("watermark_below_min_isr"),
        breaking<WaitsForTheKnownIsrOnly>("watermark_over_known_isr"),
        breaking<CountsItsUnsynced>("own_unsynced_counted"),
        breaking<CountsEarlierLives>("earlier_life_counted"),
        breaking<ServesStaleEpochs>("stale_epoch_served", 2500),
        breaking<OverlooksThatLogsPart>("divergence_unnoticed"),
        breaking<CutsAtTheHighWatermark>("cut_at_watermark"),
        breaking<CutsAtTheLeadersEnd>("cut_at_leaders_end"),
        breaking<HearsBeyondItsLog>("watermark_unbounded"),
        {"zombie_leader_obeyed", {.zombies_obeyed = true}},
        {"unclean_election", {.unclean_election = true}},
        {"unsynced_fetch_offset", {.unsynced_fetched = true}},
        {"late_answer_taken", {.late_answers_taken = true}},
        {"epoch_not_stamped", {.epochs_unstamped = true}},
    };
}

class Faults : public testing::TestWithParam<Fault> {};

// The law that a seed finds broken; empty where it finds nothing.
std::string finding(std::uint64_t seed, const Planted& planted) {
    Play play(seed, seed % 2 == 0 ? 1 : 2, planted);
    play.run(3'000);
    play.heal();
    return play.broken();
}

TEST_P(Faults, IsNoticed) {
    const char* wanted = std::getenv("MILLRACE_SEEDS");
    std::uint64_t first = wanted == nullptr ? GetParam().first : 1;
    std::uint64_t most = wanted == nullptr ? 200 : std::strtoull(wanted, nullptr, 10);
    for (std::uint64_t seed = first; seed < first + most; ++seed) {
        std::string law = finding(seed, GetParam().planted);
        if (law.empty()) continue;
        fmt::print("{}: seed {}: {}\n", GetParam().name, seed, law);
        return;
    }
    FAIL() << "none of " << most << " seeds finds it";
}

INSTANTIATE_TEST_SUITE_P(Replication, Faults, testing::ValuesIn(faults()),
                         [](const testing::TestParamInfo<Fault>& info) {
                             return std::string(info.param.name);
                         });

}  // namespace
}  // namespace millrace::replication
