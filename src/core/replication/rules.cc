#include "core/replication/rules.h"

namespace millrace::replication {

Offset Rules::cut(EpochEnd leader, std::optional<EpochEnd> own, Offset own_end) const {
    Offset theirs = std::min(leader.end, own_end);
    if (leader.epoch < 0 || !own) return theirs;
    // The own log does not know that epoch: what it has of later ones goes, and the next fetch asks
    // for the one before.
    if (own->epoch != leader.epoch) return std::min(own->end, own_end);
    return std::min(own->end, theirs);
}

}  // namespace millrace::replication
