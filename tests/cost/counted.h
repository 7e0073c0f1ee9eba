#pragma once

#include <cstdint>

namespace millrace::cost {

// What a thread has done so far.
struct Counted {
    std::uint64_t allocations = 0;
    std::uint64_t receives = 0;  // recv
    std::uint64_t sends = 0;     // sendmsg
    std::uint64_t file_sends = 0;
    std::uint64_t writes = 0;  // pwritev
    std::uint64_t probes = 0;  // preadv2 and cachestat: is it in memory?
    std::uint64_t polls = 0;
    std::uint64_t watches = 0;  // epoll_ctl
    std::uint64_t wakes = 0;    // of other threads, by eventfd
    std::uint64_t syncs = 0;

    // But polls, of which there are as many as the threads happen to be woken for.
    std::uint64_t system_calls() const {
        return receives + sends + file_sends + writes + probes + watches + wakes + syncs;
    }
    Counted operator-(const Counted& before) const;
    Counted operator+(const Counted& other) const;
};

// Of the thread that asks.
const Counted& counted();

}  // namespace millrace::cost
