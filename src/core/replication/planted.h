#pragma once

#include <cstdint>

namespace millrace::replication {

// Bugs of replication, those of Apache Kafka's history among them, that tests plant to see that
// their simulations find them. In every other build each of them is false at compile time.
enum class Bug : std::uint8_t {
    none,
    // Of leaders.
    joins_below_high_watermark,  // the ISR grows before a follower has all that is committed
    joins_before_epoch_start,    // a follower that may still hold another log than the leader's
    isr_taken_before_answer,     // the ISR counts that the controller was only asked for
    change_without_answer_dropped,
    watermark_begins_anew,     // it goes back at a change of leaders
    watermark_below_min_isr,   // it moves while too few are in sync
    watermark_over_known_isr,  // who may be in sync by now is not waited for
    own_unsynced_counted,      // the leader counts what is not on its stable storage
    earlier_life_counted,      // a fetch of a broker's life before this one (KIP-903)
    // Of followers.
    cut_at_watermark,    // rather than where epochs differ (KIP-101)
    cut_at_leaders_end,  // whatever the own log says of that epoch
    // Of what drives them, and of controllers: planted in the simulation itself.
    stale_epoch_served,
    zombie_leader_obeyed,  // the controller takes an ISR of a leader that has been replaced
    unsynced_fetch_offset,
    late_answer_taken,  // bytes of an earlier connection
    divergence_unnoticed,
    watermark_unbounded,  // beyond the follower's own log
    unclean_election,
    epoch_not_stamped,  // records bear the epoch of those before
};

#ifdef MILLRACE_PLANTED_BUGS
inline Bug planted = Bug::none;
inline bool is_planted(Bug bug) { return planted == bug; }
#else
constexpr bool is_planted(Bug) { return false; }
#endif

}  // namespace millrace::replication
