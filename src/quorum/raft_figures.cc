#include "quorum/raft_figures.h"

#include <algorithm>

namespace millrace::quorum {
namespace {

// Beyond so many appends that wait for their commit, further ones are not timed.
constexpr std::size_t most_uncommitted = 1'000;

double ms_between(Time from, Time to) { return static_cast<double>((to - from).ns()) / 1e6; }

}  // namespace

void RaftFigures::appended(std::int64_t records, std::int64_t end, Time now) {
    appended_.add(static_cast<double>(records), now);
    if (uncommitted_.size() < most_uncommitted) uncommitted_.push_back({end, now});
}

void RaftFigures::fetched(std::int64_t records, Time now) {
    fetched_.add(static_cast<double>(records), now);
}

void RaftFigures::worked(Duration work, Time now) { worked_.add(work.in_seconds(), now); }

double RaftFigures::idle(Time now) const { return std::max(0.0, 1 - worked_.rate(now)); }

void RaftFigures::committed(std::int64_t high_watermark, Time now) {
    while (!uncommitted_.empty() && uncommitted_.front().end <= high_watermark) {
        commit_latency_.add(ms_between(uncommitted_.front().appended, now), now);
        uncommitted_.pop_front();
    }
}

void RaftFigures::role_changed(raft::Role role, Time now) {
    if (role != raft::Role::leader) uncommitted_.clear();
    switch (role) {
        case raft::Role::prospective:
        case raft::Role::candidate:
            if (!election_began_) election_began_ = now;
            return;
        case raft::Role::leader:
        case raft::Role::follower:
            if (election_began_) election_latency_.add(ms_between(*election_began_, now), now);
            election_began_.reset();
            return;
        default:
            return;
    }
}

}  // namespace millrace::quorum
