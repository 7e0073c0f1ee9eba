#include "quorum/raft_figures.h"

#include <gtest/gtest.h>

namespace millrace::quorum {
namespace {

Time at(std::int64_t ms) { return Time() + Duration::milliseconds(ms); }

TEST(RaftFigures, TimesCommitsAndElections) {
    RaftFigures figures;
    figures.role_changed(raft::Role::prospective, at(0));
    figures.role_changed(raft::Role::candidate, at(20));
    figures.role_changed(raft::Role::leader, at(50));
    EXPECT_EQ(figures.election_latency().max(at(60)), 50);
    figures.appended(3, 4, at(100));
    figures.appended(1, 5, at(110));
    figures.committed(4, at(130));
    EXPECT_EQ(figures.commit_latency().average(at(130)), 30);
    figures.committed(9, at(160));
    EXPECT_EQ(figures.commit_latency().max(at(160)), 50);
    EXPECT_DOUBLE_EQ(figures.append_rate(at(200)) * 30, 4);
    // What a leader could not commit is not its commit latency when another one does.
    figures.appended(1, 10, at(200));
    figures.role_changed(raft::Role::resigned, at(210));
    figures.committed(20, at(9'000));
    EXPECT_EQ(figures.commit_latency().max(at(9'000)), 50);
}

}  // namespace
}  // namespace millrace::quorum
