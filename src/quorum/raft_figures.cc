#include "quorum/raft_figures.h"

#include <algorithm>

namespace millrace::quorum {
namespace {

constexpr Duration window_length = Duration::seconds(30);
constexpr std::size_t windows_kept = 2;
constexpr Duration remembered = window_length * 2;
// Beyond so many appends that wait for their commit, further ones are not timed.
constexpr std::size_t most_uncommitted = 1'000;

double ms_between(Time from, Time to) { return static_cast<double>((to - from).ns()) / 1e6; }

}  // namespace

void RecentSamples::add(double value, Time now) {
    if (windows_.empty() || now - windows_.back().began >= window_length) {
        windows_.push_back({.began = now});
        if (windows_.size() > windows_kept) windows_.pop_front();
    }
    Window& window = windows_.back();
    window.max = window.count == 0 ? value : std::max(window.max, value);
    window.sum += value;
    ++window.count;
}

RecentSamples::Window RecentSamples::sum_of(Time now) const {
    Window total{.began = now};
    for (const Window& window : windows_) {
        if (now - window.began >= remembered) continue;
        total.began = std::min(total.began, window.began);
        total.max = total.count == 0 ? window.max : std::max(total.max, window.max);
        total.sum += window.sum;
        total.count += window.count;
    }
    return total;
}

std::optional<double> RecentSamples::average(Time now) const {
    Window total = sum_of(now);
    if (total.count == 0) return std::nullopt;
    return total.sum / static_cast<double>(total.count);
}

std::optional<double> RecentSamples::max(Time now) const {
    Window total = sum_of(now);
    if (total.count == 0) return std::nullopt;
    return total.max;
}

double RecentSamples::rate(Time now) const {
    Window total = sum_of(now);
    Duration time = std::max(now - total.began, window_length);
    return total.sum * 1e9 / static_cast<double>(time.ns());
}

void RaftFigures::appended(std::int64_t records, std::int64_t end, Time now) {
    appended_.add(static_cast<double>(records), now);
    if (uncommitted_.size() < most_uncommitted) uncommitted_.push_back({end, now});
}

void RaftFigures::fetched(std::int64_t records, Time now) {
    fetched_.add(static_cast<double>(records), now);
}

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
