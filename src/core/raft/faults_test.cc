// Bugs that quorums have had, planted one at a time: the laws of consensus notice each within two
// thousand seeds. MILLRACE_SEED asks for another first seed, MILLRACE_SEEDS for more of them.
#include <algorithm>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "core/raft/simulation_test.h"

namespace millrace::raft {
namespace {

// Rules of which one is broken.
struct LeavesBeforeItIsStored : Rules {
    bool may_leave(std::uint64_t, std::uint64_t) const override { return true; }
};
struct VotesTwice : Rules {
    bool may_vote(const QuorumState& state, const ReplicaKey&) const override {
        return state.leader == no_node;
    }
};
struct ElectsShorterLogs : Rules {
    bool up_to_date(OffsetAndEpoch, const LogFacts&) const override { return true; }
};
struct ComparesLengthsOnly : Rules {
    bool up_to_date(OffsetAndEpoch candidate, const LogFacts& own) const override {
        return candidate.offset >= own.end;
    }
};
// A log of which nothing is left but a snapshot takes itself for one of epoch 0.
struct ForgetsTheSnapshotsEpoch : Rules {
    bool up_to_date(OffsetAndEpoch candidate, const LogFacts& own) const override {
        return candidate >= OffsetAndEpoch{own.end, own.epochs.last()};
    }
};
struct HelpsRivals : Rules {
    bool may_help_rival(Role role, bool) const override { return role != Role::leader; }
};
struct TakesLateAnswers : Rules {
    bool is_awaited(std::uint64_t, std::uint64_t) const override { return true; }
    bool is_current(std::int32_t, std::int32_t) const override { return true; }
};
struct CommitsEarlierEpochsAlone : Rules {
    bool may_commit(std::int64_t, std::int64_t) const override { return true; }
};
struct CutsAtTheHighWatermark : Rules {
    std::int64_t cut(const LogFacts& own, OffsetAndEpoch, std::int64_t committed) const override {
        return std::clamp(committed, own.start, own.end);
    }
};
struct CutsTooLittle : Rules {
    std::int64_t cut(const LogFacts& own, OffsetAndEpoch diverging, std::int64_t) const override {
        return std::clamp(diverging.offset, own.start, own.end);
    }
};
struct WaitsForVotersToBeCommitted : Rules {
    const VoterSet& in_force(const VoterHistory& voters,
                             std::optional<std::int64_t> high_watermark) const override {
        return voters.at_end(high_watermark.value_or(0));
    }
};
struct ChangesVotersBesideEachOther : Rules {
    bool may_change_voters(std::optional<std::int64_t> high_watermark, std::int64_t epoch_start,
                           std::optional<std::int64_t> last_change) const override {
        return last_change && high_watermark.value_or(-1) > epoch_start;
    }
};
// The mistake in Ongaro's thesis: an earlier leader's change comes back.
struct ChangesVotersBeforeItsEpochCommits : Rules {
    bool may_change_voters(std::optional<std::int64_t> high_watermark, std::int64_t,
                           std::optional<std::int64_t> last_change) const override {
        return last_change && *last_change < high_watermark.value_or(-1);
    }
};
struct LeadsOnAlone : Rules {
    Time hears_again_by(Time, Duration) const override { return Time::never(); }
};

struct Fault {
    std::string_view name;
    ClusterShape planted;
};

template <typename Broken>
Fault breaking(std::string_view name) {
    static const Broken rules;
    ClusterShape shape;
    shape.rules = &rules;
    return {name, shape};
}

std::vector<Fault> faults() {
    std::vector<Fault> all{
        breaking<LeavesBeforeItIsStored>("a vote is told before it is stored"),
        breaking<VotesTwice>("two votes in an epoch"),
        breaking<ElectsShorterLogs>("a shorter log is elected"),
        breaking<ComparesLengthsOnly>("logs are compared by their length only"),
        breaking<ForgetsTheSnapshotsEpoch>("the epoch of a snapshot is forgotten"),
        breaking<HelpsRivals>("pre-votes for a rival of a leader that is heard"),
        breaking<TakesLateAnswers>("late answers of earlier epochs count"),
        breaking<CommitsEarlierEpochsAlone>("records of earlier epochs are committed alone"),
        breaking<CutsAtTheHighWatermark>("logs are cut at the high watermark"),
        breaking<CutsTooLittle>("logs are cut where the leader's epoch ends"),
        breaking<WaitsForVotersToBeCommitted>("voters count once they are committed"),
        breaking<ChangesVotersBesideEachOther>("two changes of the voters at once"),
        breaking<ChangesVotersBeforeItsEpochCommits>("voters change before the epoch commits"),
        breaking<LeadsOnAlone>("a leader without a majority goes on"),
    };
    all.push_back({"an epoch is not stored", {.forgets_epochs = true}});
    all.push_back({"the log is acknowledged before it is stored", {.tells_before_sync = true}});
    return all;
}

TEST(Faults, AreNoticed) {
    Seeds seeds = seeds_wanted(0);
    std::uint64_t most = std::max<std::uint64_t>(seeds.count, 2'000);
    for (const Fault& fault : faults()) {
        Simulated so_far;
        std::string broken;
        while (broken.empty() && so_far.seeds < most)
            broken = simulate(seeds.first + so_far.seeds, fault.planted, so_far);
        EXPECT_NE(broken, "") << fault.name << " is not noticed within " << most << " seeds";
        fmt::print("{}: within {} seeds: {}\n", fault.name, so_far.seeds,
                   broken.substr(0, broken.find('\n')));
    }
}

}  // namespace
}  // namespace millrace::raft
